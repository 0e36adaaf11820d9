// Spaxel and shift of every star, of one galaxy or of several in one launch.
#pragma once

#include <cstdint>

#include "kernels/star_blocks.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/cube.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// What the field keeps of a spaxel of the padded grid.
enum SpaxelUse : std::uint8_t { unused = 0, shines = 1, insideMask = 2 };

// Of a block of stars. The range of shifts is that of all stars on the grid, used or not.
struct ProjectTotal {
    float shiftMin, shiftMax;
    std::uint32_t onGrid, kept, inMask;
};

struct ProjectGalaxy {
    Vec3d centre, meanVelocity;
    Mat3d rotation;  // box axes -> sky x, sky y, line of sight
    double boxSize = 0;
};

struct ProjectArgs {
    View<const StarBlock> block;
    View<const ProjectGalaxy> galaxy;
    View<const Vec3d> position;
    View<const Vec3f> velocity;
    SpaxelGrid grid;
    Doppler doppler = Doppler::relativistic;
    View<const std::uint8_t> use;  // [n n] SpaxelUse; stars in others become outsideField
    View<std::uint32_t> spaxel;    // [stars] of the star's own field
    View<float> shift;             // [stars]
    View<ProjectTotal> total;      // of every block
};

void project(const Stream&, const ProjectArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
