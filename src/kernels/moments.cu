#include "kernels/moments.hpp"

#include "kernels/reduce.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

__global__ void __launch_bounds__(threads) momentKernel(MomentArgs a) {
    const std::size_t first = a.begin[blockIdx.x], end = a.begin[blockIdx.x + 1];
    FrameSums sums;
    for (std::size_t i = first + threadIdx.x; i < end; i += threads) {
        const Vec3d x = nearestImage(a.position[i] - a.centre, a.boxSize);
        if (a.radius > 0 && dot(x, x) > sq(a.radius)) continue;
        const double m = double(a.mass[i]);
        sums += frameSums(m, x, a.velocity[i].to<double>(), a.meanVelocity);
    }
    sums = blockSum<threads>(sums);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sums;
}

}  // namespace

void sumMoments(const Stream& s, const MomentArgs& a) {
    launch(unsigned(a.partial.size()), threads, 0, s, momentKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
