#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "stages/blocks.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/moments.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Light of a star in the band: the integral of its shifted spectrum over [low, high], / (1+z). With C the integral of a
// template over observed wavelength at shift 0 that is I(s) = e^s (C(high e^-s) - C(low e^-s)) / (1+z), a smooth
// function of the shift: kept for every template at nodes 30 km/s apart and interpolated linearly (I''/I h^2/8 ~ 1e-7).
class BandLight {
public:
    BandLight(Host exec, const KnotTable& t, const WavelengthGrid& grid, double redshift)
        : nAge_(t.nAge > 1 ? 1 : 0),
          nZ_(t.nZ > 1 ? t.nAge : 0),
          first_(t.shiftMin),
          nodes_(std::size_t((double(t.shiftMax) - double(t.shiftMin)) / step) + 2) {
        const std::size_t templates = std::size_t(t.nAge) * std::size_t(t.nZ);
        light_.resize(templates * nodes_);
        const double bandLow = grid.edge(0), bandHigh = grid.edge(double(grid.size));
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t k = 0; k < templates; ++k) {
            const float* y = t.flux.data() + k * t.stride;
            std::vector<double> cumulative(t.size(), 0.0);
            for (std::size_t m = 1; m < t.size(); ++m)
                cumulative[m] =
                    cumulative[m - 1] + 0.5 * (double(y[m - 1]) + double(y[m])) * (t.position[m] - t.position[m - 1]);
            for (std::size_t i = 0; i < nodes_; ++i) {
                const double stretch = std::exp(first_ + double(i) * step);
                const double low = integral(t, y, cumulative, bandLow / stretch);
                const double high = integral(t, y, cumulative, bandHigh / stretch);
                light_[k * nodes_ + i] = float(stretch * (high - low) / (1 + redshift));
            }
        }
    }

    // [Lsun]
    double operator()(const StarRecord& s) const {
        const double u = std::max(0.0, (double(s.shift) - first_) / step);
        const std::size_t i = std::min(std::size_t(u), nodes_ - 2);
        const double f = u - double(i), fz = s.zFraction, fa = s.ageFraction;
        const float* row = light_.data() + std::size_t(s.corner) * nodes_ + i;
        const std::size_t a = std::size_t(nAge_) * nodes_, z = std::size_t(nZ_) * nodes_;
        const auto at = [&](const float* p) { return double(p[0]) + f * (double(p[1]) - double(p[0])); };
        const double lower = at(row) + fa * (at(row + a) - at(row)),
                     upper = at(row + z) + fa * (at(row + z + a) - at(row + z));
        return double(s.mass) * (lower + fz * (upper - lower));
    }

private:
    static constexpr double step = 1e-4;  // of the shift

    // Of the template over observed wavelength, from its first knot to x; beyond the ends their value is held.
    static double integral(const KnotTable& t, const float* y, const std::vector<double>& cumulative, double x) {
        const auto& knot = t.position;
        const std::size_t last = knot.size() - 1;
        if (x <= knot[0]) return (x - knot[0]) * double(y[0]);
        if (x >= knot[last]) return cumulative[last] + (x - knot[last]) * double(y[last]);
        const std::size_t m = std::size_t(std::upper_bound(knot.begin(), knot.end(), x) - knot.begin()) - 1;
        const double u = x - knot[m];
        return cumulative[m] + u * (double(y[m]) + 0.5 * u * t.inverseStep[m] * (double(y[m + 1]) - double(y[m])));
    }

    int nAge_, nZ_;
    double first_;
    std::size_t nodes_;
    std::vector<float> light_;  // [template][node]
};

enum MapIndex {
    kStars,
    kMass,
    kAgeMass,
    kMetalMass,
    kAgeLight,
    kMetalLight,
    kVelocityMass,
    kVelocityLight,
    kDispersion,
    kCount
};

}  // namespace

SpaxelSums& SpaxelSums::operator+=(const SpaxelSums& o) {
    stars += o.stars;
    clampedAge += o.clampedAge;
    clampedMetallicity += o.clampedMetallicity;
    mass += o.mass;
    light += o.light;
    clampedMass += o.clampedMass;
    return *this;
}

SpaxelSums MapResult::total() const {
    SpaxelSums sum;
    for (const SpaxelSums& s : sums) sum += s;
    return sum;
}

MapResult maps(Host exec, const BinnedStars& b, const KnotTable& table, Doppler doppler, double redshift,
               const WavelengthGrid& grid, std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask) {
    static const std::array<std::array<const char*, 2>, kCount> names{{{"stars", "1"},
                                                                       {"mass", "Msun"},
                                                                       {"age_mass", "Gyr"},
                                                                       {"metallicity_mass", "mass fraction"},
                                                                       {"age_light", "Gyr"},
                                                                       {"metallicity_light", "mass fraction"},
                                                                       {"velocity_mass", "km/s"},
                                                                       {"velocity_light", "km/s"},
                                                                       {"dispersion_light", "km/s"}}};
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    MapResult r;
    for (const auto& [name, unit] : names) r.maps.push_back({name, unit, std::vector<float>(n * n, nan)});

    const BandLight bandLight(exec, table, grid, redshift);
    const double ageLow = std::pow(10, table.logAgeGyr.front()), ageHigh = std::pow(10, table.logAgeGyr.back());
    const double zFirst = table.zAxis.front(), zLast = table.zAxis.back();
    const double zLow = table.rubix ? zFirst : std::pow(10, zFirst), zHigh = table.rubix ? zLast : std::pow(10, zLast);
    const std::size_t side = n + 2 * pad;
    r.sums.resize(n * n);

#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 64)
    for (std::size_t p = 0; p < n * n; ++p) {
        if (!mask[p]) continue;
        const std::size_t s = (p / n + pad) * side + p % n + pad;
        double mass = 0, light = 0, massAge = 0, massZ = 0, lightAge = 0, lightZ = 0, massV = 0, lightV = 0,
               lightV2 = 0;
        SpaxelSums& t = r.sums[p];
        for (std::size_t k = b.start[s]; k < b.start[s + 1]; ++k) {
            const StarRecord& star = b.stars[k];
            const double m = star.mass, l = bandLight(star), age = star.age, z = star.metallicity;
            const double v = velocityOfShift(double(star.shift), doppler);
            mass += m;
            light += l;
            massAge += m * age;
            massZ += m * z;
            lightAge += l * age;
            lightZ += l * z;
            massV += m * v;
            lightV += l * v;
            lightV2 += l * v * v;
            const bool clampedAge = age < ageLow * (1 - 1e-6) || age > ageHigh * (1 + 1e-6);
            const bool clampedZ = z < zLow * (1 - 1e-6) || z > zHigh * (1 + 1e-6);
            t += {1, clampedAge, clampedZ, 0, 0, clampedAge || clampedZ ? m : 0};
        }
        t.mass = mass;
        t.light = light;
        r.maps[kStars].data[p] = float(t.stars);
        r.maps[kMass].data[p] = float(mass);
        if (mass > 0) {
            r.maps[kAgeMass].data[p] = float(massAge / mass);
            r.maps[kMetalMass].data[p] = float(massZ / mass);
            r.maps[kVelocityMass].data[p] = float(massV / mass);
        }
        if (light > 0) {
            const MomentSums<double> moments{light, lightV, lightV2};
            r.maps[kAgeLight].data[p] = float(lightAge / light);
            r.maps[kMetalLight].data[p] = float(lightZ / light);
            r.maps[kVelocityLight].data[p] = float(weightedMean(moments));
            r.maps[kDispersion].data[p] = float(weightedDispersion(moments));
        }
    }
    return r;
}

}  // namespace tessera
