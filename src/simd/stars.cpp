// Logarithms of the stars' ages and metallicities.
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

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
