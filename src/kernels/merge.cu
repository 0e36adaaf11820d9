#include "kernels/merge.hpp"

#include "kernels/search.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

__device__ std::size_t thisThread() {
    return std::size_t(blockIdx.x) * threads + threadIdx.x;
}

__global__ void __launch_bounds__(threads) countStarsKernel(CountArgs a) {
    const std::size_t s = thisThread();
    if (s >= a.count.size()) return;
    a.count[s] =
        lowerBound(a.key, std::uint64_t(s + 1) << a.binBits) - lowerBound(a.key, std::uint64_t(s) << a.binBits);
}

__global__ void __launch_bounds__(threads) mergeKeyKernel(MergeArgs a) {
    const std::size_t i = thisThread();
    if (i >= a.star.size()) return;
    // The last of those that begin here or before: those before it without stars begin here too.
    const std::uint32_t segment = lowerBound(a.first, std::uint32_t(i + 1)) - 1;
    a.key[i] = keyOf(a.firstSpaxel + segment % a.spaxels, a.star[i].shift, a.shiftMin, a.shiftStep, a.binBits);
    a.order[i] = std::uint32_t(i);
}

__global__ void __launch_bounds__(threads) gatherStarsKernel(StarGatherArgs a) {
    const std::size_t k = thisThread();
    if (k < a.to.size()) a.to[k] = a.from[a.order[k]];
}

}  // namespace

void countStars(const Stream& s, const CountArgs& a) {
    launch(blocksFor(a.count.size(), threads), threads, 0, s, countStarsKernel, a);
}
void mergeKeys(const Stream& s, const MergeArgs& a) {
    launch(blocksFor(a.star.size(), threads), threads, 0, s, mergeKeyKernel, a);
}
void gatherStars(const Stream& s, const StarGatherArgs& a) {
    launch(blocksFor(a.to.size(), threads), threads, 0, s, gatherStarsKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
