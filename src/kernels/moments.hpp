// Sums over stars behind the systemic velocity and the orientation (stages/frame).
#pragma once

#include <cstddef>

#include "tessera/core/hd.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/physics/orient.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct MomentArgs {
    View<const Vec3d> position;
    View<const Vec3f> velocity;
    View<const float> mass;
    Vec3d centre, meanVelocity;
    double boxSize = 0;
    double radius = 0;              // [kpc] stars farther out are left out; 0: none is
    View<const std::size_t> begin;  // [blocks + 1] first star of each block (stages/blocks), and the end
    View<FrameSums> partial;        // [blocks]
};

// Every block's sums; their total is taken in their order.
void sumMoments(const Stream&, const MomentArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
