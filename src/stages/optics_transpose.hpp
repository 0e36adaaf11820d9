// The transpose of convolve(): from a cube's cotangent to that of the spectra of the lit spaxels. Derivation 17 of
// docs/adjoints.md.
#pragma once

#include <optional>
#include <span>
#include <vector>

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

private:
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
