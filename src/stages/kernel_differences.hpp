// Kernels of a PSF that varies with wavelength, less one another.
//
// What one kernel makes of a cotangent is what another makes of it and what their difference makes of it. Neighbouring kernels differ
// by a thousandth: the second is so small that in single precision it is as good as exact, and the rounding of the first is the same
// for all kernels that are made from it. It cancels in sums over them as it would if there were one kernel (line_slope.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "tessera/stages.hpp"

namespace tessera {

struct KernelDifferences {
    Psf psf;                                     // of the same radius; one kernel for each pair
    std::vector<std::array<std::size_t, 2>> of;  // ascending: kernel of[k][0] less kernel of[k][1]
    // Its number.
    std::size_t operator()(std::size_t kernel, std::size_t less) const;
};
// Of kernels of pixels that are at most `reach` apart; none where all have the same.
KernelDifferences kernelDifferences(const Psf&, std::size_t reach);

}  // namespace tessera
