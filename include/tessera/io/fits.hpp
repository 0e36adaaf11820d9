// FITS export through CFITSIO. Header conventions: docs/formats.md, "FITS".
#pragma once

#include <string>

#include "tessera/model/galaxy.hpp"

namespace tessera {

enum class FitsFormat {
    muse,  // primary HDU is the cube (EXTNAME DATA), then STAT, DQ and one image extension per map
    manga  // empty primary, FLUX, IVAR, MASK, WAVE, ... as a MaNGA DRP cube
};

struct FitsOptions {
    FitsFormat format = FitsFormat::muse;
    std::string medium = "air";  // of the wavelengths: AWAV or WAVE
    std::string telescope;       // INSTRUME
    std::string version;         // of Tessera
    double psfFwhmArcsec = 0;    // 0: none
    double lsfFwhm = 0;          // [Angstrom] 0: none
};

// Writes to a temporary name and renames. The sky position is fictitious (RA 180, Dec 0 at the field's centre).
void writeFits(const std::string& path, const GalaxyCube&, const FitsOptions&);

}  // namespace tessera
