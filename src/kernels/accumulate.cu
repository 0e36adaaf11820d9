#include "kernels/accumulate.hpp"

#include "kernels/reduce.hpp"
#include "tessera/core/hd.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// Sums over a run's stars of their spectra at one knot, and of the first moment of the shift about the run's centre.
struct KnotSum {
    float spectrum = 0, moment = 0;
};
__device__ KnotSum sumAtKnot(const AccumulateArgs& a, const StarRun& run, std::size_t knot) {
    const std::size_t ageStep = std::size_t(a.ageStep) * a.fluxStride, zStep = std::size_t(a.zStep) * a.fluxStride;
    KnotSum sum;
    if (run.count == 0) sum.spectrum = a.nodeSum[run.first * a.fluxStride + knot];
    for (std::uint32_t i = run.first; i < run.first + run.count; ++i) {
        const StarRecord s = a.star[i];
        const float z1 = s.mass * s.zFraction, z0 = s.mass - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        const std::size_t t = std::size_t(s.corner) * a.fluxStride + knot;
        const float spectrum = (z0 - w01) * a.flux[t] + w01 * a.flux[t + ageStep] + (z1 - w11) * a.flux[t + zStep] +
                               w11 * a.flux[t + zStep + ageStep];
        sum.spectrum += spectrum;
        sum.moment += float(double(s.shift) - run.centre) * spectrum;
    }
    return sum;
}

// Of the pixels in shared memory: sums of the slope change of the kinks inside, of what they add to the value at the
// right edge, and to the integral. Slot 0: kinks left of the tile.
struct Cells {
    double *slope, *value, *integral;  // [pixels + 1]
};

// What one tile needs to know to place the kinks of a run.
struct Placing {
    const AccumulateArgs& a;
    const AccumulateTile& tile;
    const StarRun& run;
    const float *sum0, *sum1;  // of the run, at the tile's knots
    double lnFirst;            // ln of the tile's first edge; where log

    __device__ double knot(std::uint32_t m) const { return a.position[tile.firstKnot + m] * run.stretch; }

    // Slot of the knot; behind the tile: pixels + 1.
    __device__ std::uint32_t slotOf(std::uint32_t m) const {
        const double x = knot(m), first = a.edge[tile.firstPixel], last = a.edge[tile.firstPixel + tile.pixels];
        if (x >= last) return tile.pixels + 1;
        if (x < first) return 0;
        const double j = a.log ? (a.lnPosition[tile.firstKnot + m] + run.centre - lnFirst) * a.inverseWidth
                               : (x - first) * a.inverseWidth;
        const double most = double(tile.pixels - 1);
        return std::uint32_t(j < 0 ? 0 : (j > most ? most : j)) + 1;
    }
    __device__ double slopeBehind(const float* sum, std::uint32_t m) const {
        if (m + 1 >= tile.knots) return 0;  // values are held outside the table
        return (double(sum[m + 1]) - double(sum[m])) * (a.inverseStep[tile.firstKnot + m] / run.stretch);
    }
    __device__ double kink(const float* sum, std::uint32_t m) const {
        return slopeBehind(sum, m) - (m > 0 ? slopeBehind(sum, m - 1) : 0);
    }

    // With f a star's shift about the run's centre, a kink D at x becomes D e^-f at x e^f, summed to second order in f.
    __device__ void place(std::uint32_t m, std::uint32_t slot, const Cells& to) const {
        const double x = knot(m), e = a.edge[tile.firstPixel + slot], r = e - x;
        const double d0 = kink(sum0, m), d1 = kink(sum1, m), d2 = 0.5 * run.secondMoment * d0;
        to.slope[slot] += d0 - d1 + d2;
        to.value[slot] += d0 * r + e * (d2 - d1);
        to.integral[slot] += 0.5 * (d0 * r * r - d1 * r * (e + x) + d2 * (e * e + x * x));
    }
};

// The spectrum on the pixels from the sums of its kinks: integrated twice from the left, a part of the pixels a thread.
// value: of the spectrum at the tile's first knot.
__device__ void integrate(const AccumulateArgs& a, const AccumulateTile& tile, const Cells& cells, double value) {
    const std::uint32_t part = (tile.pixels + threads - 1) / threads, begin = threadIdx.x * part;
    const std::uint32_t end = begin + part < tile.pixels ? begin + part : tile.pixels;
    const auto width = [&](std::uint32_t j) { return a.edge[tile.firstPixel + j + 1] - a.edge[tile.firstPixel + j]; };
    double slope = 0;
    for (std::uint32_t j = begin; j < end; ++j) slope += cells.slope[j + 1];
    const double firstSlope = cells.slope[0] + sumBefore<threads>(slope);
    slope = firstSlope;
    double rise = 0;
    for (std::uint32_t j = begin; j < end; ++j) {
        rise += slope * width(j) + cells.value[j + 1];
        slope += cells.slope[j + 1];
    }
    value += cells.value[0] + sumBefore<threads>(rise);
    slope = firstSlope;
    for (std::uint32_t j = begin; j < end; ++j) {
        const double w = width(j);
        const double mean = a.scale * (value + 0.5 * slope * w + cells.integral[j + 1] / w);
        value += slope * w + cells.value[j + 1];
        slope += cells.slope[j + 1];
        cells.integral[j + 1] = mean;
    }
}

// Seven blocks a multiprocessor: with fewer registers ptxas spills.
__global__ void __launch_bounds__(threads, 7) accumulateKernel(AccumulateArgs a) {
    TESSERA_DYNAMIC_SHARED(double, memory);
    const AccumulateItem item = a.item[blockIdx.x];
    const AccumulateTile tile = a.tile[blockIdx.y];
    const std::size_t slots = std::size_t(a.mostPixels) + 1;
    const Cells cells{memory, memory + slots, memory + 2 * slots};
    float* const sum0 = reinterpret_cast<float*>(memory + 3 * slots);
    float* const sum1 = sum0 + a.mostKnots;
    for (std::size_t j = threadIdx.x; j < 3 * slots; j += threads) memory[j] = 0;
    __syncthreads();
    double value = 0;
    const double lnFirst = a.log ? std::log(a.edge[tile.firstPixel]) : 0;
    for (std::uint32_t r = item.firstRun; r < item.firstRun + item.runs; ++r) {
        const StarRun run = a.run[r];
        for (std::uint32_t m = threadIdx.x; m < tile.knots; m += threads) {
            const KnotSum sum = sumAtKnot(a, run, tile.firstKnot + m);
            sum0[m] = sum.spectrum;
            sum1[m] = sum.moment;
        }
        __syncthreads();
        value += double(sum0[0]);
        // Knots of one pixel follow each other: the first of them places all, alone at that pixel.
        const Placing placing{a, tile, run, sum0, sum1, lnFirst};
        for (std::uint32_t m = threadIdx.x; m < tile.knots; m += threads) {
            const std::uint32_t slot = placing.slotOf(m);
            if (slot > tile.pixels || (m > 0 && placing.slotOf(m - 1) == slot)) continue;
            std::uint32_t k = m;
            do {
                placing.place(k++, slot, cells);
            } while (k < tile.knots && placing.slotOf(k) == slot);
        }
        __syncthreads();
    }
    integrate(a, tile, cells, value);
    __syncthreads();
    const std::size_t first = item.row * a.stride + tile.firstPixel - a.outFirst;
    for (std::uint32_t j = threadIdx.x; j < tile.pixels; j += threads) {
        if (a.precise.size() > 0)
            a.precise[first + j] = cells.integral[j + 1];
        else
            a.out[first + j] = float(cells.integral[j + 1]);
    }
}

template <class Real>
__device__ void addParts(const AddPartsArgs& a, View<Real> out) {
    const PartList list = a.list[blockIdx.x];
    const std::size_t j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (j >= a.pixels) return;
    Real& to = out[list.row * a.stride + j];
    double sum = double(to);
    for (std::uint32_t p = 0; p < list.parts; ++p) sum += double(out[(list.firstPart + p) * a.stride + j]);
    to = Real(sum);
}

__global__ void __launch_bounds__(threads) addPartsKernel(AddPartsArgs a) {
    if (a.precise.size() > 0)
        addParts(a, a.precise);
    else
        addParts(a, a.out);
}

}  // namespace

std::size_t accumulateSharedBytes(std::uint32_t pixels, std::uint32_t knots) {
    return 3 * (std::size_t(pixels) + 1) * sizeof(double) + 2 * std::size_t(knots) * sizeof(float);
}

void accumulate(const Stream& s, const AccumulateArgs& a) {
    launch(dim3(unsigned(a.item.size()), unsigned(a.tile.size())), threads,
           accumulateSharedBytes(a.mostPixels, a.mostKnots), s, accumulateKernel, a);
}

void addParts(const Stream& s, const AddPartsArgs& a) {
    launch(dim3(unsigned(a.list.size()), blocksFor(a.pixels, threads)), threads, 0, s, addPartsKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
