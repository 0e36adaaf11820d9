// Weights of the SSP templates for one star: bilinear in (log10 age, log10 Z), clamped at the ends of the grid.
#pragma once

#include <cmath>
#include <cstddef>

#include "tessera/core/hd.hpp"

namespace tessera {

// Position on an ascending axis: value = (1 - fraction) axis[lower] + fraction axis[lower + 1].
template <class T>
struct AxisPosition {
    int lower = 0;
    T fraction{};
    bool clamped = false;  // the value lay outside the axis
};

// Binary search; outside the axis the nearest end (fraction 0 or 1), where the derivative is zero. An axis of one
// point: lower 0, fraction 0, clamped unless equal.
template <class T>
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

// d fraction / d value is 1/(axis[lower+1] - axis[lower]) inside the axis and 0 where clamped.
template <class T>
TESSERA_HD void locateAdjoint(const double* axis, int n, T value, T& valueBar, T fractionBar) {
    const AxisPosition<T> p = locate(axis, n, value);
    if (!p.clamped && n > 1) valueBar += fractionBar / T(axis[p.lower + 1] - axis[p.lower]);
}

// log10(age / yr) of an age in Gyr; age 0 gives -infinity, which locate() clamps.
TESSERA_HD inline double logAgeYears(double ageGyr) {
    return std::log10(ageGyr) + 9.0;
}

}  // namespace tessera
