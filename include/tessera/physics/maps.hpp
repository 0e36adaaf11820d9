// What the maps sum over the stars of a spaxel, and a star's light in the band.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tessera/core/hd.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/moments.hpp"

namespace tessera {

// Light of 1 Msun of every template in the band, the integral of its shifted spectrum / (1 + z) [Lsun], at nodes of
// shift: table[template * nodes + node], linear between nodes.
struct BandLight {
    double firstShift = 0, step = 1;
    std::size_t nodes = 0;
    int ageStep = 0, zStep = 0;  // templates to the neighbour in age and in metallicity
};
// [Lsun] of a star.
TESSERA_HD inline double bandLight(const BandLight& b, const float* table, const StarRecord& s) {
    const double unclamped = (double(s.shift) - b.firstShift) / b.step, u = unclamped > 0 ? unclamped : 0;
    const std::size_t last = b.nodes - 2, i = u < double(last) ? std::size_t(u) : last;
    const double f = u - double(i), fz = double(s.zFraction), fa = double(s.ageFraction);
    const float* row = table + std::size_t(s.corner) * b.nodes + i;
    const std::size_t a = std::size_t(b.ageStep) * b.nodes, z = std::size_t(b.zStep) * b.nodes;
    const auto at = [&](const float* p) { return double(p[0]) + f * (double(p[1]) - double(p[0])); };
    const double lower = at(row) + fa * (at(row + a) - at(row)),
                 upper = at(row + z) + fa * (at(row + z + a) - at(row + z));
    return double(s.mass) * (lower + fz * (upper - lower));
}

// Derivative in the star's mass, fractions and shift: the table is bilinear in the fractions; in the shift the slope is that
// between the neighbours of a node (at the ends between the last two), linear between nodes, which is as smooth as the light.
// Derivation 22.
TESSERA_HD inline void bandLightAdjoint(const BandLight& b, const float* table, const StarRecord& s, double& massBar,
                                        double& ageBar, double& zBar, double& shiftBar, double lightBar) {
    const double unclamped = (double(s.shift) - b.firstShift) / b.step, u = unclamped > 0 ? unclamped : 0;
    const std::size_t last = b.nodes - 2, i = u < double(last) ? std::size_t(u) : last;
    const double f = u - double(i), fz = double(s.zFraction), fa = double(s.ageFraction);
    const float* row = table + std::size_t(s.corner) * b.nodes;
    const std::size_t a = std::size_t(b.ageStep) * b.nodes, z = std::size_t(b.zStep) * b.nodes;
    const auto at = [&](const float* p) { return double(p[i]) + f * (double(p[i + 1]) - double(p[i])); };
    const auto slopeAt = [&](const float* p, std::size_t k) {
        const std::size_t low = k > 0 ? k - 1 : 0, high = k + 1 < b.nodes ? k + 1 : k;
        return (double(p[high]) - double(p[low])) / (double(high - low) * b.step);
    };
    const auto slope = [&](const float* p) { return (1 - f) * slopeAt(p, i) + f * slopeAt(p, i + 1); };
    const auto bilinear = [&](auto of) {
        return (1 - fz) * ((1 - fa) * of(row) + fa * of(row + a)) +
               fz * ((1 - fa) * of(row + z) + fa * of(row + z + a));
    };
    const double mass = double(s.mass);
    massBar += lightBar * bilinear(at);
    shiftBar += lightBar * mass * bilinear(slope);
    ageBar += lightBar * mass * ((1 - fz) * (at(row + a) - at(row)) + fz * (at(row + z + a) - at(row + z)));
    zBar += lightBar * mass * ((1 - fa) * (at(row + z) - at(row)) + fa * (at(row + z + a) - at(row + a)));
}

// The library's grid: ages [Gyr] and metallicities.
struct LibraryLimits {
    double ageLow = 0, ageHigh = 0, zLow = 0, zHigh = 0;

    // Beyond these a star is clamped.
    TESSERA_HD double leastAge() const { return ageLow * (1 - 1e-6); }
    TESSERA_HD double mostAge() const { return ageHigh * (1 + 1e-6); }
    TESSERA_HD double leastZ() const { return zLow * (1 - 1e-6); }
    TESSERA_HD double mostZ() const { return zHigh * (1 + 1e-6); }

    TESSERA_HD bool outsideAge(double age) const { return age < leastAge() || age > mostAge(); }
    TESSERA_HD bool outsideZ(double z) const { return z < leastZ() || z > mostZ(); }
};

// Sums of mass [Msun] or light [Lsun] times age [Gyr], metallicity, line-of-sight velocity [km/s].
struct SpaxelSums {
    std::uint64_t stars = 0, clampedAge = 0, clampedMetallicity = 0;
    double mass = 0, light = 0, clampedMass = 0;
    double massAge = 0, massZ = 0, lightAge = 0, lightZ = 0, massV = 0, lightV = 0, lightV2 = 0;

    TESSERA_HD void add(const StarRecord& s, double starLight, double v, const LibraryLimits& limits) {
        const double m = double(s.mass), age = double(s.age), z = double(s.metallicity);
        const bool outsideAge = limits.outsideAge(age), outsideZ = limits.outsideZ(z), counts = s.counted();
        stars += counts;
        clampedAge += counts && outsideAge;
        clampedMetallicity += counts && outsideZ;
        mass += m;
        light += starLight;
        clampedMass += outsideAge || outsideZ ? m : 0;
        massAge += m * age;
        massZ += m * z;
        lightAge += starLight * age;
        lightZ += starLight * z;
        massV += m * v;
        lightV += starLight * v;
        lightV2 += starLight * v * v;
    }
    TESSERA_HD SpaxelSums& operator+=(const SpaxelSums& o) {
        stars += o.stars;
        clampedAge += o.clampedAge;
        clampedMetallicity += o.clampedMetallicity;
        mass += o.mass;
        light += o.light;
        clampedMass += o.clampedMass;
        massAge += o.massAge;
        massZ += o.massZ;
        lightAge += o.lightAge;
        lightZ += o.lightZ;
        massV += o.massV;
        lightV += o.lightV;
        lightV2 += o.lightV2;
        return *this;
    }
};

// What a spaxel's maps show, or their cotangents.
struct SpaxelMoments {
    double mass = 0, massAge = 0, massZ = 0, massV = 0, lightAge = 0, lightZ = 0, lightV = 0, dispersion = 0;
};
// A star as the maps see it, or its cotangent.
struct MapStar {
    double mass = 0, light = 0, age = 0, metallicity = 0, velocity = 0;
};
// A star's part in the maps of its spaxel, whose sums are s: derivation 14, map by map. Means of no mass or no light have none.
TESSERA_HD inline void mapsAdjoint(const SpaxelSums& s, const MapStar& star, MapStar& starBar,
                                   const SpaxelMoments& bar) {
    starBar.mass += bar.mass;
    const auto mean = [](double weight, double first, double w, double x, double& wBar, double& xBar, double meanBar) {
        weightedMeanAdjoint(MomentSums<double>{weight, first, 0}, w, x, wBar, xBar, meanBar);
    };
    if (s.mass > 0) {
        mean(s.mass, s.massAge, star.mass, star.age, starBar.mass, starBar.age, bar.massAge);
        mean(s.mass, s.massZ, star.mass, star.metallicity, starBar.mass, starBar.metallicity, bar.massZ);
        mean(s.mass, s.massV, star.mass, star.velocity, starBar.mass, starBar.velocity, bar.massV);
    }
    if (s.light > 0) {
        mean(s.light, s.lightAge, star.light, star.age, starBar.light, starBar.age, bar.lightAge);
        mean(s.light, s.lightZ, star.light, star.metallicity, starBar.light, starBar.metallicity, bar.lightZ);
        mean(s.light, s.lightV, star.light, star.velocity, starBar.light, starBar.velocity, bar.lightV);
        weightedDispersionAdjoint(MomentSums<double>{s.light, s.lightV, s.lightV2}, star.light, star.velocity,
                                  starBar.light, starBar.velocity, bar.dispersion);
    }
}

}  // namespace tessera
