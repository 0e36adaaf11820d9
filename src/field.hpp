// Which stars shine into whose field, of all the snapshot's: galaxies.particles "field".
//
// One pass over the positions gives boxes around blocks of rows; a galaxy reads, beside its own rows, the blocks whose box
// meets the sphere about its centre that holds its field and galaxies.depth in any orientation. What lies outside after
// the rotation is left out by project(). Blocks end where subhalos do, since rows of one subhalo lie close together in
// space and those of small ones that follow each other in the file do not.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "run_plan.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

// Rows and the box around their positions. In a periodic box of side L: low within [0, L), high below low + L.
struct BlockBox {
    std::uint64_t first = 0, count = 0;
    Vec3d low, high;  // [kpc]
};

// The box around positions, those of a periodic box (boxSize > 0) as images of each other next to the first.
BlockBox boxAround(std::span<const Vec3d> positions, double boxSize);

// Distance [kpc] from a point to the nearest image of a box; 0 inside.
double distanceTo(const BlockBox&, const Vec3d& point, double boxSize);

// First rows of the blocks that rows [0, rows) are cut into, and the end: at every blockRows rows, and at both ends of
// each of the ranges.
std::vector<std::uint64_t> cutIntoBlocks(std::uint64_t rows, std::span<const ParticleRange> ranges);

// Where galaxies.particles is "field", a call of all ranks: gives plan.neighbours. Error: a galaxy without a centre, a
// position that cannot be read, a field and depth that do not fit into the periodic box.
void findNeighbours(RunPlan&, const Comm&);

}  // namespace tessera
