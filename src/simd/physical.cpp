#include "simd/kernels.hpp"

#include "simd/vector.hpp"

// What is read of stars, in physical units: loops over columns that fit the caches, which would else take longer than the
// reading. Every product is rounded by itself (no contraction), so that values are the same on every machine.
namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

template <class T>
bool scaled(T* values, std::size_t n, double factor, double low, double high) {
    std::int64_t outside = 0;  // as wide as a double, for the compiler to vectorise
    for (std::size_t i = 0; i < n; ++i) {
        const double v = double(values[i]) * factor;
        outside |= std::int64_t(!(v >= low)) | std::int64_t(!(v <= high));
        values[i] = T(v);
    }
    return outside == 0;
}

}  // namespace

bool scaleFloats(float* values, std::size_t n, double factor, double low, double high) {
    return scaled(values, n, factor, low, high);
}

bool scaleDoubles(double* values, std::size_t n, double factor, double low, double high) {
    return scaled(values, n, factor, low, high);
}

void ages(const AgeArgs& a, const double* formation, std::size_t n, float* out) {
    const double *const time = a.time, *const slope = a.slope;
    const double now = time[a.intervals], end = a.end, step = a.step;
    const int last = a.intervals - 1;
#pragma GCC ivdep
    for (std::size_t k = 0; k < n; ++k) {
        const double formed = formation[k] > 0 ? formation[k] : 0, root = __builtin_sqrt(formed);
        const double x = (end < root ? end : root) / step;
        const int whole = int(x), i = whole < last ? whole : last;
        const double s = x - i, r = 1 - s;
        const double t =
            r * r * ((1 + 2 * s) * time[i] + s * slope[i]) + s * s * ((1 + 2 * r) * time[i + 1] - r * slope[i + 1]);
        const double age = now - t;
        out[k] = float(age > 0 ? age : 0);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
