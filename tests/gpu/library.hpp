// A small library of spectra, windows of wavelengths and their tiles, for the tests of kernels that sum stars.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/accumulate.hpp"

namespace tessera::test {

// A library of 3 x 4 templates at uneven knots.
struct Library {
    std::vector<double> logAgeGyr{-3, -1, 0, 1.2}, zAxis{-4, -2.5, -1.3};
    std::vector<double> position, lnPosition, inverseStep;
    std::size_t stride = 0;
    std::vector<float> flux;

    explicit Library(double spacing) {
        std::mt19937_64 rng(9);
        std::uniform_real_distribution<double> uniform;
        for (double x = 4600; x < 5450; x += spacing * (0.5 + uniform(rng))) position.push_back(x);
        for (std::size_t m = 0; m < position.size(); ++m) {
            lnPosition.push_back(std::log(position[m]));
            inverseStep.push_back(m + 1 < position.size() ? 1 / (position[m + 1] - position[m]) : 0);
        }
        stride = (position.size() + 15) / 16 * 16;
        flux.resize(12 * stride);
        for (std::size_t t = 0; t < 12; ++t)
            for (std::size_t m = 0; m < position.size(); ++m)
                flux[t * stride + m] = float((1 + double(t)) * 1e-4 * (0.7 + 0.6 * uniform(rng)));
    }
    // Of 1 Msun, at the knots.
    std::vector<double> spectrum(const StarRecord& s) const {
        std::vector<double> y(position.size());
        const double fz = double(s.zFraction), fa = double(s.ageFraction);
        const float* t = flux.data() + std::size_t(s.corner) * stride;
        for (std::size_t m = 0; m < y.size(); ++m) {
            const auto at = [&](std::size_t k) { return double(t[k * stride + m]); };
            y[m] = (1 - fz) * ((1 - fa) * at(0) + fa * at(1)) + fz * ((1 - fa) * at(4) + fa * at(5));
        }
        return y;
    }
};

struct Window {
    std::vector<double> edge;
    bool log;
    double inverseWidth;
};
inline Window window(bool log, std::size_t pixels) {
    Window w{{}, log, 0};
    const double step = log ? 1e-4 : 1.25;
    for (std::size_t j = 0; j <= pixels; ++j)
        w.edge.push_back(log ? 4750 * std::pow(10, step * double(j)) : 4750 + step * double(j));
    w.inverseWidth = 1 / (log ? step * std::log(10.0) : step);
    return w;
}

inline std::vector<gpu::AccumulateTile> tilesOf(const Library& library, const Window& window, std::uint32_t tilePixels,
                                                float low, float high) {
    std::vector<gpu::AccumulateTile> tiles;
    const auto& x = library.position;
    const auto pixels = std::uint32_t(window.edge.size() - 1);
    for (std::uint32_t first = 0; first < pixels; first += tilePixels) {
        const std::uint32_t count = std::min(tilePixels, pixels - first);
        const double left = window.edge[first] * std::exp(-double(high)),
                     right = window.edge[first + count] * std::exp(-double(low));
        const auto begin = std::upper_bound(x.begin(), x.end(), left) - x.begin() - 1,
                   end = std::lower_bound(x.begin(), x.end(), right) - x.begin();
        tiles.push_back({first, count, std::uint32_t(begin), std::uint32_t(end - begin + 1)});
    }
    return tiles;
}

}  // namespace tessera::test
