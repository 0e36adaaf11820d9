// What a change of the LSF's widths means for a scalar: the sum over sources k of a spectrum F of F_k sum_j (d tap(k to j) / d sigma_k)
// u_j, with u the cotangent behind the LSF. In double precision: constants and straight lines have almost no slope, and what is left
// of a smooth spectrum is a thousandth of the terms. Derivation 12 of docs/adjoints.md.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "stages/instrument_slopes.hpp"
#include "stages/kernel_differences.hpp"
#include "stages/optics_transpose.hpp"

namespace tessera {

class LineSlopeDots {
public:
    // transpose: of the optics themselves; both must outlive it.
    LineSlopeDots(const Optics&, const OpticsTranspose& transpose, LsfSlope, std::vector<LsfParameter>);

    // sums[parameter][lit spaxel] += their cotangents, of pixels [first, first + count) of the cube.
    // spectra[lit][stride]: before PSF and LSF, pixels [first - wings, first + count + wings); room: as many floats.
    void add(Host, const Cube& cubeBar, std::span<const std::uint8_t> covered, std::span<const std::uint8_t> wanted,
             std::span<const std::uint32_t> lit, std::size_t first, std::size_t count, const double* spectra,
             std::size_t stride, float* room, std::vector<std::vector<double>>& sums);

private:
    const Optics& o_;
    const OpticsTranspose& transpose_;
    LsfSlope slope_;
    std::vector<LsfParameter> parameters_;
    // Where the PSF varies, and acts first.
    KernelDifferences differences_;
    std::optional<OpticsTranspose> ofDifferences_;
    Buffer<float> change_;
};

}  // namespace tessera
