#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "stages/blocks.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Light of a star in the band: integral of its shifted spectrum over [low, high], / (1+z): with C the integral of a
// template over observed wavelength at shift 0, e^s (C(high e^-s) - C(low e^-s)) / (1+z). C is kept at the knots that
// the two ends can reach.
class BandLight {
public:
    BandLight(const KnotTable& t, const WavelengthGrid& grid, double redshift, float shiftMin, float shiftMax)
        : t_(t), factor_(1 / (1 + redshift)) {
        const double edges[2] = {grid.edge(0), grid.edge(double(grid.size))};
        for (int k = 0; k < 2; ++k) {
            end_[k].edge = edges[k];
            end_[k].first = interval(edges[k] * std::exp(-double(shiftMax)));
            end_[k].count = interval(edges[k] * std::exp(-double(shiftMin))) - end_[k].first + 2;
        }
        const std::size_t templates = std::size_t(t.nAge) * std::size_t(t.nZ), n = t.size();
        for (End& e : end_) e.cumulative.resize(templates * e.count);
#pragma omp parallel for schedule(static)
        for (std::size_t k = 0; k < templates; ++k) {
            const float* flux = t.flux.data() + k * t.stride;
            double sum = 0;
            for (std::size_t m = 0; m < n; ++m) {
                if (m > 0) sum += 0.5 * (double(flux[m - 1]) + double(flux[m])) * (t.position[m] - t.position[m - 1]);
                for (End& e : end_)
                    if (m >= e.first && m < e.first + e.count) e.cumulative[k * e.count + m - e.first] = sum;
            }
        }
    }

    double operator()(const StarRecord& s) const {
        const double stretch = std::exp(double(s.shift));
        const int z = t_.nZ > 1 ? t_.nAge : 0, a = t_.nAge > 1 ? 1 : 0;
        const double fz = s.zFraction, fa = s.ageFraction;
        const int corner[4] = {s.corner, s.corner + a, s.corner + z, s.corner + z + a};
        const double weight[4] = {(1 - fz) * (1 - fa), (1 - fz) * fa, fz * (1 - fa), fz * fa};
        double light = 0;
        for (int k = 0; k < 2; ++k) {
            const End& e = end_[k];
            const double x = e.edge / stretch, sign = k == 0 ? -1 : 1;
            const std::size_t m = interval(x), next = std::min(m + 1, t_.size() - 1);
            // Integral from knot m to x: u y_m + u^2/2 (y_next - y_m) / step; beyond the ends the value is held.
            const bool held = x < t_.position[0] || m == next || x > t_.position[next];
            const std::size_t base = held && x > t_.position[m] ? next : m;
            const double u = x - t_.position[base], v = held ? 0 : 0.5 * u * u * t_.inverseStep[m];
            for (int c = 0; c < 4; ++c) {
                if (weight[c] == 0) continue;
                const float* y = t_.flux.data() + std::size_t(corner[c]) * t_.stride;
                const std::size_t row = std::size_t(corner[c]) * e.count;
                const double cumulative =
                    base >= e.first && base < e.first + e.count ? e.cumulative[row + base - e.first] : 0;
                light += sign * weight[c] * (cumulative + u * double(y[base]) + v * (double(y[next]) - double(y[m])));
            }
        }
        return double(s.mass) * stretch * light * factor_;
    }

private:
    struct End {
        double edge = 0;
        std::size_t first = 0, count = 0;
        std::vector<double> cumulative;  // [template][count]
    };
    // Knot m with position[m] <= x < position[m + 1], inside the table.
    std::size_t interval(double x) const {
        const auto it = std::upper_bound(t_.position.begin(), t_.position.end(), x);
        const std::size_t m = it == t_.position.begin() ? 0 : std::size_t(it - t_.position.begin()) - 1;
        return std::min(m, t_.size() > 1 ? t_.size() - 2 : 0);
    }

    const KnotTable& t_;
    std::array<End, 2> end_;
    double factor_;
};

struct Total {
    std::uint64_t stars = 0, clampedAge = 0, clampedMetallicity = 0;
    double mass = 0, light = 0, clampedMass = 0;
    Total& operator+=(const Total& o) {
        stars += o.stars;
        clampedAge += o.clampedAge;
        clampedMetallicity += o.clampedMetallicity;
        mass += o.mass;
        light += o.light;
        clampedMass += o.clampedMass;
        return *this;
    }
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

MapResult maps(Host exec, const BinnedStars& b, const Stars& stars, const GalaxyFrame& f, const KnotTable& table,
               double redshift, const WavelengthGrid& grid, std::size_t n, std::size_t pad,
               std::span<const std::uint8_t> mask) {
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

    float low = 0, high = 0;
    for (const StarRecord& s : b.stars) {
        low = std::min(low, s.shift);
        high = std::max(high, s.shift);
    }
    const BandLight bandLight(table, grid, redshift, low, high);
    const double ageLow = std::pow(10, table.logAgeGyr.front()), ageHigh = std::pow(10, table.logAgeGyr.back());
    const double zFirst = table.zAxis.front(), zLast = table.zAxis.back();
    const double zLow = table.rubix ? zFirst : std::pow(10, zFirst), zHigh = table.rubix ? zLast : std::pow(10, zLast);
    const Vec3d sight = f.rotation.row[2];
    const std::size_t side = n + 2 * pad;
    std::vector<Total> totals(n * n);

#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 64)
    for (std::size_t p = 0; p < n * n; ++p) {
        if (!mask[p]) continue;
        const std::size_t s = (p / n + pad) * side + p % n + pad;
        double mass = 0, light = 0, massAge = 0, massZ = 0, lightAge = 0, lightZ = 0, massV = 0, lightV = 0,
               lightV2 = 0;
        Total& t = totals[p];
        for (std::size_t k = b.start[s]; k < b.start[s + 1]; ++k) {
            const std::size_t i = b.source[k];
            const double m = stars.mass[i], l = bandLight(b.stars[k]), age = stars.age[i], z = stars.metallicity[i];
            const double v = dot(sight, stars.velocity[i].to<double>() - f.velocity);
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
            const double mean = lightV / light;
            r.maps[kAgeLight].data[p] = float(lightAge / light);
            r.maps[kMetalLight].data[p] = float(lightZ / light);
            r.maps[kVelocityLight].data[p] = float(mean);
            r.maps[kDispersion].data[p] = float(std::sqrt(std::max(0.0, lightV2 / light - mean * mean)));
        }
    }
    Total sum;
    for (const Total& t : totals) sum += t;
    r.stars = sum.stars;
    r.mass = sum.mass;
    r.luminosity = sum.light;
    r.clampedAge = sum.clampedAge;
    r.clampedMetallicity = sum.clampedMetallicity;
    r.clampedMass = sum.clampedMass;
    return r;
}

}  // namespace tessera
