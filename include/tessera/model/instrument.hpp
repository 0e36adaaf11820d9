// Tables that describe an instrument.
#pragma once

#include <vector>

namespace tessera {

// FWHM [Angstrom] of the line spread at wavelengths [Angstrom]; linear between them, held outside.
struct LineWidthTable {
    std::vector<double> wavelength, fwhm;
};

}  // namespace tessera
