// Doppler shift, the wavelength's medium, and the exact average of a piecewise linear spectrum over a wavelength pixel.
//
// ln lambda_obs = ln lambda_rest + ln(1+z) + s(v). The *value* of L_lambda is carried along unchanged by the peculiar
// shift (the convention of RUBIX and SimSpin).
#pragma once

#include <cmath>

#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"
#include "tessera/model/config.hpp"

namespace tessera {

// s(v) of the line-of-sight velocity [km/s], positive receding: 1/2 ln((1+beta)/(1-beta)) = artanh(beta), ln(1+beta),
// or beta (lambda exp(v/c)). |v| must stay below c.
// Below 6000 km/s artanh is its series, exact to 1e-17 beta.
template <class T>
TESSERA_HD T dopplerShift(T vLos, Doppler kind = Doppler::relativistic) {
    using std::atanh, std::log1p;
    const T beta = vLos * T(1 / units::c_km_s);
    if (kind == Doppler::relativistic && beta < T(0.02) && beta > T(-0.02)) {
        const T b2 = beta * beta;
        return beta * (T(1) + b2 * (T(1. / 3) + b2 * (T(0.2) + b2 * (T(1. / 7) + b2 * T(1. / 9)))));
    }
    return kind == Doppler::relativistic ? atanh(beta) : (kind == Doppler::classical ? log1p(beta) : beta);
}

// ds/dv = 1/(c (1 - beta^2)), 1/(c (1 + beta)), 1/c.
template <class T>
TESSERA_HD void dopplerShiftAdjoint(T vLos, T& vLosBar, T shiftBar, Doppler kind = Doppler::relativistic) {
    const T beta = vLos * T(1 / units::c_km_s), one = T(1);
    const T slope = kind == Doppler::relativistic ? one / (one - beta * beta)
                                                  : (kind == Doppler::classical ? one / (one + beta) : one);
    vLosBar += shiftBar * slope * T(1 / units::c_km_s);
}

// The velocity [km/s] of a shift: the inverse of dopplerShift.
template <class T>
TESSERA_HD T velocityOfShift(T shift, Doppler kind = Doppler::relativistic) {
    using std::expm1, std::tanh;
    if (kind == Doppler::relativistic && shift < T(0.02) && shift > T(-0.02)) {
        const T s2 = shift * shift;
        return T(units::c_km_s) * shift *
               (T(1) + s2 * (T(-1. / 3) + s2 * (T(2. / 15) + s2 * (T(-17. / 315) + s2 * T(62. / 2835)))));
    }
    return T(units::c_km_s) *
           (kind == Doppler::relativistic ? tanh(shift) : (kind == Doppler::classical ? expm1(shift) : shift));
}

// Refractive index of standard air at a vacuum wavelength [Angstrom]: Ciddor 1996, as in the VALD data base (Birch &
// Downs fit by N. Piskunov). Unity below 2000 Angstrom, where it is not defined.
TESSERA_HD inline double airIndex(double vacuum) {
    if (vacuum < 2000) return 1;
    const double s2 = sq(1e4 / vacuum);
    return 1 + 0.0000834254 + 0.02406147 / (130 - s2) + 0.00015998 / (38.9 - s2);
}
TESSERA_HD inline double airOfVacuum(double vacuum) {
    return vacuum / airIndex(vacuum);
}
// Inverse by fixed-point iteration (contracts by 1e-5 a step).
TESSERA_HD inline double vacuumOfAir(double air) {
    double vacuum = air;
    for (int i = 0; i < 4; ++i) vacuum = air * airIndex(vacuum);
    return vacuum;
}

// Integral of the piecewise linear function through (x[m], y[m]), m < n, ascending x, over [a, b]; outside the samples
// the nearest end's value is held. The dull form: interval by interval.
TESSERA_HD inline double integratePiecewiseLinear(const double* x, const double* y, int n, double a, double b) {
    double sum = 0;
    if (a < x[0]) sum += y[0] * ((b < x[0] ? b : x[0]) - a);
    if (b > x[n - 1]) sum += y[n - 1] * (b - (a > x[n - 1] ? a : x[n - 1]));
    for (int m = 0; m + 1 < n; ++m) {
        const double lo = a > x[m] ? a : x[m], hi = b < x[m + 1] ? b : x[m + 1];
        if (hi <= lo) continue;
        const double middle = 0.5 * (lo + hi);
        sum += (hi - lo) * (y[m] + (y[m + 1] - y[m]) * (middle - x[m]) / (x[m + 1] - x[m]));
    }
    return sum;
}

}  // namespace tessera
