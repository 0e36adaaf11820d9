// locate() of physics/ssp.hpp for many values on one axis: plain loops that the compiler vectorises with gathers. Test:
// test_kernels.
#include <cstdint>

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

void locate(const AxisArgs& a, const float* values, std::size_t n, std::int32_t* lower, float* fraction,
            std::int32_t* clamped) {
    const float low = a.low, high = a.high, scale = a.scale;
    const auto within = [=](float v) {  // NaN becomes the lower end
        const float x = v >= low ? v : low;
        return x < high ? x : high;
    };
    const std::int32_t* cells = a.cells;
    const float* next = a.next;
#pragma GCC ivdep
    for (std::size_t i = 0; i < n; ++i) lower[i] = cells[std::int32_t((within(values[i]) - low) * scale)];
    for (int s = a.steps; s > 0; --s)
#pragma GCC ivdep
        for (std::size_t i = 0; i < n; ++i) lower[i] += within(values[i]) >= next[lower[i]] ? 1 : 0;
    const float *coarse = a.coarse, *rest = a.rest, *inverse = a.inverse;
#pragma GCC ivdep
    for (std::size_t i = 0; i < n; ++i) {
        const float v = values[i];
        const std::int32_t k = lower[i];
        const float f = ((within(v) - coarse[k]) - rest[k]) * inverse[k], notAbove = v > high ? 1.0F : f;
        fraction[i] = v >= low ? notAbove : 0.0F;
        clamped[i] = std::int32_t(!(v >= low)) | std::int32_t(v > high);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
