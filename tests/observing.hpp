// What the tests of observe() share: a small observation and ways to look at its cube.
#pragma once

#include <cstring>
#include <string>

#include "support.hpp"
#include "tessera/pipeline.hpp"

namespace tessera::test {

inline Config smallConfig() {
    Config c;
    c.telescope = testTelescope(2, 0.2, 4800, 5550, 1.25);
    c.views[0].redshift = 0.1;
    c.views[0].orientation = Orientation::none;
    c.views[0].systemicVelocity = SystemicVelocity::none;
    return c;
}

inline double total(const GalaxyCube& g) {
    double sum = 0;
    for (std::size_t s = 0; s < g.flux.spaxels(); ++s)
        for (std::size_t j = 0; j < g.flux.nLambda; ++j)
            if (const float v = g.flux.spectrum(s)[j]; !std::isnan(v)) sum += double(v) * g.wavelength.width(j);
    return sum;
}

inline const Map& mapOf(const GalaxyCube& g, const std::string& name) {
    for (const Map& m : g.maps)
        if (m.name == name) return m;
    throw Error("no map " + name);
}

inline bool same(const Cube& a, const Cube& b) {
    return a.data.size() == b.data.size() &&
           (a.data.empty() || std::memcmp(a.data.data(), b.data.data(), a.data.size() * 4) == 0);
}

// Largest difference of a voxel relative to its spaxel's mean; 1 where one is NaN alone.
inline double difference(const Cube& a, const Cube& b) {
    REQUIRE(a.data.size() == b.data.size());
    double worst = 0;
    for (std::size_t s = 0; s < a.spaxels(); ++s) {
        double mean = 0;
        std::size_t count = 0;
        for (std::size_t j = 0; j < a.nLambda; ++j)
            if (const float v = b.spectrum(s)[j]; !std::isnan(v)) {
                mean += std::fabs(double(v));
                ++count;
            }
        mean /= double(count > 0 ? count : 1);
        for (std::size_t j = 0; j < a.nLambda; ++j) {
            const double x = double(a.spectrum(s)[j]), y = double(b.spectrum(s)[j]);
            if (std::isnan(x) || std::isnan(y))
                worst = std::max(worst, std::isnan(x) == std::isnan(y) ? 0.0 : 1.0);
            else if (x != y)
                worst = std::max(worst, std::fabs(x - y) / (mean > 0 ? mean : 1e-30));
        }
    }
    return worst;
}

}  // namespace tessera::test
