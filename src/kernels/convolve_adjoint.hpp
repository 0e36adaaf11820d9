// Transposes of PSF and LSF (derivation 17 of docs/adjoints.md). The PSF's is blur() of convolve.hpp with kernels turned by 180
// degrees, from the field into its padding.
#pragma once

#include <cstdint>

#include "kernels/convolve.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// 0 where a pixel is not covered: a cotangent may be anything there.
struct BlankArgs {
    View<float> cube;  // [spaxels][pixels]
    View<const std::uint8_t> covered;
};
void blankUncovered(const Stream&, const BlankArgs&);

// Transpose of spreadLines(): out[k][i] = sum_d taps[d] in[source[k]][i - d] over pixels 0 <= i - d < count, for i < count +
// width - 1; taps[d tapStride + firstTap + i - d] where tapStride > 0.
struct LsfTransposeArgs {
    Spectra<const float> in;
    Spectra<float> out;
    View<const std::uint32_t> source;  // [rows of out] row of in, or nowhere: dark
    std::size_t count = 0;
    View<const float> taps;
    std::size_t width = 0, tapStride = 0, firstTap = 0;
};
void spreadLinesTransposed(const Stream&, const LsfTransposeArgs&);

// partial[slab][j] = sum over a slab's rows k of a[k][j] b[k][j].
struct PixelDotArgs {
    View<const float> a;   // [rows][stride]
    View<const double> b;  // likewise
    std::size_t rows = 0, stride = 0, pixels = 0;
    View<double> partial;  // [pixelDotSlabs(rows)][pixels]
};
unsigned pixelDotSlabs(std::size_t rows);
void dotPixels(const Stream&, const PixelDotArgs&);

// What a change of the LSF's width in each source pixel i means: partial[slab][i] = sum over a slab's rows k of
// spectra[k][firstSource + i] sum_d taps[d tapStride + firstTap + i] bar[k][i + d - before] over 0 <= i + d - before < targets. In
// double precision: see LsfSlope of stages/.
struct LineSlopeArgs {
    View<const float> bar;  // [rows][barStride]
    std::size_t barStride = 0, targets = 0;
    View<const double> spectra;  // [rows][stride]
    std::size_t stride = 0, firstSource = 0, sources = 0, rows = 0;
    View<const double> taps;
    std::size_t width = 0, tapStride = 0, firstTap = 0, before = 0;
    View<double> partial;  // [pixelDotSlabs(rows)][sources]
};
void dotLineSlopes(const Stream&, const LineSlopeArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
