// Who is in the box: groups, their galaxies, how many particles each has, where they are and how they move; and which
// rows of the snapshot belong to whom. Small (a few hundred bytes a galaxy); the particles are drawn from it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mock/epoch.hpp"
#include "mock/model.hpp"
#include "mock/random.hpp"
#include "mock/sample.hpp"
#include "tessera/mock.hpp"

namespace tessera::mock {

inline constexpr double boxSize = 35000;  // [ckpc/h]
inline constexpr double massUnit = 1e10;  // [Msun/h] of the snapshot

enum Type : int { gasType = 0, starType = 4, typeCount = 6 };

struct GalaxyPlan {
    std::uint32_t rank = 0;  // by size; also the source of its random numbers
    std::uint32_t group = 0;
    std::uint64_t stars = 0, gas = 0;
    bool cosmological = true;  // SubhaloFlag
    GalaxyModel model;
    StarRecipe recipe;
    Vec3d centre;    // [ckpc/h] in [0, boxSize); exact in float, as the catalogue stores it
    Vec3d velocity;  // [km/s]
    Mat3d toBox;     // galaxy frame -> box; its third column is the spin axis
};

struct GroupPlan {
    std::uint64_t firstGalaxy = 0, galaxies = 0;  // in the catalogue's order
    std::uint64_t fuzzStars = 0, fuzzGas = 0;     // inner fuzz: in the group, in none of its subhalos
    FuzzRecipe fuzz;
    double m200 = 0;  // [Msun]
    double r200 = 0;  // [kpc]
    Vec3d centre, velocity;
};

// Consecutive rows of one type with one owner. Sources of random numbers: galaxies their rank; inner fuzz and outer
// fuzz above.
struct Segment {
    enum class Kind { galaxy, innerFuzz, outerFuzz } kind;
    std::uint64_t owner;  // index of the galaxy or group
    std::uint64_t first, count;
};
inline constexpr std::uint32_t innerFuzzSource = 0x40000000u, outerFuzzSource = 0x80000000u;

struct Census {
    std::uint64_t seed = 0;
    Epoch epoch;
    double starMass = 0, cellMass = 0;  // [Msun] mean of a star particle when formed, of a gas cell
    std::uint64_t outerStars = 0, outerGas = 0;
    StarRecipe fuzzStarRecipe;
    FuzzRecipe outerFuzz;
    std::vector<GalaxyPlan> galaxies;  // in the catalogue's order: by group, the central first
    std::vector<GroupPlan> groups;

    // Of one type, in the order of the snapshot: group by group its galaxies, then its inner fuzz; outer fuzz last.
    // Owners of no rows are included.
    std::vector<Segment> segments(Type) const;
    // [kpc] -> [ckpc/h]
    double toComoving() const { return epoch.cosmology.h / epoch.scaleFactor; }
};

Census takeCensus(const MockOptions&);

// x moved by whole boxes into [0, boxSize).
double wrapped(double x);

}  // namespace tessera::mock
