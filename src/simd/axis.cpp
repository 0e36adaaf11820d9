// locate() of physics/ssp.hpp for many values on one axis: loops that the compiler vectorises, but for the look-up itself, since
// vectors gathered from the table take up to twice as long. Test: test_star_kernels.
#include <cstdint>
#include <type_traits>

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

constexpr int fewIntervals = W / 3;  // a look-up is faster from here on

// Both of the following find the intervals of values within the axis, which stand in fraction; lower: their cells.

// One or more steps from the cell's point on.
template <class Steps>
void lookUp(const AxisArgs& a, Steps steps, std::size_t first, std::size_t n, std::int32_t* lower, float* fraction) {
    const AxisInterval* const intervals = a.intervals;
    const std::uint16_t* const cells = a.cells;
    for (std::size_t i = first; i < n; ++i) {
        const float v = fraction[i];
        std::uint32_t k = cells[lower[i]];
        for (int s = 0; s < int(steps); ++s) k += v >= intervals[k].next ? 1 : 0;
        asm("" : "+r"(k));  // one by one: see above
        lower[i] = std::int32_t(k);
        fraction[i] = ((v - intervals[k].coarse) - intervals[k].rest) * intervals[k].inverse;
    }
}

// Past all intervals, a vector of values at a time. Returns the number of values found: whole vectors.
std::size_t sweep(const AxisArgs& a, std::size_t n, std::int32_t* lower, float* fraction) {
    const std::size_t whole = n / W * W;
    for (std::size_t i = 0; i < whole; i += W) {
        const Vf v = load(fraction + i);
        Vf k = 0, coarse = a.intervals[0].coarse, rest = a.intervals[0].rest, inverse = a.intervals[0].inverse;
        for (int j = 1; j < a.count; ++j) {
            const auto beyond = v >= a.intervals[j - 1].next;
            where(beyond, k) = float(j);
            where(beyond, coarse) = a.intervals[j].coarse;
            where(beyond, rest) = a.intervals[j].rest;
            where(beyond, inverse) = a.intervals[j].inverse;
        }
        const Vf f = ((v - coarse) - rest) * inverse;
        f.copy_to(fraction + i, stdx::element_aligned);
        stdx::static_simd_cast<stdx::rebind_simd_t<std::int32_t, Vf>>(k).copy_to(lower + i, stdx::element_aligned);
    }
    return whole;
}

}  // namespace

void locate(const AxisArgs& a, const float* values, std::size_t n, std::int32_t* lower, float* fraction,
            std::int32_t* clamped) {
    const float low = a.low, high = a.high, scale = a.scale;
#pragma GCC ivdep
    for (std::size_t i = 0; i < n; ++i) {
        const float atLeast = values[i] >= low ? values[i] : low;  // NaN becomes the lower end
        const float v = atLeast < high ? atLeast : high;
        fraction[i] = v;
        lower[i] = std::int32_t((v - low) * scale);
    }
    const std::size_t found = a.count <= fewIntervals ? sweep(a, n, lower, fraction) : 0;
    if (a.steps == 1)
        lookUp(a, std::integral_constant<int, 1>(), found, n, lower, fraction);
    else
        lookUp(a, a.steps, found, n, lower, fraction);
#pragma GCC ivdep
    for (std::size_t i = 0; i < n; ++i) {
        const float v = values[i], notAbove = v > high ? 1.0F : fraction[i];
        fraction[i] = v >= low ? notAbove : 0.0F;
        clamped[i] = std::int32_t(!(v >= low)) | std::int32_t(v > high);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
