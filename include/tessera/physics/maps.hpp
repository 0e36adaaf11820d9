// What the maps sum over the stars of a spaxel, and a star's light in the band.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tessera/core/hd.hpp"
#include "tessera/model/star_record.hpp"

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

// The library's grid: ages [Gyr] and metallicities.
struct LibraryLimits {
    double ageLow = 0, ageHigh = 0, zLow = 0, zHigh = 0;

    TESSERA_HD bool outsideAge(double age) const { return age < ageLow * (1 - 1e-6) || age > ageHigh * (1 + 1e-6); }
    TESSERA_HD bool outsideZ(double z) const { return z < zLow * (1 - 1e-6) || z > zHigh * (1 + 1e-6); }
};

// Sums of mass [Msun] or light [Lsun] times age [Gyr], metallicity, line-of-sight velocity [km/s].
struct SpaxelSums {
    std::uint64_t stars = 0, clampedAge = 0, clampedMetallicity = 0;
    double mass = 0, light = 0, clampedMass = 0;
    double massAge = 0, massZ = 0, lightAge = 0, lightZ = 0, massV = 0, lightV = 0, lightV2 = 0;

    TESSERA_HD void add(const StarRecord& s, double starLight, double v, const LibraryLimits& limits) {
        const double m = double(s.mass), age = double(s.age), z = double(s.metallicity);
        const bool outsideAge = limits.outsideAge(age), outsideZ = limits.outsideZ(z);
        stars += 1;
        clampedAge += outsideAge;
        clampedMetallicity += outsideZ;
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

}  // namespace tessera
