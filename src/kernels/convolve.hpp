// Line spread and point spread of spectra: direct sums over the taps.
#pragma once

#include <cstdint>

#include "tessera/gpu/fft.hpp"
#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

constexpr std::uint32_t nowhere = 0xffffffffU;

// Spectra of `stride` floats, of which some pixels are used.
template <class T>
struct Spectra {
    View<T> data;  // [rows][stride]
    std::size_t stride = 0, first = 0;
};

// out[place[k]][j] = sum_d taps[d] in[k][j + d], j < count; taps[d tapStride + firstTap + j] where tapStride > 0.
struct LsfArgs {
    Spectra<const float> in;
    Spectra<float> out;
    View<const std::uint32_t> place;  // [rows of in] row of out, or nowhere
    std::size_t count = 0;
    View<const float> taps;
    std::size_t width = 0, tapStride = 0, firstTap = 0;
};
void spreadLines(const Stream&, const LsfArgs&);

// A kernel of 2 radius + 1 taps a side over fields of n x n spaxels, padded by `pad` on each side.
struct PsfArgs {
    Spectra<const float> in;
    Spectra<float> out;
    View<const std::uint32_t> slot;   // [fields][(n + 2 pad)^2] row of in, or nowhere: dark
    View<const std::uint32_t> place;  // [fields][n^2] row of out, or nowhere: not wanted
    std::size_t n = 0, pad = 0, radius = 0, count = 0;
    View<const float> taps;      // [components][2 radius + 1]; full: [2 radius + 1]^2 of dy, dx
    std::size_t components = 0;  // 0: full
    View<float> rows;            // [fields][components][n + 2 radius][n][count] where separable: blurred along x
    std::size_t fields = 1;
};
std::size_t psfRowFloats(const PsfArgs&);
void blur(const Stream&, const PsfArgs&);

// The same by Fourier transforms, for wide kernels and one field; count pixels at once, PsfArgs::taps of one full kernel. Around the border
// the circular convolution mixes opposite sides: that falls into the padding.
class FftBlur {
public:
    // kernel: [2 radius + 1]^2; count: pixels at most.
    FftBlur(const Stream&, View<const float> kernel, std::size_t radius, std::size_t side, std::size_t count);
    std::size_t count() const { return fft_.lanes(); }
    // a.radius, taps and components are not looked at.
    void operator()(const Stream&, const PsfArgs& a);

private:
    Fft2d fft_;
    DeviceBuffer<Complex> kernel_, transform_;
    DeviceBuffer<float> image_;
};

// NaN where a spaxel is outside the mask or a pixel is not covered; sum of weight times flux of each spaxel.
struct FinishArgs {
    View<float> cube;                  // [fields][spaxels][pixels]
    View<const std::uint8_t> mask;     // [spaxels]
    View<const std::uint8_t> covered;  // [pixels]
    View<const float> weight;          // [pixels]
    View<double> sum;                  // [fields][spaxels]
};
void finishCube(const Stream&, const FinishArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
