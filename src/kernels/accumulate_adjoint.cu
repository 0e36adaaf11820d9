#include "kernels/accumulate_adjoint.hpp"

#include "kernels/reduce.hpp"
#include "tessera/core/hd.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128, warps = threads / 32;
constexpr unsigned all = 0xffffffffU;

// Of the cotangent on a tile's pixels, in shared memory: first and second integral of its density from the tile's first edge on,
// at every edge, and the density of every pixel.
struct Integrals {
    double *first, *second;  // [pixels + 1]
    float* density;          // [pixels]
};

// A part of the pixels a thread.
__device__ void integrate(const AccumulateArgs& a, const AccumulateTile& tile, const float* bar, const Integrals& to) {
    const std::uint32_t part = (tile.pixels + threads - 1) / threads;
    const std::uint32_t begin = threadIdx.x * part < tile.pixels ? threadIdx.x * part : tile.pixels;
    const std::uint32_t end = begin + part < tile.pixels ? begin + part : tile.pixels;
    const double* edge = a.edge.data() + tile.firstPixel;
    double sum = 0;
    for (std::uint32_t j = begin; j < end; ++j) sum += a.scale * double(bar[j]);
    const double firstBefore = sumBefore<threads>(sum);
    double first = firstBefore, second = 0;
    for (std::uint32_t j = begin; j < end; ++j) {
        const double value = a.scale * double(bar[j]);
        second += (first + 0.5 * value) * (edge[j + 1] - edge[j]);
        first += value;
    }
    second = sumBefore<threads>(second);
    first = firstBefore;
    for (std::uint32_t j = begin; j < end; ++j) {
        const double value = a.scale * double(bar[j]), width = edge[j + 1] - edge[j];
        to.first[j] = first;
        to.second[j] = second;
        to.density[j] = float(value / width);
        second += (first + 0.5 * value) * width;
        first += value;
    }
    if (begin < end && end == tile.pixels) {
        to.first[end] = first;
        to.second[end] = second;
    }
}

// A function of the shift at a knot, with its first derivative and (in place of the second) what the derivative's mean needs.
struct Triple {
    double bent, slope, value;
    __device__ Triple operator-(const Triple& o) const { return {bent - o.bent, slope - o.slope, value - o.value}; }
};
__device__ Triple shuffleDown(const Triple& t) {
    return {__shfl_down_sync(all, t.bent, 1), __shfl_down_sync(all, t.slope, 1), __shfl_down_sync(all, t.value, 1)};
}
__device__ Triple shuffleUp(const Triple& t) {
    return {__shfl_up_sync(all, t.bent, 1), __shfl_up_sync(all, t.slope, 1), __shfl_up_sync(all, t.value, 1)};
}

// Cotangents of a template's flux at the tile's knots, and their two derivatives in the shift, of one warp.
struct Rows {
    float *value, *slope, *bent;  // [knots]
};

// The rows of one run of stars.
struct AtShift {
    const AccumulateArgs& a;
    const AccumulateTile& tile;
    const Integrals& integrals;
    double shift, stretch, inverse;  // inverse: of the stretch
    double lnFirst;                  // ln of the tile's first edge; where log

    // Integrals at the stretched knot: x x' density, first, second.
    __device__ Triple atKnot(std::uint32_t m) const {
        const double position = a.position[tile.firstKnot + m], x = position * stretch;
        const double* edge = a.edge.data() + tile.firstPixel;
        if (x < edge[0]) return {0, 0, 0};
        if (x >= edge[tile.pixels]) {
            const double first = integrals.first[tile.pixels];
            return {0, first, integrals.second[tile.pixels] + first * (x - edge[tile.pixels])};
        }
        const double j = a.log ? (a.lnPosition[tile.firstKnot + m] + shift - lnFirst) * a.inverseWidth
                               : (x - edge[0]) * a.inverseWidth;
        const double most = double(tile.pixels - 1);
        const auto slot = std::uint32_t(j < 0 ? 0 : (j > most ? most : j));
        const double density = double(integrals.density[slot]), first = integrals.first[slot], r = x - edge[slot];
        return {position * x * density, first + density * r, integrals.second[slot] + (first + 0.5 * density * r) * r};
    }

    // Means between a knot and the next, of the integrals there, with their derivatives.
    __device__ Triple mean(std::uint32_t m, const Triple& here, const Triple& next) const {
        const double step = a.inverseStep[tile.firstKnot + m], mean = (next.value - here.value) * step * inverse;
        const double slope =
            (a.position[tile.firstKnot + m + 1] * next.slope - a.position[tile.firstKnot + m] * here.slope) * step -
            mean;
        return {(next.bent - here.bent) * step - slope, slope, mean};
    }

    // By a warp: each lane has a knot, the first and the last for their neighbours only.
    __device__ void rows(const Rows& to) const {
        const int lane = int(threadIdx.x % 32), knots = int(tile.knots);
        for (int base = 0; base < knots; base += 30) {
            const int m = base + lane - 1;
            const bool inside = m >= 0 && m < knots;
            const Triple here = inside ? atKnot(std::uint32_t(m)) : Triple{0, 0, 0}, next = shuffleDown(here);
            Triple means{0, 0, 0};
            if (inside && m + 1 < knots)
                means = mean(std::uint32_t(m), here, next);
            else if (inside)
                means.value = integrals.first[tile.pixels];  // values are held behind the last knot
            const Triple change = means - shuffleUp(means);
            if (lane == 0 || lane == 31 || !inside) continue;
            to.value[m] = float(change.value);
            to.slope[m] = float(change.slope);
            to.bent[m] = float(change.bent);
        }
    }
};

// By a warp: bar += cotangent of the star's record. Neighbouring templates are subtracted before they are summed, and of the
// slopes, which sum to 0, a value from the middle: what is left of these sums is small.
__device__ void gatherStar(const AccumulateArgs& a, const AccumulateTile& tile, const StarRecord& s, const Rows& rows,
                           float offset, StarRecordBar& bar) {
    const std::size_t ageStep = std::size_t(a.ageStep) * a.fluxStride, zStep = std::size_t(a.zStep) * a.fluxStride;
    const std::size_t t = std::size_t(s.corner) * a.fluxStride + tile.firstKnot;
    const float half = 0.5F * offset;
    float mass = 0, age = 0, z = 0, shift = 0;
    const auto spectrum = [&](std::uint32_t m) {
        const float t0 = a.flux[t + m], t1 = a.flux[t + ageStep + m], t2 = a.flux[t + zStep + m],
                    t3 = a.flux[t + zStep + ageStep + m];
        const float lower = t0 + s.ageFraction * (t1 - t0), upper = t2 + s.ageFraction * (t3 - t2);
        return lower + s.zFraction * (upper - lower);
    };
    const float level = spectrum(tile.knots / 2);
    for (std::uint32_t m = threadIdx.x % 32; m < tile.knots; m += 32) {
        const float t0 = a.flux[t + m], t2 = a.flux[t + zStep + m];
        const float age0 = a.flux[t + ageStep + m] - t0, age1 = a.flux[t + zStep + ageStep + m] - t2;
        const float ofAge = age0 + s.zFraction * (age1 - age0);
        const float ofZ = (t2 - t0) + s.ageFraction * (age1 - age0);
        const float y = t0 + s.zFraction * (t2 - t0) + s.ageFraction * ofAge;
        const float slope = rows.slope[m], bent = rows.bent[m];
        const float b = rows.value[m] + offset * (slope + half * bent);
        mass += b * y;
        age += b * ofAge;
        z += b * ofZ;
        shift += (slope + offset * bent) * (y - level);
    }
    float sums[4] = {mass, age, z, shift};
    warpSum4(sums);
    if (threadIdx.x % 32 != 0) return;
    bar.mass += sums[0];
    bar.ageFraction += s.mass * sums[1];
    bar.zFraction += s.mass * sums[2];
    bar.shift += s.mass * sums[3];
}

// By a warp: from which no star of the run is farther than need be.
__device__ double middleShift(const AccumulateArgs& a, std::uint32_t first, std::uint32_t end) {
    if (end - first == 1) return double(a.star[first].shift);
    float low = INFINITY, high = -INFINITY;
    for (std::uint32_t i = first + threadIdx.x % 32; i < end; i += 32) {
        const float shift = a.star[i].shift;
        low = shift < low ? shift : low;
        high = shift > high ? shift : high;
    }
    for (int bits = 16; bits > 0; bits /= 2) {
        const float otherLow = __shfl_xor_sync(all, low, bits), otherHigh = __shfl_xor_sync(all, high, bits);
        low = otherLow < low ? otherLow : low;
        high = otherHigh > high ? otherHigh : high;
    }
    return 0.5 * (double(low) + double(high));
}

// Shared memory holds five blocks a multiprocessor: registers for more are not saved.
__global__ void __launch_bounds__(threads, 6) gatherKernel(GatherArgs g) {
    TESSERA_DYNAMIC_SHARED(double, memory);
    const AccumulateArgs& a = g.sum;
    const GatherItem item = g.item[blockIdx.x];
    const std::size_t edges = std::size_t(a.mostPixels) + 1;
    float* const floats = reinterpret_cast<float*>(memory + 2 * edges);
    const Integrals integrals{memory, memory + edges, floats};
    const unsigned warp = threadIdx.x / 32;
    float* const mine = floats + edges + warp * 3 * std::size_t(a.mostKnots);
    const Rows rows{mine, mine + a.mostKnots, mine + 2 * a.mostKnots};
    for (std::size_t t = 0; t < a.tile.size(); ++t) {
        const AccumulateTile tile = a.tile[t];
        integrate(a, tile, &g.spectraBar[item.row * a.stride + tile.firstPixel], integrals);
        __syncthreads();
        const double lnFirst = a.log ? std::log(a.edge[tile.firstPixel]) : 0;
        for (std::uint32_t r = item.firstRun + warp; r < item.firstRun + item.runs; r += warps) {
            const std::uint32_t first = a.run[r].first, end = first + a.run[r].count;
            const double centre = middleShift(a, first, end);
            AtShift{a, tile, integrals, centre, std::exp(centre), std::exp(-centre), lnFirst}.rows(rows);
            __syncwarp();
            for (std::uint32_t i = first; i < end; ++i) {
                const StarRecord s = a.star[i];
                gatherStar(a, tile, s, rows, float(double(s.shift) - centre), g.bar[i]);
            }
            __syncwarp();
        }
        __syncthreads();
    }
}

}  // namespace

std::vector<GatherItem> planGather(std::span<const std::uint32_t> spaxelRun,
                                   std::span<const std::uint32_t> firstOfRun) {
    // A run costs its rows, about as much as so many stars.
    constexpr std::uint32_t starsOfRun = 4, mostStars = 1024;
    std::vector<GatherItem> items;
    std::uint32_t row = 0;
    for (std::size_t s = 0; s + 1 < spaxelRun.size(); ++s) {
        for (std::uint32_t r = spaxelRun[s]; r < spaxelRun[s + 1];) {
            const std::uint32_t first = r;
            std::uint32_t cost = 0;
            do {
                cost += firstOfRun[r + 1] - firstOfRun[r] + starsOfRun;
                ++r;
            } while (r < spaxelRun[s + 1] && cost < mostStars);
            items.push_back({first, r - first, row});
        }
        if (spaxelRun[s + 1] > spaxelRun[s]) ++row;
    }
    return items;
}

std::size_t gatherSharedBytes(std::uint32_t pixels, std::uint32_t knots) {
    const std::size_t edges = std::size_t(pixels) + 1;
    return edges * (2 * sizeof(double) + sizeof(float)) + std::size_t(warps) * 3 * knots * sizeof(float);
}

void gather(const Stream& s, const GatherArgs& a) {
    launch(unsigned(a.item.size()), threads, gatherSharedBytes(a.sum.mostPixels, a.sum.mostKnots), s, gatherKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
