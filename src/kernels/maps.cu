#include "kernels/maps.hpp"

#include "kernels/reduce.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 64;

__global__ void __launch_bounds__(threads) mapKernel(MapArgs a) {
    const std::size_t field = blockIdx.x / (a.n * a.n), p = blockIdx.x % (a.n * a.n), side = a.n + 2 * a.pad;
    const std::size_t s = field * side * side + (p / a.n + a.pad) * side + p % a.n + a.pad;
    SpaxelSums sums;
    if (a.mask[p] != 0)
        for (std::size_t k = a.first[s] + threadIdx.x; k < a.first[s + 1]; k += threads) {
            const StarRecord star = a.star[k];
            sums.add(star, bandLight(a.band, a.light.data(), star), velocityOfShift(double(star.shift), a.doppler),
                     a.limits);
        }
    sums = blockSum<threads>(sums);
    if (threadIdx.x == 0) a.sums[blockIdx.x] = sums;
}

}  // namespace

void sumSpaxels(const Stream& s, const MapArgs& a) {
    launch(unsigned(a.sums.size()), threads, 0, s, mapKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
