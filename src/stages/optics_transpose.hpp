// The transpose of convolve(): from a cube's cotangent to that of the spectra of the lit spaxels. Derivation 17 of
// docs/adjoints.md.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "stages/blur.hpp"
#include "tessera/stages.hpp"

namespace tessera {

class OpticsTranspose {
public:
    // psf, lsf: of the optics whose transpose is wanted, or their derivatives in a parameter; of the radii of `shape`'s,
    // whose order of PSF and LSF is kept.
    OpticsTranspose(const Optics& shape, std::optional<Psf> psf, std::optional<Lsf> lsf);

    // out[lit][stride]: pixels [first - wings, first + count + wings) of the lit spaxels' cotangents, of pixels [first,
    // first + count) of the spaxels of the field that are `wanted`. Of cubeBar nothing else is read, and no pixel that is
    // not `covered`.
    void operator()(Host, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                    std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit, std::size_t first,
                    std::size_t count, float* out, std::size_t stride) const;

    // Of the PSF alone: out[lit][stride], pixels [first, first + count). Without a PSF the cotangents themselves.
    void throughPsf(Host, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                    std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit, std::size_t first,
                    std::size_t count, float* out, std::size_t stride) const;
    // The same of a PSF with this kernel at every wavelength.
    void throughKernel(Host, std::size_t kernel, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                       std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit, std::size_t first,
                       std::size_t count, float* out, std::size_t stride) const;

private:
    struct Places;
    Places placesOf(std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit) const;
    // Pixels of cubeBar from `first` on, in chunks, to the lit spaxels.
    void blurCube(Host, const Places&, const Cube& cubeBar, std::span<const std::uint8_t> covered, std::size_t first,
                  const std::vector<Chunk>&, float* out, std::size_t stride) const;
    void spread(std::size_t first, std::size_t count, float* padded, float* out) const;

    std::size_t n_, pad_, wings_, side_;
    WavelengthGrid grid_;
    bool lsfFirst_;
    Optics blur_;  // of the padded field, into which the field shines through the turned kernel
    bool hasPsf_, hasLsf_;
    std::vector<float> taps_;  // of the transposed LSF: [2 wings + 1], or [2 wings + 1][tapStride_] by source pixel
    std::size_t tapStride_ = 0;
};

}  // namespace tessera
