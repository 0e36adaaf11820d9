#include "kernels/convolve.hpp"

#include <cmath>

#include "kernels/reduce.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

__device__ std::size_t thisPixel() {
    return std::size_t(blockIdx.y) * threads + threadIdx.x;
}

__global__ void __launch_bounds__(threads) lsfKernel(LsfArgs a) {
    TESSERA_DYNAMIC_SHARED(float, in);  // [threads + width - 1]
    const std::uint32_t place = a.place[blockIdx.x];
    if (place == nowhere) return;
    const std::size_t first = std::size_t(blockIdx.y) * threads, j = first + threadIdx.x;
    const std::size_t from = blockIdx.x * a.in.stride + a.in.first + first;
    for (std::size_t i = threadIdx.x; i < threads + a.width - 1; i += threads)
        in[i] = first + i < a.count + a.width - 1 ? a.in.data[from + i] : 0.0F;
    __syncthreads();
    if (j >= a.count) return;
    float sum = 0;
    for (std::size_t d = 0; d < a.width; ++d)
        sum += a.taps[a.tapStride > 0 ? d * a.tapStride + a.firstTap + j : d] * in[threadIdx.x + d];
    a.out.data[place * a.out.stride + a.out.first + j] = sum;
}

// Along x, for every row of the field with what of its padding the kernel reaches.
__global__ void __launch_bounds__(threads) rowsKernel(PsfArgs a) {
    const std::size_t j = thisPixel(), width = 2 * a.radius + 1, side = a.n + 2 * a.pad;
    if (j >= a.count) return;
    const std::size_t height = a.n + 2 * a.radius, field = blockIdx.x / (height * a.n), p = blockIdx.x % (height * a.n);
    const std::size_t y = p / a.n, x = p % a.n, skip = a.pad - a.radius;
    const std::size_t first = field * side * side + (y + skip) * side + x + skip;
    for (std::size_t c = 0; c < a.components; ++c) {
        float sum = 0;
        for (std::size_t d = 0; d < width; ++d) {
            const std::uint32_t slot = a.slot[first + d];
            if (slot != nowhere) sum += a.taps[c * width + d] * a.in.data[slot * a.in.stride + a.in.first + j];
        }
        a.rows[(((field * a.components + c) * height + y) * a.n + x) * a.count + j] = sum;
    }
}

__global__ void __launch_bounds__(threads) columnsKernel(PsfArgs a) {
    const std::size_t j = thisPixel(), width = 2 * a.radius + 1;
    const std::uint32_t place = a.place[blockIdx.x];
    if (j >= a.count || place == nowhere) return;
    const std::size_t height = a.n + 2 * a.radius, field = blockIdx.x / (a.n * a.n), p = blockIdx.x % (a.n * a.n);
    const std::size_t y = p / a.n, x = p % a.n;
    float sum = 0;
    for (std::size_t c = 0; c < a.components; ++c)
        for (std::size_t d = 0; d < width; ++d)
            sum +=
                a.taps[c * width + d] * a.rows[(((field * a.components + c) * height + y + d) * a.n + x) * a.count + j];
    a.out.data[place * a.out.stride + a.out.first + j] = sum;
}

__global__ void __launch_bounds__(threads) fullKernel(PsfArgs a) {
    const std::size_t j = thisPixel(), width = 2 * a.radius + 1, side = a.n + 2 * a.pad;
    const std::uint32_t place = a.place[blockIdx.x];
    if (j >= a.count || place == nowhere) return;
    const std::size_t field = blockIdx.x / (a.n * a.n), p = blockIdx.x % (a.n * a.n);
    const std::size_t y = p / a.n, x = p % a.n, skip = a.pad - a.radius;
    const std::size_t first = field * side * side + (y + skip) * side + x + skip;
    float sum = 0;
    for (std::size_t dy = 0; dy < width; ++dy)
        for (std::size_t dx = 0; dx < width; ++dx) {
            const std::uint32_t slot = a.slot[first + dy * side + dx];
            if (slot == nowhere) continue;
            // The tap that carries light from dx - radius away to here is the one on the other side.
            const float tap = a.taps[(width - 1 - dy) * width + width - 1 - dx];
            sum += tap * a.in.data[slot * a.in.stride + a.in.first + j];
        }
    a.out.data[place * a.out.stride + a.out.first + j] = sum;
}

__global__ void __launch_bounds__(threads) finishKernel(FinishArgs a) {
    const std::size_t s = blockIdx.x, pixels = a.weight.size();
    const bool inside = a.mask[s % a.mask.size()] != 0;
    double sum = 0;
    for (std::size_t j = threadIdx.x; j < pixels; j += threads) {
        float& f = a.cube[s * pixels + j];
        sum += double(a.weight[j]) * double(f);
        if (!inside || a.covered[j] == 0) f = NAN;
    }
    sum = blockSum<threads>(sum);
    if (threadIdx.x == 0) a.sum[s] = sum;
}

}  // namespace

void spreadLines(const Stream& s, const LsfArgs& a) {
    launch(dim3(unsigned(a.place.size()), blocksFor(a.count, threads)), threads,
           (threads + a.width - 1) * sizeof(float), s, lsfKernel, a);
}

std::size_t psfRowFloats(const PsfArgs& a) {
    return a.fields * a.components * (a.n + 2 * a.radius) * a.n * a.count;
}

void blur(const Stream& s, const PsfArgs& a) {
    const unsigned chunks = blocksFor(a.count, threads);
    if (a.components == 0) {
        launch(dim3(unsigned(a.fields * a.n * a.n), chunks), threads, 0, s, fullKernel, a);
        return;
    }
    expects(a.rows.size() >= psfRowFloats(a), "room for the rows that are blurred along x");
    launch(dim3(unsigned(a.fields * (a.n + 2 * a.radius) * a.n), chunks), threads, 0, s, rowsKernel, a);
    launch(dim3(unsigned(a.fields * a.n * a.n), chunks), threads, 0, s, columnsKernel, a);
}

void finishCube(const Stream& s, const FinishArgs& a) {
    launch(dim3(unsigned(a.sum.size())), threads, 0, s, finishKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
