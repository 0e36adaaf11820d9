// Files that describe an instrument: PSF images and tables of line widths.
#pragma once

#include <string>

#include "tessera/model/image.hpp"
#include "tessera/model/instrument.hpp"

namespace tessera {

// First image of a FITS file, one pixel a spaxel: square, odd, finite, >= 0, not zero everywhere.
Image readPsfImage(const std::string& path);

// Text of two columns, wavelength (ascending) and FWHM > 0, both in Angstrom; # begins a comment.
LineWidthTable readLineWidths(const std::string& path);

}  // namespace tessera
