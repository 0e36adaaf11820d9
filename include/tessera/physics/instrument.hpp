// Point spread function on the spaxel grid and line spread function on the wavelength grid.
#pragma once

#include <cmath>

#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// Integral of a unit Gaussian of width sigma over [d - 1/2, d + 1/2]: the weight of a spaxel d spaxels away (one axis).
TESSERA_HD inline double gaussianSpaxelWeight(double d, double sigma) {
    const double s = 1 / (sigma * 1.4142135623730951);
    return 0.5 * (std::erf((d + 0.5) * s) - std::erf((d - 0.5) * s));
}

// Moffat profile (1 + r^2/alpha^2)^-beta (Moffat 1969), not normalised; alpha = FWHM / (2 sqrt(2^(1/beta) - 1)).
TESSERA_HD inline double moffatAlpha(double fwhm, double beta) {
    return fwhm / (2 * std::sqrt(std::pow(2.0, 1 / beta) - 1));
}
TESSERA_HD inline double moffatProfile(double r2, double alpha, double beta) {
    return std::pow(1 + r2 / (alpha * alpha), -beta);
}
// Radius that encloses the fraction f of a Moffat's flux: r = alpha sqrt((1-f)^(1/(1-beta)) - 1), beta > 1.
TESSERA_HD inline double moffatRadius(double f, double alpha, double beta) {
    return alpha * std::sqrt(std::pow(1 - f, 1 / (1 - beta)) - 1);
}

// MaNGA's double Gaussian: 9/13 G(theta) + 4/13 G(2 theta), whose FWHM is 1.05 theta_FWHM (Law et al. 2015;
// RealSim-IFS): widths [same unit as fwhm] and weights of the two.
struct DoubleGaussian {
    double sigma1, sigma2, weight1, weight2;
};
TESSERA_HD inline DoubleGaussian mangaDoubleGaussian(double fwhm) {
    const double sigma = fwhm / 1.05 / units::fwhm_per_sigma;
    return {sigma, 2 * sigma, 9.0 / 13, 4.0 / 13};
}

// FWHM(lambda) = fwhm (lambda / reference)^power; reference 0: constant.
TESSERA_HD inline double psfFwhm(double fwhm, double lambda, double reference, double power) {
    return reference > 0 && power != 0 ? fwhm * std::pow(lambda / reference, power) : fwhm;
}

// What the instrument must add: sqrt(FWHM^2 - (library FWHM (1+z))^2), 0 where the library is the coarser one.
TESSERA_HD inline double addedFwhm(double instrument, double library, double redshift) {
    const double d = instrument * instrument - sq(library * (1 + redshift));
    return d > 0 ? std::sqrt(d) : 0;
}

}  // namespace tessera
