// The templates averaged over pixels, and sums of stars at the pixels.
#include <cmath>

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

// out = or += f0 row0 + f1 row1
template <bool Add>
void blend(const float* row0, const float* row1, double f0, double f1, float* out, std::size_t lanes) {
    const Vf v0 = float(f0), v1 = float(f1);
    for (std::size_t i = 0; i < lanes; i += W) {
        Vf sum = v0 * load(row0 + i) + v1 * load(row1 + i);
        if (Add) sum += load(out + i);
        sum.copy_to(out + i, stdx::element_aligned);
    }
}

// Stars are first summed among themselves in blocks of this length: added one by one to the sum of all that came before,
// the faint ones would be rounded away.
constexpr std::size_t blockStars = 256;

template <int U>
void sumPixels(const RunArgs& a, std::size_t first, std::size_t end, std::size_t pixel) {
    Vf acc[U];
    for (int u = 0; u < U; ++u) acc[u] = 0;
    const std::size_t ageStep = std::size_t(a.ageStep) * a.stride, zStep = std::size_t(a.nAge) * a.stride;
    for (std::size_t i = first; i < end; ++i) {
        const StarRecord& s = a.stars[i];
        const float m = s.mass * a.scale, z1 = m * s.zFraction, z0 = m - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        const Vf v00 = z0 - w01, v01 = w01, v10 = z1 - w11, v11 = w11, offset = float(double(s.shift) - a.centre);
        const std::size_t at = std::size_t(s.corner) * a.stride + pixel;
        const float *f = a.average + at, *d = a.slope + at;
#pragma GCC unroll 8
        for (int u = 0; u < U; ++u) {
            const float *fu = f + std::size_t(u) * W, *du = d + std::size_t(u) * W;
            Vf slope = v00 * load(du) + v01 * load(du + ageStep);
            slope += v10 * load(du + zStep) + v11 * load(du + zStep + ageStep);
            acc[u] += v00 * load(fu);
            acc[u] += v01 * load(fu + ageStep);
            acc[u] += v10 * load(fu + zStep);
            acc[u] += v11 * load(fu + zStep + ageStep);
            acc[u] += offset * slope;
        }
    }
    for (int u = 0; u < U; ++u) {
        float* to = a.out + pixel + std::size_t(u) * W;
        acc[u] += load(to);
        acc[u].copy_to(to, stdx::element_aligned);
    }
}

}  // namespace

void pixelTemplates(const PixelTemplateArgs& a) {
    const double inverse = std::exp(-a.shift);
    const double* x = a.position;
    const std::size_t last = a.knots - 1;
    std::size_t m = 0;  // segment [x[m], x[m + 1]] that holds the pixel's left edge
    const auto row = [&](std::size_t knot) { return a.flux + knot * a.lanes; };
    // slope += factor f(u), u in segment m
    const auto addValue = [&](double u, double factor, float* out) {
        double t = m < last ? (u - x[m]) * a.inverseStep[m] : 0.0;
        t = t < 0 ? 0 : (t > 1 ? 1 : t);
        blend<true>(row(m), row(m < last ? m + 1 : m), factor * (1 - t), factor * t, out, a.lanes);
    };
    for (std::size_t j = 0; j < a.pixels; ++j) {
        const double left = a.edges[j] * inverse, right = a.edges[j + 1] * inverse, part = 1 / (right - left);
        float* out = a.average + j * a.lanes;
        float* slope = a.slope ? a.slope + j * a.lanes : nullptr;
        const double edge = 1 / (a.edges[j + 1] - a.edges[j]);
        while (m < last && x[m + 1] <= left) ++m;
        for (std::size_t i = 0; i < a.lanes; ++i) out[i] = 0;
        if (slope) {
            for (std::size_t i = 0; i < a.lanes; ++i) slope[i] = 0;
            addValue(left, a.edges[j] * edge, slope);
        }
        double from = left;
        if (from < x[0]) {  // values are held outside the table
            const double to = right < x[0] ? right : x[0];
            blend<true>(row(0), row(0), (to - from) * part, 0, out, a.lanes);
            from = to;
        }
        while (from < right) {
            if (m == last) {
                blend<true>(row(m), row(m), (right - from) * part, 0, out, a.lanes);
                break;
            }
            const double to = right < x[m + 1] ? right : x[m + 1];
            const double t = (0.5 * (from + to) - x[m]) * a.inverseStep[m], w = (to - from) * part;
            blend<true>(row(m), row(m + 1), w * (1 - t), w * t, out, a.lanes);
            from = to;
            if (from < right) ++m;
        }
        if (slope) {
            addValue(right, -a.edges[j + 1] * edge, slope);
            for (std::size_t i = 0; i < a.lanes; ++i) slope[i] += out[i];
        }
    }
}

void transpose(const float* in, std::size_t inStride, std::size_t rows, std::size_t columns, float* out,
               std::size_t outStride) {
    constexpr std::size_t block = 16;
    for (std::size_t r = 0; r < rows; r += block)
        for (std::size_t c = 0; c < columns; c += block)
            for (std::size_t j = 0; j < block; ++j)
                for (std::size_t i = 0; i < block; ++i)
                    out[(c + j) * outStride + r + i] = in[(r + i) * inStride + c + j];
}

void sumRunAtPixels(const RunArgs& a) {
    for (std::size_t first = 0; first < a.count; first += blockStars) {
        const std::size_t end = first + blockStars < a.count ? first + blockStars : a.count;
        std::size_t j = 0;
        for (; j + 8 * W <= a.lanes; j += 8 * W) sumPixels<8>(a, first, end, j);
        for (; j + 4 * W <= a.lanes; j += 4 * W) sumPixels<4>(a, first, end, j);
        for (; j < a.lanes; j += W) sumPixels<1>(a, first, end, j);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
