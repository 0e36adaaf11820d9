// Distances and times in a Friedmann universe of matter, curvature and dark energy w(a) = w0 + wa (1 - a); no
// radiation. Equations: Hogg 1999 (astro-ph/9905116); dark energy: Linder 2003. H0 = 100 h km/s/Mpc.
#pragma once

#include <cmath>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

struct Cosmology {
    double h = 0.6774;
    double omegaM = 0.3075;
    double omegaDe = 0.6925;
    double w0 = -1, wa = 0;

    TESSERA_HD double omegaK() const { return 1.0 - omegaM - omegaDe; }
    TESSERA_HD bool flatLambda() const { return std::fabs(omegaK()) < 1e-9 && w0 == -1 && wa == 0; }
};

// Planck 2015 XIII and 2018 VI as flat universes without radiation (the numbers RUBIX uses for Planck15); IllustrisTNG.
TESSERA_HD inline Cosmology planck15() {
    return {0.6774, 0.3075, 1 - 0.3075, -1, 0};
}
TESSERA_HD inline Cosmology planck18() {
    return {0.6766, 0.30966, 1 - 0.30966, -1, 0};
}
TESSERA_HD inline Cosmology illustrisTng() {
    return {0.6774, 0.3089, 1 - 0.3089, -1, 0};
}

// H(a)/H0 of the scale factor a.
template <Real T>
TESSERA_HD T hubbleRatio(const Cosmology& c, T a) {
    using std::exp, std::pow, std::sqrt;
    const T de = c.omegaDe * pow(a, T(-3 * (1 + c.w0 + c.wa))) * exp(-3 * c.wa * (1 - a));
    return sqrt(c.omegaM / (a * a * a) + c.omegaK() / (a * a) + de);
}

TESSERA_HD inline double hubbleDistanceMpc(const Cosmology& c) {
    return units::c_km_s / (100 * c.h);
}

// Line-of-sight comoving distance [Mpc] of redshift z: D_H * integral of dz/E. Simpson's rule on 2048 intervals in
// ln(1+z): relative error below 1e-11 for z < 20.
template <Real T>
TESSERA_HD T comovingDistanceMpc(const Cosmology& c, T z) {
    using std::exp, std::log1p;
    const int n = 2048;
    const T end = log1p(z), step = end / n;
    T sum = 0;
    for (int i = 0; i <= n; ++i) {
        const T a = exp(-i * step);
        sum += (i == 0 || i == n ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0)) / (a * hubbleRatio(c, a));
    }
    return hubbleDistanceMpc(c) * sum * step / 3;
}

template <Real T>
TESSERA_HD T transverseDistanceMpc(const Cosmology& c, T z) {
    using std::sin, std::sinh;
    const T dc = comovingDistanceMpc(c, z);
    const double dh = hubbleDistanceMpc(c), k = c.omegaK();
    if (std::fabs(k) < 1e-9) return dc;
    const double s = std::sqrt(std::fabs(k));
    return dh / s * (k > 0 ? sinh(s / dh * dc) : sin(s / dh * dc));
}
// d D_C / dz = D_H / E(z); through the curvature cosh or cos of sqrt|Omega_k| D_C / D_H. Derivation 9.
template <Real T>
TESSERA_HD void transverseDistanceAdjoint(const Cosmology& c, T z, T& zBar, T distanceBar) {
    using std::cos, std::cosh;
    const double dh = hubbleDistanceMpc(c), k = c.omegaK(), s = std::sqrt(std::fabs(k));
    T slope = dh / hubbleRatio(c, 1 / (1 + z));
    if (std::fabs(k) >= 1e-9) {
        const T x = s / dh * comovingDistanceMpc(c, z);
        slope *= k > 0 ? cosh(x) : cos(x);
    }
    zBar += distanceBar * slope;
}

template <Real T>
TESSERA_HD T luminosityDistanceMpc(const Cosmology& c, T z) {
    return transverseDistanceMpc(c, z) * (1 + z);
}
template <Real T>
TESSERA_HD void luminosityDistanceAdjoint(const Cosmology& c, T z, T& zBar, T distanceBar) {
    transverseDistanceAdjoint(c, z, zBar, distanceBar * (1 + z));
    zBar += distanceBar * transverseDistanceMpc(c, z);
}

template <Real T>
TESSERA_HD T angularDistanceMpc(const Cosmology& c, T z) {
    return transverseDistanceMpc(c, z) / (1 + z);
}
// Derivation 9.
template <Real T>
TESSERA_HD void angularDistanceAdjoint(const Cosmology& c, T z, T& zBar, T distanceBar) {
    transverseDistanceAdjoint(c, z, zBar, distanceBar / (1 + z));
    zBar -= distanceBar * transverseDistanceMpc(c, z) / ((1 + z) * (1 + z));
}
// RUBIX's comoving distance: 256-point trapezoid in z, which is 1e-6 off at z = 0.1.
TESSERA_HD inline double rubixComovingDistanceMpc(const Cosmology& c, double z) {
    const int n = 255;
    double sum = 0;
    for (int i = 0; i <= n; ++i) sum += (i == 0 || i == n ? 0.5 : 1.0) / hubbleRatio(c, 1 / (1 + z * i / n));
    return hubbleDistanceMpc(c) * sum * z / n;
}

// Physical kpc per arcsec at redshift z.
template <Real T>
TESSERA_HD T kpcPerArcsec(const Cosmology& c, T z) {
    return angularDistanceMpc(c, z) * (1e3 * units::arcsec_rad);
}
// Derivation 9.
template <Real T>
TESSERA_HD void kpcPerArcsecAdjoint(const Cosmology& c, T z, T& zBar, T kpcBar) {
    angularDistanceAdjoint(c, z, zBar, kpcBar * (1e3 * units::arcsec_rad));
}

// Cosmic time [Gyr] at scale factor a. Closed form for flat Lambda; else t = 1/H0 * integral of 2 du / (u E) with
// a = u^2, which is smooth at the big bang with matter, curvature and Lambda (Simpson, 1024 intervals: 1e-9).
TESSERA_HD inline double cosmicTimeGyr(const Cosmology& c, double a) {
    const double hubbleTime = units::Mpc_cm * 1e-5 / (100 * c.h) / units::Gyr_s;
    if (c.flatLambda())
        return hubbleTime * 2 / (3 * std::sqrt(c.omegaDe)) * std::asinh(std::sqrt(c.omegaDe / c.omegaM * a * a * a));
    const int n = 1024;
    const double step = std::sqrt(a) / n;
    double sum = 0;  // the integrand vanishes at u = 0
    for (int i = 1; i <= n; ++i) {
        const double u = i * step;
        sum += (i == n ? 1 : (i % 2 == 1 ? 4 : 2)) * 2 / (u * hubbleRatio(c, u * u));
    }
    return hubbleTime * sum * step / 3;
}

}  // namespace tessera
