// Doppler shift, the wavelength's medium, and the exact average of a piecewise linear spectrum over a wavelength pixel.
//
// ln lambda_obs = ln lambda_rest + ln(1+z) + s(v). The *value* of L_lambda is carried along unchanged by the peculiar
// shift (the convention of RUBIX and SimSpin).
#pragma once

#include <cmath>

#include "tessera/core/dual.hpp"
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

// ds/dv = 1/(c (1 - beta^2)), 1/(c (1 + beta)), 1/c. Derivation 7.
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
// dv/ds = c (1 - tanh^2 s), c e^s, c. Derivation 7.
template <class T>
TESSERA_HD void velocityOfShiftAdjoint(T shift, T& shiftBar, T vLosBar, Doppler kind = Doppler::relativistic) {
    using std::exp, std::tanh;
    const T one(1), t = tanh(shift);
    const T slope = kind == Doppler::relativistic ? one - t * t : (kind == Doppler::classical ? exp(shift) : one);
    shiftBar += vLosBar * slope * T(units::c_km_s);
}

// ln(1 + z): what the redshift adds to every star's shift.
template <class T>
TESSERA_HD T cosmologicalShift(T redshift) {
    using std::log1p;
    return log1p(redshift);
}
template <class T>
TESSERA_HD void cosmologicalShiftAdjoint(T redshift, T& redshiftBar, T shiftBar) {
    redshiftBar += shiftBar / (T(1) + redshift);
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
template <class T>
TESSERA_HD T integratePiecewiseLinear(const double* x, const T* y, int n, T a, T b) {
    T sum = 0;
    if (a < x[0]) sum += y[0] * ((b < x[0] ? b : T(x[0])) - a);
    if (b > x[n - 1]) sum += y[n - 1] * (b - (a > x[n - 1] ? a : T(x[n - 1])));
    for (int m = 0; m + 1 < n; ++m) {
        const T lo = a > x[m] ? a : T(x[m]), hi = b < x[m + 1] ? b : T(x[m + 1]);
        if (hi <= lo) continue;
        const T middle = T(0.5) * (lo + hi);
        sum += (hi - lo) * (y[m] + (y[m + 1] - y[m]) * (middle - T(x[m])) / T(x[m + 1] - x[m]));
    }
    return sum;
}
// That function's value at u.
template <class T>
TESSERA_HD T valuePiecewiseLinear(const double* x, const T* y, int n, T u) {
    if (u <= x[0]) return y[0];
    for (int m = 0; m + 1 < n; ++m)
        if (u < x[m + 1]) return y[m] + (y[m + 1] - y[m]) * (u - T(x[m])) / T(x[m + 1] - x[m]);
    return y[n - 1];
}
// Derivation 8: the weights of the samples in each interval, and the fundamental theorem at the ends.
template <class T>
TESSERA_HD void integratePiecewiseLinearAdjoint(const double* x, const T* y, int n, T a, T b, T* yBar, T& aBar, T& bBar,
                                                T sumBar) {
    if (a < x[0]) yBar[0] += sumBar * ((b < x[0] ? b : T(x[0])) - a);
    if (b > x[n - 1]) yBar[n - 1] += sumBar * (b - (a > x[n - 1] ? a : T(x[n - 1])));
    for (int m = 0; m + 1 < n; ++m) {
        const T lo = a > x[m] ? a : T(x[m]), hi = b < x[m + 1] ? b : T(x[m + 1]);
        if (hi <= lo) continue;
        const T upper = (T(0.5) * (lo + hi) - T(x[m])) / T(x[m + 1] - x[m]), length = sumBar * (hi - lo);
        yBar[m] += length * (T(1) - upper);
        yBar[m + 1] += length * upper;
    }
    aBar -= sumBar * valuePiecewiseLinear(x, y, n, a);
    bBar += sumBar * valuePiecewiseLinear(x, y, n, b);
}

// Average over the pixel [low, high] of the function f shifted by s, f(lambda e^-s): e^s/(high - low) times the integral
// of f over [low e^-s, high e^-s].
template <class T>
TESSERA_HD T pixelAverage(const double* x, const T* y, int n, T shift, double low, double high) {
    using std::exp;
    const T stretch = exp(shift);
    return integratePiecewiseLinear(x, y, n, low / stretch, high / stretch) * stretch / T(high - low);
}
// Derivation 8: d average/ds = average + (low f(low e^-s) - high f(high e^-s)) / (high - low). Where a pixel's edge lies on
// a sample of f that is continuous all the same: f is.
template <class T>
TESSERA_HD void pixelAverageAdjoint(const double* x, const T* y, int n, T shift, double low, double high, T* yBar,
                                    T& shiftBar, T averageBar) {
    using std::exp;
    const T stretch = exp(shift), a = low / stretch, b = high / stretch, factor = averageBar * stretch / T(high - low);
    T aBar(0), bBar(0);
    integratePiecewiseLinearAdjoint(x, y, n, a, b, yBar, aBar, bBar, factor);
    shiftBar += factor * integratePiecewiseLinear(x, y, n, a, b) - aBar * a - bBar * b;
}

}  // namespace tessera
