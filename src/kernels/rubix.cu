#include "kernels/rubix.hpp"

#include "kernels/reduce.hpp"
#include "kernels/rubix_star.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// A block a star.
__global__ void __launch_bounds__(threads) factorKernel(RubixArgs a) {
    const StarRecord star = a.star[blockIdx.x];
    const StarSpectrum s(a, star);
    const std::size_t pixels = a.centre.size();
    const double first = a.centre[0], last = a.centre[pixels - 1];
    double total = 0, resampled = 0;
    for (std::size_t m = 1 + threadIdx.x; m < a.wavelength.size(); m += threads)
        if (const double x = s.x(m); x >= first && x <= last) total += s.y(m) * (x - s.x(m - 1));
    for (std::size_t j = 1 + threadIdx.x; j < pixels; j += threads)
        resampled += s.at(a.centre[j]) * (a.centre[j] - a.centre[j - 1]);
    total = blockSum<threads>(total);
    resampled = blockSum<threads>(resampled);
    if (threadIdx.x == 0)
        a.factor[blockIdx.x] = star.mass > 0 && resampled > 0 ? double(star.mass) * total / resampled : 0;
}

__global__ void __launch_bounds__(threads) sumKernel(RubixArgs a) {
    const std::size_t j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (j >= a.centre.size()) return;
    const std::uint32_t spaxel = a.spaxel[blockIdx.x];
    double sum = 0;
    for (std::uint32_t k = a.first[spaxel]; k < a.first[spaxel + 1]; ++k)
        if (const double factor = a.factor[k]; factor > 0) sum += factor * StarSpectrum(a, a.star[k]).at(a.centre[j]);
    if (a.precise.size() > 0)
        a.precise[blockIdx.x * a.stride + a.offset + j] = sum;
    else
        a.out[blockIdx.x * a.stride + a.offset + j] = float(sum);
}

}  // namespace

void accumulateRubix(const Stream& s, const RubixArgs& a) {
    launch(dim3(unsigned(a.star.size())), threads, 0, s, factorKernel, a);
    launch(dim3(unsigned(a.spaxel.size()), blocksFor(a.centre.size(), threads)), threads, 0, s, sumKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
