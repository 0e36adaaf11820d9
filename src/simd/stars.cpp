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

void scatter(const ScatterArgs& a) {
    using V4 = stdx::fixed_size_simd<float, 4>;
    const std::size_t ageStep = std::size_t(a.ageStep) * a.stride, zStep = std::size_t(a.nAge) * a.stride;
    for (std::size_t i = 0; i < a.count; ++i) {
        const StarRecord& s = a.stars[i];
        const double u = double(s.shift) * a.inverseStep;
        const int k = int(u) - (u < double(int(u)));  // floor
        const float t = float(u - double(k)), below = t - 1, above = t + 1, far = t - 2;
        const float lagrange[4] = {t * below * far * (-1.0F / 6), above * below * far * 0.5F, above * t * far * -0.5F,
                                   above * t * below * (1.0F / 6)};
        const V4 w(lagrange, stdx::element_aligned);
        const float z1 = s.mass * s.zFraction, z0 = s.mass - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        float* to = a.out + std::size_t(s.corner) * a.stride + std::size_t(k - 1 - a.firstNode);
        const auto add = [&](float* p, float weight) {
            V4 v(p, stdx::element_aligned);
            v += weight * w;
            v.copy_to(p, stdx::element_aligned);
        };
        add(to, z0 - w01);
        add(to + ageStep, w01);
        add(to + zStep, z1 - w11);
        add(to + zStep + ageStep, w11);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
