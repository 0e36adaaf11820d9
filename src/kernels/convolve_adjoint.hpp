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

// What a change of the LSF's width in each source pixel i means, in the place of the spectra: spectra[k][firstSource + i] *=
// sum_d taps[d tapStride + firstTap + i] (bar[k][firstBar + t] + change[k][t]), t = i + d - before, over 0 <= t < targets. In double precision: see
// LsfSlope of stages/.
struct LineSlopeArgs {
    View<const float> bar;  // [rows][barStride]
    std::size_t barStride = 0, firstBar = 0, targets = 0;
    View<const float> change;  // [rows][targets]; not given: 0
    View<double> spectra;      // [rows][stride]
    std::size_t stride = 0, firstSource = 0, sources = 0, rows = 0;
    View<const double> taps;
    std::size_t width = 0, tapStride = 0, firstTap = 0, before = 0;
};
void seeLineSlopes(const Stream&, const LineSlopeArgs&);

// sum[k] += sum over pixels j of weight[j] a[k][j] b[k][j], a row of blocks each: of one spaxel, whichever others there are.
struct RowDotArgs {
    View<const float> a;        // [rows][stride]; not given: 1
    View<const double> weight;  // [pixels]; not given: 1
    View<const double> b;       // [rows][stride]
    std::size_t stride = 0, pixels = 0;
    View<double> sum;  // [rows]
};
void dotRows(const Stream&, const RowDotArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
