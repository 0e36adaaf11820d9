// What several tests need: seeded stars, analytic SSP libraries, comparison of cubes, skipping.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "tessera/model/config.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/model/ssp.hpp"

namespace tessera::test {

// Leaves the test binary with the exit code that ctest reports as skipped.
[[noreturn]] inline void skip(const std::string& reason) {
    std::printf("SKIP: %s\n", reason.c_str());
    std::fflush(stdout);
    std::_Exit(77);
}

// A blob of stars: Gaussian in space (sigma [kpc]) and velocity (sigma [km/s]), ages from 1 Myr to 13.5 Gyr and
// metallicities from 1e-4 to 0.05, both log-uniform.
inline Stars randomStars(std::size_t n, std::uint64_t seed, double size, double velocity) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    Stars s(n);
    for (std::size_t i = 0; i < n; ++i) {
        s.position[i] = {size * normal(rng), size * normal(rng), size * normal(rng)};
        s.velocity[i] = Vec3d{velocity * normal(rng), velocity * normal(rng), velocity * normal(rng)}.to<float>();
        s.mass[i] = float(1e5 * (0.5 + uniform(rng)));
        s.age[i] = float(std::pow(10, -3 + 4.13 * uniform(rng)));
        s.metallicity[i] = float(std::pow(10, -4 + 2.7 * uniform(rng)));
    }
    return s;
}

// Blackbody-like continua that redden with age and metallicity, with seeded lines of up to `depth`, sampled every
// `step` Angstrom from 3000 to 11000: a stand-in for libraries as coarse (20) or as fine (0.9) as the real ones.
inline SspLibrary syntheticLibrary(double step, double depth, std::uint64_t seed = 7, std::size_t nAge = 12,
                                   std::size_t nZ = 4) {
    SspLibrary l;
    l.name = "synthetic";
    for (std::size_t a = 0; a < nAge; ++a) l.logAge.push_back(6 + 4.2 * double(a) / double(nAge > 1 ? nAge - 1 : 1));
    for (std::size_t z = 0; z < nZ; ++z)
        l.metallicity.push_back(std::pow(10, -4 + 2.7 * double(z) / double(nZ > 1 ? nZ - 1 : 1)));
    for (double x = 3000; x <= 11000; x += step) l.wavelength.push_back(x);
    std::mt19937_64 rng(seed);
    std::uniform_real_distribution<double> uniform;
    for (std::size_t z = 0; z < nZ; ++z)
        for (std::size_t a = 0; a < nAge; ++a)
            for (const double x : l.wavelength) {
                const double slope = -2 + 3 * double(a) / double(nAge) + 0.5 * double(z) / double(nZ);
                const double level = std::pow(10, -3.5 - 0.4 * double(a));
                l.flux.push_back(level * std::pow(x / 5500, slope) * (1 - depth * uniform(rng)));
            }
    return l;
}

// The same with lines that are a few Angstrom wide, like those of stars, whatever its sampling.
inline SspLibrary lineLibrary(double step, std::size_t nAge = 6, std::size_t nZ = 3, double width = 8) {
    SspLibrary l = syntheticLibrary(step, 0, 7, nAge, nZ);
    std::mt19937_64 rng(17);
    std::uniform_real_distribution<double> uniform;
    for (std::size_t t = 0; t < l.nTemplates(); ++t)
        for (int line = 0; line < 120; ++line) {
            const double centre = 3000 + 8000 * uniform(rng), depth = 0.5 * uniform(rng);
            for (std::size_t m = 0; m < l.nLambda(); ++m)
                l.flux[t * l.nLambda() + m] *= 1 - depth * std::exp(-sq((l.wavelength[m] - centre) / width));
        }
    return l;
}

// A small telescope for tests.
inline Telescope testTelescope(double fov, double spaxel, double low, double high, double step) {
    Telescope t;
    t.name = "test";
    t.fov = fov;
    t.spaxel = spaxel;
    t.wavelengthMin = low;
    t.wavelengthMax = high;
    t.wavelengthStep = step;
    return t;
}

}  // namespace tessera::test
