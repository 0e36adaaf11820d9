#include "kernels/convolve_adjoint.hpp"

#include "kernels/reduce.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// A spaxel a row of blocks.
__global__ void __launch_bounds__(threads) blankKernel(BlankArgs a) {
    const std::size_t pixels = a.covered.size(), j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (j < pixels && a.covered[j] == 0) a.cube[blockIdx.x * pixels + j] = 0;
}

__global__ void __launch_bounds__(threads) lsfTransposeKernel(LsfTransposeArgs a) {
    TESSERA_DYNAMIC_SHARED(float, in);  // [width - 1 + threads]: pixels from first - (width - 1) on
    const std::size_t first = std::size_t(blockIdx.y) * threads, i = first + threadIdx.x, before = a.width - 1;
    const std::uint32_t source = a.source[blockIdx.x];
    for (std::size_t k = threadIdx.x; k < before + threads; k += threads) {
        const std::size_t pixel = first + k - before;  // wraps to a huge number left of the first
        in[k] = source != nowhere && pixel < a.count ? a.in.data[source * a.in.stride + a.in.first + pixel] : 0.0F;
    }
    __syncthreads();
    if (i >= a.count + before) return;
    float sum = 0;
    if (source != nowhere) {
        const std::size_t begin = i < a.count ? 0 : i + 1 - a.count, end = i < before ? i + 1 : a.width;
        for (std::size_t d = begin; d < end; ++d)
            sum += a.taps[a.tapStride > 0 ? d * a.tapStride + a.firstTap + i - d : d] * in[threadIdx.x + before - d];
    }
    a.out.data[blockIdx.x * a.out.stride + a.out.first + i] = sum;
}

__global__ void __launch_bounds__(threads) lineSlopeKernel(LineSlopeArgs a) {
    TESSERA_DYNAMIC_SHARED(double, bar);  // [threads + width - 1]: targets from first - before on
    const std::size_t k = blockIdx.x, first = std::size_t(blockIdx.y) * threads, i = first + threadIdx.x;
    for (std::size_t t = threadIdx.x; t < threads + a.width - 1; t += threads) {
        const std::size_t target = first + t - a.before;  // wraps to a huge number left of the first
        bar[t] = target < a.targets ? double(a.bar[k * a.barStride + a.firstBar + target]) : 0;
        if (target < a.targets && a.change.size() > 0) bar[t] += double(a.change[k * a.targets + target]);
    }
    __syncthreads();
    if (i >= a.sources) return;
    double seen = 0;
    for (std::size_t d = 0; d < a.width; ++d) seen += a.taps[d * a.tapStride + a.firstTap + i] * bar[threadIdx.x + d];
    a.spectra[k * a.stride + a.firstSource + i] *= seen;
}

__global__ void __launch_bounds__(threads) rowDotKernel(RowDotArgs a) {
    const std::size_t first = std::size_t(blockIdx.x) * a.stride;
    double sum = 0;
    for (std::size_t j = threadIdx.x; j < a.pixels; j += threads)
        sum += (a.a.size() > 0 ? double(a.a[first + j]) : 1.0) * (a.weight.size() > 0 ? a.weight[j] : 1.0) *
               a.b[first + j];
    sum = blockSum<threads>(sum);
    if (threadIdx.x == 0) a.sum[blockIdx.x] += sum;
}

}  // namespace

void blankUncovered(const Stream& s, const BlankArgs& a) {
    const std::size_t pixels = a.covered.size();
    if (pixels == 0) return;
    launch(dim3(unsigned(a.cube.size() / pixels), blocksFor(pixels, threads)), threads, 0, s, blankKernel, a);
}

void spreadLinesTransposed(const Stream& s, const LsfTransposeArgs& a) {
    launch(dim3(unsigned(a.source.size()), blocksFor(a.count + a.width - 1, threads)), threads,
           (threads + a.width - 1) * sizeof(float), s, lsfTransposeKernel, a);
}

void seeLineSlopes(const Stream& s, const LineSlopeArgs& a) {
    launch(dim3(unsigned(a.rows), blocksFor(a.sources, threads)), threads, (threads + a.width - 1) * sizeof(double), s,
           lineSlopeKernel, a);
}

void dotRows(const Stream& s, const RowDotArgs& a) {
    launch(unsigned(a.sum.size()), threads, 0, s, rowDotKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
