// Point spread function on the spaxel grid and line spread function on the wavelength grid.
#pragma once

#include <cmath>
#include <type_traits>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// Integral of a unit Gaussian of width sigma over [d - 1/2, d + 1/2]: the weight of a spaxel d spaxels away (one axis).
template <Real T>
TESSERA_HD T gaussianSpaxelWeight(double d, T sigma) {
    using std::erf;
    const T s = 1 / (sigma * 1.4142135623730951);
    return 0.5 * (erf((d + 0.5) * s) - erf((d - 0.5) * s));
}
// With g the unit Gaussian: dw/dsigma = -((d + 1/2) g(d + 1/2) - (d - 1/2) g(d - 1/2)) / sigma. Derivation 10.
template <Real T>
TESSERA_HD void gaussianSpaxelWeightAdjoint(double d, T sigma, T& sigmaBar, T weightBar) {
    using std::exp;
    const T s = 1 / (sigma * 1.4142135623730951), high = (d + 0.5) * s, low = (d - 0.5) * s;
    sigmaBar -= weightBar * 0.5641895835477563 * (high * exp(-high * high) - low * exp(-low * low)) / sigma;
}

// Weights become taps t_i = w_i / sum w. Derivation 10: w_bar_i += (t_bar_i - sum_k t_bar_k t_k) / sum w.
template <Real T>
TESSERA_HD void normaliseTapsAdjoint(const T* taps, int n, T sum, T* weightsBar, const T* tapsBar) {
    T mean(0);
    for (int i = 0; i < n; ++i) mean += tapsBar[i] * taps[i];
    for (int i = 0; i < n; ++i) weightsBar[i] += (tapsBar[i] - mean) / sum;
}

// Moffat profile (1 + r^2/alpha^2)^-beta (Moffat 1969), not normalised; alpha = FWHM / (2 sqrt(2^(1/beta) - 1)).
template <Real T>
TESSERA_HD T moffatAlpha(std::type_identity_t<T> fwhm, T beta) {
    using std::pow, std::sqrt;
    return fwhm / (2 * sqrt(pow(T(2), 1 / beta) - 1));
}
// d ln alpha = d ln fwhm + ln 2 / beta^2 2^(1/beta) / (2 (2^(1/beta) - 1)) d beta. Derivation 11.
template <Real T>
TESSERA_HD void moffatAlphaAdjoint(T fwhm, T beta, T& fwhmBar, T& betaBar, T alphaBar) {
    using std::pow;
    const T a = alphaBar * moffatAlpha(fwhm, beta), p = pow(T(2), 1 / beta);
    fwhmBar += a / fwhm;
    betaBar += a * 0.6931471805599453 / (beta * beta) * p / (2 * (p - 1));
}
template <Real T>
TESSERA_HD T moffatProfile(double r2, std::type_identity_t<T> alpha, T beta) {
    using std::pow;
    return pow(1 + r2 / (alpha * alpha), -beta);
}
// With u = r^2/alpha^2: d ln f = 2 beta u / (1 + u) d ln alpha - ln(1 + u) d beta. Derivation 11.
template <Real T>
TESSERA_HD void moffatProfileAdjoint(double r2, T alpha, T beta, T& alphaBar, T& betaBar, T profileBar) {
    using std::log1p;
    const T u = r2 / (alpha * alpha), f = profileBar * moffatProfile(r2, alpha, beta);
    alphaBar += f * 2 * beta * u / ((1 + u) * alpha);
    betaBar -= f * log1p(u);
}
// Radius that encloses the fraction f of a Moffat's flux: r = alpha sqrt((1-f)^(1/(1-beta)) - 1), beta > 1.
TESSERA_HD inline double moffatRadius(double f, double alpha, double beta) {
    return alpha * std::sqrt(std::pow(1 - f, 1 / (1 - beta)) - 1);
}

// MaNGA's double Gaussian: 9/13 G(theta) + 4/13 G(2 theta), whose FWHM is 1.05 theta_FWHM (Law et al. 2015;
// RealSim-IFS): widths [same unit as fwhm] and weights of the two.
template <Real T>
struct DoubleGaussian {
    T sigma1, sigma2;
    double weight1, weight2;
};
template <Real T>
TESSERA_HD DoubleGaussian<T> mangaDoubleGaussian(T fwhm) {
    const T sigma = fwhm / 1.05 / units::fwhm_per_sigma;
    return {sigma, 2 * sigma, 9.0 / 13, 4.0 / 13};
}
template <Real T>
TESSERA_HD void mangaDoubleGaussianAdjoint(T, T& fwhmBar, T sigma1Bar, T sigma2Bar) {
    fwhmBar += (sigma1Bar + 2 * sigma2Bar) / 1.05 / units::fwhm_per_sigma;
}

// FWHM(lambda) = fwhm (lambda / reference)^power; reference 0: constant.
template <Real T>
TESSERA_HD T psfFwhm(T fwhm, double lambda, double reference, double power) {
    return reference > 0 && power != 0 ? fwhm * std::pow(lambda / reference, power) : fwhm;
}
template <Real T>
TESSERA_HD void psfFwhmAdjoint(T, double lambda, double reference, double power, T& fwhmBar, T widthBar) {
    fwhmBar += widthBar * psfFwhm(T(1), lambda, reference, power);
}

// What the instrument must add: sqrt(FWHM^2 - (library FWHM (1+z))^2), 0 where the library is the coarser one.
template <Real T>
TESSERA_HD T addedFwhm(T instrument, double library, std::type_identity_t<T> redshift) {
    using std::sqrt;
    const T d = instrument * instrument - sq(library * (1 + redshift));
    return d > 0 ? sqrt(d) : T(0);
}
// d added = (instrument d instrument - library^2 (1+z) dz) / added; 0 where the library is the coarser one. Derivation 12.
template <Real T>
TESSERA_HD void addedFwhmAdjoint(T instrument, double library, T redshift, T& instrumentBar, T& redshiftBar,
                                 T addedBar) {
    const T added = addedFwhm(instrument, library, redshift);
    if (!(added > 0)) return;
    instrumentBar += addedBar * instrument / added;
    redshiftBar -= addedBar * library * library * (1 + redshift) / added;
}

// Share of a source pixel's flux at a distance [Angstrom], before normalisation: exp(-d^2 / (2 sigma^2)).
template <Real T>
TESSERA_HD T lineSpreadShare(double distance, T sigma) {
    using std::exp;
    const T x = distance / sigma;
    return exp(-0.5 * x * x);
}
// d share/dsigma = share d^2/sigma^3. Derivation 12.
template <Real T>
TESSERA_HD void lineSpreadShareAdjoint(double distance, T sigma, T& sigmaBar, T shareBar) {
    sigmaBar += shareBar * lineSpreadShare(distance, sigma) * (distance * distance) / (sigma * sigma * sigma);
}

// c0 + c1 lambda + c2 lambda^2 + ...
template <Real T>
TESSERA_HD T polynomial(const T* c, int n, double lambda) {
    T sum(0);
    for (int k = n; k-- > 0;) sum = sum * lambda + c[k];
    return sum;
}
template <Real T>
TESSERA_HD void polynomialAdjoint(const T*, int n, double lambda, T* cBar, T valueBar) {
    for (int k = 0; k < n; ++k, valueBar *= lambda) cBar[k] += valueBar;
}

}  // namespace tessera
