#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "tessera/core/units.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/moments.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// With C the integral of a template over observed wavelength at shift 0, its light at shift s is
// I(s) = e^s (C(high e^-s) - C(low e^-s)) / (1+z), a smooth function: I''/I h^2/8 ~ 1e-7 between nodes 30 km/s apart.
constexpr double lightStep = 1e-4;

// Of the template over observed wavelength, from its first knot to x; beyond the ends their value is held.
double integral(const KnotTable& t, const float* y, const std::vector<double>& cumulative, double x) {
    const auto& knot = t.position;
    const std::size_t last = knot.size() - 1;
    if (x <= knot[0]) return (x - knot[0]) * double(y[0]);
    if (x >= knot[last]) return cumulative[last] + (x - knot[last]) * double(y[last]);
    const std::size_t m = std::size_t(std::upper_bound(knot.begin(), knot.end(), x) - knot.begin()) - 1;
    const double u = x - knot[m];
    return cumulative[m] + u * (double(y[m]) + 0.5 * u * t.inverseStep[m] * (double(y[m + 1]) - double(y[m])));
}

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

SpaxelSums sumsOf(const StarRecord* stars, std::size_t count, const BandLightTable& table, const LibraryLimits& limits,
                  Doppler doppler) {
    alignas(64) double light[simd::mapBlock], velocity[simd::mapBlock];
    simd::RecordColumns records;
    simd::MapColumns c{};
    c.records = &records;
    c.table = table.corners.data();
    c.firstShift = table.axes.firstShift;
    c.step = table.axes.step;
    c.nodes = table.axes.nodes;
    c.c = units::c_km_s;
    c.ageLow = limits.leastAge();
    c.ageHigh = limits.mostAge();
    c.zLow = limits.leastZ();
    c.zHigh = limits.mostZ();
    c.light = light;
    c.velocity = velocity;
    simd::MapSums sums;
    for (std::size_t first = 0; first < count; first += simd::mapBlock) {
        c.stars = stars + first;
        c.n = std::min(simd::mapBlock, count - first);
        simd::kernels().mapColumns(c);
        if (doppler != Doppler::relativistic || !c.slow)
            for (std::size_t k = 0; k < c.n; ++k) velocity[k] = velocityOfShift(double(c.stars[k].shift), doppler);
        simd::kernels().sumMaps(c, sums);
    }
    const auto total = [&](int which) {
        double sum = 0;
        for (const double lane : sums.lane[which]) sum += lane;
        return sum;
    };
    using S = simd::MapSums;
    SpaxelSums s;
    s.stars = sums.stars;
    s.clampedAge = sums.clampedAge;
    s.clampedMetallicity = sums.clampedMetallicity;
    s.mass = total(S::mass);
    s.light = total(S::light);
    s.clampedMass = total(S::clampedMass);
    s.massAge = total(S::massAge);
    s.massZ = total(S::massZ);
    s.lightAge = total(S::lightAge);
    s.lightZ = total(S::lightZ);
    s.massV = total(S::massV);
    s.lightV = total(S::lightV);
    s.lightV2 = total(S::lightV2);
    return s;
}

}  // namespace

BandLightTable bandLightTable(Host exec, const KnotTable& t, const WavelengthGrid& grid, double redshift) {
    BandLightTable b;
    b.axes = {double(t.shiftMin), lightStep, std::size_t((double(t.shiftMax) - double(t.shiftMin)) / lightStep) + 2,
              t.ageStep(), t.zStep()};
    b.light.resize(t.templates() * b.axes.nodes);
    const double bandLow = grid.edge(0), bandHigh = grid.edge(double(grid.size));
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < t.templates(); ++k) {
        const float* y = t.flux.data() + k * t.stride;
        std::vector<double> cumulative(t.size(), 0.0);
        for (std::size_t m = 1; m < t.size(); ++m)
            cumulative[m] =
                cumulative[m - 1] + 0.5 * (double(y[m - 1]) + double(y[m])) * (t.position[m] - t.position[m - 1]);
        for (std::size_t i = 0; i < b.axes.nodes; ++i) {
            const double stretch = std::exp(b.axes.firstShift + double(i) * lightStep);
            const double low = integral(t, y, cumulative, bandLow / stretch);
            const double high = integral(t, y, cumulative, bandHigh / stretch);
            b.light[k * b.axes.nodes + i] = float(stretch * (high - low) / (1 + redshift));
        }
    }
    b.corners = cornerLight(b.axes, b.light);
    return b;
}

std::vector<float> cornerLight(const BandLight& b, std::span<const float> light) {
    const std::size_t templates = light.size() / b.nodes;
    const std::array<int, 4> steps{0, b.ageStep, b.zStep, b.ageStep + b.zStep};
    std::vector<float> out(4 * light.size(), 0.0F);
    for (std::size_t t = 0; t < templates; ++t)
        for (std::size_t q = 0; q < steps.size(); ++q) {
            const std::size_t neighbour = t + std::size_t(steps[q]);
            if (neighbour >= templates) continue;  // no star's corner
            for (std::size_t i = 0; i < b.nodes; ++i) out[4 * (t * b.nodes + i) + q] = light[neighbour * b.nodes + i];
        }
    return out;
}

LibraryLimits limitsOf(const KnotTable& t) {
    const double zFirst = t.zAxis.front(), zLast = t.zAxis.back();
    return {std::pow(10, t.logAgeGyr.front()), std::pow(10, t.logAgeGyr.back()),
            t.rubix ? zFirst : std::pow(10, zFirst), t.rubix ? zLast : std::pow(10, zLast)};
}

SpaxelSums MapResult::total() const {
    SpaxelSums sum;
    for (const SpaxelSums& s : sums) sum += s;
    return sum;
}

MapResult mapsOfSums(std::vector<SpaxelSums> sums, std::size_t n, std::span<const std::uint8_t> mask) {
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
    r.sums = std::move(sums);
    for (std::size_t p = 0; p < n * n; ++p) {
        if (!mask[p]) continue;
        const SpaxelSums& s = r.sums[p];
        r.maps[kStars].data[p] = float(s.stars);
        r.maps[kMass].data[p] = float(s.mass);
        if (s.mass > 0) {
            r.maps[kAgeMass].data[p] = float(s.massAge / s.mass);
            r.maps[kMetalMass].data[p] = float(s.massZ / s.mass);
            r.maps[kVelocityMass].data[p] = float(s.massV / s.mass);
        }
        if (s.light > 0) {
            const MomentSums<double> moments{s.light, s.lightV, s.lightV2};
            r.maps[kAgeLight].data[p] = float(s.lightAge / s.light);
            r.maps[kMetalLight].data[p] = float(s.lightZ / s.light);
            r.maps[kVelocityLight].data[p] = float(weightedMean(moments));
            r.maps[kDispersion].data[p] = float(weightedDispersion(moments));
        }
    }
    return r;
}

MapSummation::MapSummation(const KnotTable& table, const BandLightTable& light, Doppler doppler, std::size_t n,
                           std::size_t pad, std::span<const std::uint8_t> mask)
    : light_(light), limits_(limitsOf(table)), doppler_(doppler), n_(n), pad_(pad), mask_(mask), sums_(n * n) {}

void MapSummation::operator()(const BinnedStars& b, std::size_t spaxel) {
    const std::size_t side = n_ + 2 * pad_, x = spaxel % side - pad_,
                      y = spaxel / side - pad_;  // wraps left of the field
    if (x >= n_ || y >= n_ || !mask_[y * n_ + x] || b.start[spaxel] == b.start[spaxel + 1]) return;
    sums_[y * n_ + x] =
        sumsOf(b.stars.data() + b.start[spaxel], b.start[spaxel + 1] - b.start[spaxel], light_, limits_, doppler_);
}

MapResult MapSummation::result() && {
    return mapsOfSums(std::move(sums_), n_, mask_);
}

MapResult maps(Host exec, const BinnedStars& b, const KnotTable& table, Doppler doppler, double redshift,
               const WavelengthGrid& grid, std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask) {
    const BandLightTable light = bandLightTable(exec, table, grid, redshift);
    MapSummation sums(table, light, doppler, n, pad, mask);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 64)
    for (std::size_t s = 0; s < b.start.size() - 1; ++s) sums(b, s);
    return std::move(sums).result();
}

}  // namespace tessera
