// Convolutions along a spectrum and across spaxels.
#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

// U vectors of output stay in registers over all taps.
template <int U, bool Varying>
void filterVectors(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out) {
    Vf a[U];
    for (int u = 0; u < U; ++u) a[u] = 0;
    for (std::size_t d = 0; d < width; ++d) {
        if constexpr (Varying) {
            const float* t = taps + d * tapStride;
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) a[u] += load(t + std::size_t(u) * W) * load(in + d + std::size_t(u) * W);
        } else {
            const Vf t = taps[d];
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) a[u] += t * load(in + d + std::size_t(u) * W);
        }
    }
    for (int u = 0; u < U; ++u) a[u].copy_to(out + std::size_t(u) * W, stdx::element_aligned);
}

template <bool Varying>
void filterOf(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
              std::size_t lanes) {
    std::size_t j = 0;
    const auto tapsAt = [&](std::size_t i) { return Varying ? taps + i : taps; };
    for (; j + 4 * W <= lanes; j += 4 * W) filterVectors<4, Varying>(tapsAt(j), width, tapStride, in + j, out + j);
    for (; j + 2 * W <= lanes; j += 2 * W) filterVectors<2, Varying>(tapsAt(j), width, tapStride, in + j, out + j);
    for (; j < lanes; j += W) filterVectors<1, Varying>(tapsAt(j), width, tapStride, in + j, out + j);
}

// Four outputs of U vectors at a time: every row and every tap is loaded once for them. Row r feeds output k with tap
// r - k.
template <int U, bool Add>
void columnTile(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
                std::size_t outStride, std::size_t count) {
    std::size_t c = 0;
    for (; c + 4 <= count; c += 4) {
        Vf a[4][U];
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t u = 0; u < U; ++u) a[k][u] = Add ? load(out + (c + k) * outStride + u * W) : Vf(0);
        const float* row = in + c * inStride;
        const auto edge = [&](std::size_t r) {
            for (std::size_t k = 0; k < 4; ++k)
                if (r >= k && r - k < width)
                    for (std::size_t u = 0; u < U; ++u) a[k][u] += Vf(taps[r - k]) * load(row + u * W);
            row += inStride;
        };
        std::size_t r = 0;
        for (; r < 3; ++r) edge(r);
        for (; r < width; ++r) {
            Vf v[U];
            for (std::size_t u = 0; u < U; ++u) v[u] = load(row + u * W);
#pragma GCC unroll 4
            for (std::size_t k = 0; k < 4; ++k) {
                const Vf t = taps[r - k];
                for (std::size_t u = 0; u < U; ++u) a[k][u] += t * v[u];
            }
            row += inStride;
        }
        for (; r < width + 3; ++r) edge(r);
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t u = 0; u < U; ++u)
                a[k][u].copy_to(out + (c + k) * outStride + u * W, stdx::element_aligned);
    }
    for (; c < count; ++c)
        for (std::size_t u = 0; u < U; ++u) {
            Vf a = Add ? load(out + c * outStride + u * W) : Vf(0);
            for (std::size_t d = 0; d < width; ++d) a += Vf(taps[d]) * load(in + (c + d) * inStride + u * W);
            a.copy_to(out + c * outStride + u * W, stdx::element_aligned);
        }
}

template <bool Add>
void columnsOf(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
               std::size_t outStride, std::size_t count, std::size_t lanes) {
    std::size_t i = 0;
    for (; i + 2 * W <= lanes; i += 2 * W) columnTile<2, Add>(taps, width, in + i, inStride, out + i, outStride, count);
    for (; i < lanes; i += W) columnTile<1, Add>(taps, width, in + i, inStride, out + i, outStride, count);
}

}  // namespace

void filter(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
            std::size_t lanes) {
    if (tapStride == 0)
        filterOf<false>(taps, width, tapStride, in, out, lanes);
    else
        filterOf<true>(taps, width, tapStride, in, out, lanes);
}

void columns(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
             std::size_t outStride, std::size_t count, std::size_t lanes, bool add) {
    if (add)
        columnsOf<true>(taps, width, in, inStride, out, outStride, count, lanes);
    else
        columnsOf<false>(taps, width, in, inStride, out, outStride, count, lanes);
}

void weigh(const float* in, std::size_t rows, std::size_t lanes, const float* weight, float* sums) {
    for (std::size_t r = 0; r < rows; ++r) {
        Vf sum = 0;
        for (std::size_t i = 0; i < lanes; i += W) sum += load(in + r * lanes + i) * load(weight + i);
        sums[r] = stdx::reduce(sum);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
