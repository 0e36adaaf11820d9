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

}  // namespace tessera::test
