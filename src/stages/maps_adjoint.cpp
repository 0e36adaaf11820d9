#include "stages/maps_adjoint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <utility>

#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera {

namespace {

constexpr std::pair<const char*, double SpaxelMoments::*> members[] = {
    {"mass", &SpaxelMoments::mass},
    {"age_mass", &SpaxelMoments::massAge},
    {"metallicity_mass", &SpaxelMoments::massZ},
    {"velocity_mass", &SpaxelMoments::massV},
    {"age_light", &SpaxelMoments::lightAge},
    {"metallicity_light", &SpaxelMoments::lightZ},
    {"velocity_light", &SpaxelMoments::lightV},
    {"dispersion_light", &SpaxelMoments::dispersion},
};
constexpr double ln10 = 2.302585092994045684;

}  // namespace

std::vector<std::string> differentiableMaps() {
    std::vector<std::string> names;
    for (const auto& [name, member] : members) names.emplace_back(name);
    return names;
}

std::vector<SpaxelMoments> spaxelMoments(const std::vector<Map>& maps, std::size_t n,
                                         std::span<const std::uint8_t> mask) {
    std::vector<SpaxelMoments> out(n * n);
    for (const Map& map : maps) {
        double SpaxelMoments::*member = nullptr;
        for (const auto& [name, at] : members)
            if (map.name == name) member = at;
        if (member == nullptr && map.name != "flux")
            throw Error(fmt::format("map \"{}\" has no derivative; allowed: flux, {}", map.name,
                                    fmt::join(differentiableMaps(), ", ")));
        if (map.data.size() != n * n)
            throw Error(fmt::format("the cotangent of map \"{}\" has {} values, the map {} x {}", map.name,
                                    map.data.size(), n, n));
        for (std::size_t s = 0; s < n * n; ++s) {
            if (!mask[s]) continue;
            if (!std::isfinite(map.data[s]))
                throw Error(
                    fmt::format("the cotangent of map \"{}\" is not finite in spaxel [iy][ix] = [{}][{}], which the "
                                "aperture keeps",
                                map.name, s / n, s % n));
            if (member != nullptr) out[s].*member += double(map.data[s]);
        }
    }
    return out;
}

MapsDerivative::MapsDerivative(Host exec, const BinnedStars& stars, const KnotTable& table, Doppler doppler,
                               double redshift, const WavelengthGrid& grid, std::size_t n, std::size_t pad,
                               std::span<const std::uint8_t> mask)
    : stars_(stars),
      table_(table),
      doppler_(doppler),
      n_(n),
      pad_(pad),
      mask_(mask.begin(), mask.end()),
      light_(bandLightTable(exec, table, grid, redshift)),
      sums_(stars.spaxel.size()) {
    const LibraryLimits limits = limitsOf(table);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 64)
    for (std::size_t s = 0; s < sums_.size(); ++s)
        for (std::size_t k = stars.start[s]; k < stars.start[s + 1]; ++k) {
            const MapStar star = starOf(stars.stars[k]);
            sums_[s].add(stars.stars[k], star.light, star.velocity, limits);
        }
}

MapStar MapsDerivative::starOf(const StarRecord& r) const {
    return {double(r.mass), bandLight(light_.axes, light_.light.data(), r), double(r.age), double(r.metallicity),
            velocityOfShift(double(r.shift), doppler_)};
}

std::size_t MapsDerivative::fieldSpaxel(std::size_t lit) const {
    const std::size_t side = n_ + 2 * pad_, s = stars_.spaxel[lit];
    const std::size_t x = s % side - pad_, y = s / side - pad_;  // wraps to a huge number left of the field
    return x < n_ && y < n_ && mask_[y * n_ + x] ? y * n_ + x : none;
}

void MapsDerivative::adjoint(Host exec, const std::vector<SpaxelMoments>& mapsBar, StarRecordBar* bar,
                             PieceBar* direct) const {
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 64)
    for (std::size_t s = 0; s < sums_.size(); ++s) {
        const std::size_t at = fieldSpaxel(s);
        if (at == none) continue;
        for (std::size_t k = stars_.start[s]; k < stars_.start[s + 1]; ++k) {
            const StarRecord& r = stars_.stars[k];
            const MapStar star = starOf(r);
            MapStar starBar;
            mapsAdjoint(sums_[s], star, starBar, mapsBar[at]);
            double massBar = starBar.mass, ageBar = 0, zBar = 0, shiftBar = 0;
            bandLightAdjoint(light_.axes, light_.light.data(), r, massBar, ageBar, zBar, shiftBar, starBar.light);
            bar[k].mass += float(massBar);
            bar[k].ageFraction += float(ageBar);
            bar[k].zFraction += float(zBar);
            bar[k].shift += float(shiftBar);
            direct[k].logAge += float(starBar.age * star.age * ln10);
            direct[k].metallicity += float(starBar.metallicity);
            direct[k].velocity += float(starBar.velocity);
        }
    }
}

std::vector<Map> MapsDerivative::tangent(Host exec, const StarRecordBar* dot, const PieceBar* direct) const {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<Map> out;
    for (const auto& [name, member] : members) out.push_back({name, "", std::vector<float>(n_ * n_, nan)});
    for (std::size_t p = 0; p < n_ * n_; ++p)
        if (mask_[p]) out[0].data[p] = 0;  // mass, where there are no stars
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 64)
    for (std::size_t s = 0; s < sums_.size(); ++s) {
        const std::size_t at = fieldSpaxel(s);
        if (at == none) continue;
        double sum[std::size(members)] = {};
        for (std::size_t k = stars_.start[s]; k < stars_.start[s + 1]; ++k) {
            const StarRecord& r = stars_.stars[k];
            const MapStar star = starOf(r);
            double mass = 0, age = 0, z = 0, shift = 0;
            bandLightAdjoint(light_.axes, light_.light.data(), r, mass, age, z, shift, 1.0);
            const double light = mass * double(dot[k].mass) + age * double(dot[k].ageFraction) +
                                 z * double(dot[k].zFraction) + shift * double(dot[k].shift);
            for (std::size_t m = 0; m < std::size(members); ++m) {
                SpaxelMoments one;
                one.*members[m].second = 1;
                MapStar slope;
                mapsAdjoint(sums_[s], star, slope, one);
                sum[m] += slope.mass * double(dot[k].mass) + slope.light * light +
                          slope.age * star.age * ln10 * double(direct[k].logAge) +
                          slope.metallicity * double(direct[k].metallicity) +
                          slope.velocity * double(direct[k].velocity);
            }
        }
        for (std::size_t m = 0; m < std::size(members); ++m)
            if (m == 0 || (m < 4 ? sums_[s].mass : sums_[s].light) > 0) out[m].data[at] = float(sum[m]);
    }
    return out;
}

}  // namespace tessera
