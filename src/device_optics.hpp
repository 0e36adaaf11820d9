// PSF and LSF on the device, forwards and transposed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kernels/convolve.hpp"
#include "kernels/convolve_adjoint.hpp"
#include "tessera/stages.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A PSF over so many fields of n x n spaxels that are padded by `pad` on each side. Waits for the device once.
class DeviceBlur {
public:
    // mostPixels: that are ever given at once.
    DeviceBlur(const Stream&, Psf, std::size_t n, std::size_t pad, std::size_t mostPixels, std::size_t fields = 1);
    // slot, place: see PsfArgs; firstPixel: of the grid, by which the kernel is chosen.
    void operator()(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& slot,
                    const DeviceBuffer<std::uint32_t>& place, std::ptrdiff_t firstPixel, std::size_t count);
    // The same kernel for all pixels.
    void withKernel(std::size_t kernel, Spectra<const float> in, Spectra<float> out,
                    const DeviceBuffer<std::uint32_t>& slot, const DeviceBuffer<std::uint32_t>& place,
                    std::size_t count);

private:
    const Stream& s_;
    Psf psf_;
    std::size_t n_, pad_, mostPixels_, fields_;
    std::vector<DeviceBuffer<float>> taps_;      // of each kernel
    std::vector<std::unique_ptr<FftBlur>> fft_;  // of the wide kernels, when first needed
};

// Which spaxels are where, for the transpose of a view's optics: shared by the optics and their derivatives.
struct TransposePlaces {
    // lit: spaxels of the padded field; wanted: of the field. Waits for the device.
    TransposePlaces(const Stream&, const Optics&, std::span<const std::uint32_t> lit,
                    std::span<const std::uint8_t> wanted);
    std::size_t lit = 0, fieldSpaxels = 0;
    DeviceBuffer<std::uint32_t> wantedRow;  // [n^2] own number, or nowhere
    DeviceBuffer<std::uint32_t> litSource;  // [lit] spaxel of the field where it is wanted; without a PSF
    DeviceBuffer<std::uint32_t> sequence;   // [lit] 0, 1, 2, ...
    DeviceBuffer<std::uint32_t> slot;   // [(side + 2 pad)^2] spaxel of the field, as it lies in the padding's padding
    DeviceBuffer<std::uint32_t> place;  // [side^2] number among the lit spaxels
};

// The transpose of PSF and LSF, as OpticsTranspose of stages/.
class DeviceTranspose {
public:
    // psf, lsf: see OpticsTranspose. All but these must outlive it.
    DeviceTranspose(const Stream&, const Optics& shape, const TransposePlaces&, std::optional<Psf> psf,
                    const std::optional<Lsf>& lsf);
    // out[lit][stride]: pixels [first - wings, first + count + wings) of the lit spaxels' cotangents. cubeBar: 0 where a pixel is
    // not covered.
    void operator()(const DeviceBuffer<float>& cubeBar, std::size_t first, std::size_t count, DeviceBuffer<float>& out,
                    std::size_t stride);
    // As those of OpticsTranspose; at: first pixel in the rows of out.
    void throughPsf(const DeviceBuffer<float>& cubeBar, std::size_t first, std::size_t count, DeviceBuffer<float>& out,
                    std::size_t stride);
    void throughKernel(std::size_t kernel, const DeviceBuffer<float>& cubeBar, std::size_t first, std::size_t count,
                       DeviceBuffer<float>& out, std::size_t stride, std::size_t at);
    // Floats for every pixel, besides the lit spectra.
    static std::size_t temporaryRows(const Optics&, std::size_t lit);

private:
    void spread(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& source,
                std::size_t first, std::size_t count) const;

    const Stream& s_;
    const Optics& shape_;
    const TransposePlaces& places_;
    std::optional<DeviceBlur> blur_;
    DeviceBuffer<float> taps_, one_;
    std::size_t tapStride_ = 0;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
