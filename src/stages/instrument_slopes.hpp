// Derivatives of PSF and LSF in their parameters, for tangents and adjoints. Derivations 10 to 12 of docs/adjoints.md.
#pragma once

#include <string>
#include <vector>

#include "tessera/stages.hpp"

namespace tessera {

enum class PsfParameter { fwhm, beta, sigmaSpaxels };

// Those that a PSF has: none of an image; sigmaSpaxels of RUBIX's form.
std::vector<PsfParameter> psfParameters(const PsfConfig&);

// The derivative of makePsf()'s kernels, of the same groups of pixels and the same radii, as full kernels, those of Gaussians
// also as separable ones. fwhm: per arcsec.
Psf makePsfSlope(const PsfConfig&, PsfParameter, const WavelengthGrid&, double spaxelArcsec);

// sigma [Angstrom] that is added at each pixel of the grid.
std::vector<double> lineSigmas(const LsfConfig&, const LineWidthTable*, const WavelengthGrid&, const SspLibrary&,
                               double redshift);

// The derivative of each in the redshift, at which the library's own FWHM F is observed as L = F(lambda/(1+z)) (1+z): with
// added^2 = instrument^2 - L^2, d added/dz = -L (F - F' lambda/(1+z)) / added. Derivation 12.
std::vector<double> lineSigmaSlopes(const LsfConfig&, const LineWidthTable*, const WavelengthGrid&, const SspLibrary&,
                                    double redshift);

// A parameter of the LSF, and the derivative in it of every pixel's sigma [Angstrom]. A table has none.
struct LsfParameter {
    std::string name;   // fwhm | sigma | resolution | fwhm_polynomial; redshift
    std::size_t index;  // of a coefficient
    std::vector<double> sigmaSlope;
};
std::vector<LsfParameter> lsfParameters(const LsfConfig&, const LineWidthTable*, const WavelengthGrid&,
                                        const SspLibrary&, double redshift);

// The derivative of makeLsf()'s taps in the sigma of their source pixel. Sources beyond the grid's ends have the sigma of its last
// pixels. In double precision: what a width changes of a smooth spectrum is a thousandth of it and less.
struct LsfSlope {
    std::size_t radius = 0, pixels = 0;  // pixels: of the grid
    // [2 radius + 1][sources]: from source k, pixel k - radius of the grid, to pixel k + d - 2 radius.
    std::vector<double> taps;
    std::size_t sources() const { return pixels + 2 * radius; }
    // The derivative of the taps along a change of every pixel's sigma [pixels].
    Lsf along(const std::vector<double>& sigma) const;
};
LsfSlope makeLsfSlope(const std::vector<double>& sigma, const WavelengthGrid&, std::size_t radius);

}  // namespace tessera
