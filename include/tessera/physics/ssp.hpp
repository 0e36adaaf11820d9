// Weights of the SSP templates for one star: bilinear in (log10 age, log10 Z), clamped at the ends of the grid.
#pragma once

#include <cmath>
#include <cstddef>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"

namespace tessera {

// Position on an ascending axis: value = (1 - fraction) axis[lower] + fraction axis[lower + 1].
template <Real T>
struct AxisPosition {
    int lower = 0;
    T fraction{};
    bool clamped = false;  // the value lay outside the axis
};

// Binary search; outside the axis the nearest end (fraction 0 or 1), where the derivative is zero. An axis of one
// point: lower 0, fraction 0, clamped unless equal.
template <Real T>
TESSERA_HD AxisPosition<T> locate(const double* axis, int n, T value) {
    if (n == 1) return {0, T(0), value != T(axis[0])};
    if (!(value >= T(axis[0]))) return {0, T(0), true};
    if (value > T(axis[n - 1])) return {n - 2, T(1), true};
    int low = 0, high = n - 1;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        (value >= T(axis[middle]) ? low : high) = middle;
    }
    return {low, (value - T(axis[low])) / T(axis[low + 1] - axis[low]), false};
}

// d fraction / d value is 1/(axis[lower+1] - axis[lower]) inside the axis and 0 where clamped. At a grid point the weights
// have a kink: the derivative is that towards the larger values, as locate() puts a grid point at the lower end of its
// cell, but at the last point, which it puts at the upper end of the last cell: there it is that towards the smaller
// ones. At the first point it is that towards the larger ones. Derivation 6.
template <Real T>
TESSERA_HD void locateAdjoint(const double* axis, int n, T value, T& valueBar, T fractionBar) {
    const AxisPosition<T> p = locate(axis, n, value);
    if (!p.clamped && n > 1) valueBar += fractionBar / T(axis[p.lower + 1] - axis[p.lower]);
}

// Bilinear weights of the four templates about a star: (age, Z) = (lower, lower), (upper, lower), (lower, upper),
// (upper, upper), from the fractions towards the upper neighbours.
template <Real T>
struct SspWeights {
    T w[4];
};
template <Real T>
TESSERA_HD SspWeights<T> sspWeights(T ageFraction, T zFraction) {
    const T one(1);
    return {{(one - zFraction) * (one - ageFraction), (one - zFraction) * ageFraction, zFraction * (one - ageFraction),
             zFraction * ageFraction}};
}
// Derivation 6.
template <Real T>
TESSERA_HD void sspWeightsAdjoint(T ageFraction, T zFraction, T& ageFractionBar, T& zFractionBar,
                                  const SspWeights<T>& wBar) {
    const T one(1), lower = wBar.w[1] - wBar.w[0], upper = wBar.w[3] - wBar.w[2];
    ageFractionBar += (one - zFraction) * lower + zFraction * upper;
    zFractionBar += (one - ageFraction) * (wBar.w[2] - wBar.w[0]) + ageFraction * (wBar.w[3] - wBar.w[1]);
}

// log10(age / yr) of an age in Gyr; age 0 gives -infinity, which locate() clamps.
template <Real T>
TESSERA_HD T logAgeYears(T ageGyr) {
    using std::log10;
    return log10(ageGyr) + T(9);
}
// log10 Z of a mass fraction; its slope 1/(Z ln 10). Z = 0 is clamped by locate(), whose derivative there is 0.
template <Real T>
TESSERA_HD T logMetallicity(T z) {
    using std::log10;
    return log10(z);
}
template <Real T>
TESSERA_HD void logMetallicityAdjoint(T z, T& zBar, T logBar) {
    if (z > T(0)) zBar += logBar / (z * T(2.302585092994045684));
}

}  // namespace tessera
