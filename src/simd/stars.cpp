// Star by star: logarithms and coefficients.
#include <cstdint>

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

// ln m = 2 artanh((m - 1)/(m + 1)) of the mantissa m in [sqrt(1/2), sqrt(2)), and the exponent times log10(2) in two
// parts, the first of which is exact.
Vf log10Of(Vf x) {
    using Vi = stdx::rebind_simd_t<std::int32_t, Vf>;
    using Vu = stdx::rebind_simd_t<std::uint32_t, Vf>;  // wraps where x is negative
    static_assert(sizeof(Vi) == sizeof(Vf) && sizeof(Vu) == sizeof(Vf));
    Vu bits = __builtin_bit_cast(Vu, x);
    const Vi exponent = __builtin_bit_cast(Vi, bits - Vu(0x3f3504f3U)) >> 23;
    bits -= __builtin_bit_cast(Vu, exponent) << 23;
    const Vf m = __builtin_bit_cast(Vf, bits);
    const Vf t = (m - 1.0F) / (m + 1.0F), u = t * t;
    const Vf series = 1.0F + u * (1.0F / 3 + u * (0.2F + u * (1.0F / 7 + u * (1.0F / 9))));
    const Vf e = stdx::static_simd_cast<Vf>(exponent);
    Vf r = e * 0.301025390625F + (e * 4.605038981e-6F + 0.8685889638F * t * series);
    stdx::where(x == 0.0F, r) = -__builtin_inff();
    stdx::where(!(x >= 0.0F), r) = __builtin_nanf("");
    return r;
}

}  // namespace

void log10(const float* in, float* out, std::size_t n) {
    std::size_t i = 0;
    for (; i + W <= n; i += W) log10Of(load(in + i)).copy_to(out + i, stdx::element_aligned);
    if (i == n) return;
    float rest[W];
    for (std::size_t k = 0; k < W; ++k) rest[k] = i + k < n ? in[i + k] : 1.0F;
    log10Of(load(rest)).copy_to(rest, stdx::element_aligned);
    for (std::size_t k = 0; i + k < n; ++k) out[i + k] = rest[k];
}

// Whole aligned vectors are read and written: a load that overlaps an earlier store in part would wait for it.
void scatter(const ScatterArgs& a) {
    const std::size_t ageStep = std::size_t(a.ageStep) * a.stride, zStep = std::size_t(a.nAge) * a.stride;
    const Vf lane([](auto i) { return float(int(i)); });
    for (std::size_t i = 0; i < a.count; ++i) {
        const StarRecord& s = a.stars[i];
        const double u = double(s.shift) * a.inverseStep - double(a.firstNode);
        const int k = int(u);  // u >= 1: firstNode lies below
        const float z1 = s.mass * s.zFraction, z0 = s.mass - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        const Vf v00 = z0 - w01, v01 = w01, v10 = z1 - w11, v11 = w11;
        float* row = a.out + std::size_t(s.corner) * a.stride;
        const std::size_t last = std::size_t(k + 2) / W;
        for (std::size_t v = std::size_t(k - 1) / W; v <= last; ++v) {
            // Lagrange's cubics as functions of the distance d from the star to the node.
            const Vf d = stdx::abs(lane - float(u - double(v * W)));
            Vf w = (1.0F - d) * (2.0F - d) * (3.0F - d) * (1.0F / 6);
            stdx::where(d < 1.0F, w) = (1.0F - d * d) * (2.0F - d) * 0.5F;
            stdx::where(d >= 2.0F, w) = 0.0F;
            float* to = row + v * W;
            const auto add = [&](float* p, const Vf& weight) {
                (load(p) + weight * w).copy_to(p, stdx::element_aligned);
            };
            add(to, v00);
            add(to + ageStep, v01);
            add(to + zStep, v10);
            add(to + zStep + ageStep, v11);
        }
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
