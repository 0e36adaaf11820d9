// Weighted moments of a spaxel's stars: what the maps show.
#pragma once

#include <cmath>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"

namespace tessera {

// Sums over stars of weight (mass or light in the band) w: sum w, sum w x, sum w x^2.
template <Real T>
struct MomentSums {
    T weight{}, first{}, second{};

    TESSERA_HD void add(T w, T x) {
        weight += w;
        first += w * x;
        second += w * x * x;
    }
};
// sum w x / sum w; the weight must be positive.
template <Real T>
TESSERA_HD T weightedMean(const MomentSums<T>& s) {
    return s.first / s.weight;
}
// sqrt(sum w x^2 / sum w - mean^2), 0 where rounding makes that negative.
template <Real T>
TESSERA_HD T weightedDispersion(const MomentSums<T>& s) {
    using std::sqrt;
    const T mean = weightedMean(s), variance = s.second / s.weight - mean * mean;
    return variance > 0 ? sqrt(variance) : T(0);
}
// One star's part: w_bar += d mean/dw = (x - mean) / sum w, x_bar += w / sum w. Derivation 14.
template <Real T>
TESSERA_HD void weightedMeanAdjoint(const MomentSums<T>& s, T w, T x, T& wBar, T& xBar, T meanBar) {
    wBar += meanBar * (x - weightedMean(s)) / s.weight;
    xBar += meanBar * w / s.weight;
}
// With d = x - mean: w_bar += (d^2 - dispersion^2) / (2 dispersion sum w), x_bar += w d / (dispersion sum w). A dispersion
// of 0 (one star, or all alike) is a minimum with a kink, where nothing is added. Derivation 14.
template <Real T>
TESSERA_HD void weightedDispersionAdjoint(const MomentSums<T>& s, T w, T x, T& wBar, T& xBar, T dispersionBar) {
    const T dispersion = weightedDispersion(s), d = x - weightedMean(s);
    if (!(dispersion > 0)) return;
    const T factor = dispersionBar / (dispersion * s.weight);
    wBar += factor * (d * d - dispersion * dispersion) / 2;
    xBar += factor * w * d;
}

}  // namespace tessera
