#include "totals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "config/suggest.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

using nlohmann::json;

namespace {

// Box, chunks, cosmology and the mass of a gas cell: Nelson et al. (2019, ComAC 6, 2). Numbers of stars are not in it:
// V rho / m, with rho = 4e8 Msun/Mpc^3 of stars in all (2.8e8 in TNG300, whose resolution forms 1.4 times fewer: Pillepich
// et al. 2018, MNRAS 475, 648; observed: Madau & Dickinson 2014, ARA&A 52, 415) and m = 0.65 gas cells, what a star
// particle is left with. An assumption, good to a factor of two; so are the mass functions.
constexpr const char* assumed =
    "box, chunks and particle masses: Nelson et al. 2019; star particles: assumed from a density of stars of {} "
    "Msun/Mpc^3; "
    "subhalos: assumed; mass function: assumed, a knee at 6e10 Msun";

SnapshotTotals totalsOf(const std::string& name, double box, std::uint64_t chunks, double cellMass, double density,
                        double largestMass, std::uint64_t subhalos) {
    SnapshotTotals t;
    t.name = name;
    t.boxSize = box;
    t.chunks = chunks;
    t.starMass = 0.65 * cellMass;
    t.stars = std::uint64_t(std::round(density * std::pow(box / t.h * 1e-3, 3) / t.starMass));
    t.subhalos = subhalos;
    t.knee = 6e10 / t.starMass;
    t.largest = largestMass / t.starMass;
    t.source = fmt::format(fmt::runtime(assumed), density);
    return t;
}

// The mass function and its inverse.
class MassFunction {
public:
    explicit MassFunction(const SnapshotTotals& t)
        : low_{t.slope, t.knee}, high_{t.slopeAbove, t.knee}, fewest_(t.fewest), knee_(t.knee), largest_(t.largest) {
        knee_ = std::clamp(knee_, fewest_, largest_);
        const double sum = low_.stars(fewest_, knee_) + high_.stars(knee_, largest_);
        norm_ = double(t.stars) * t.inSubhalos / sum;
    }
    double galaxies() const { return above(fewest_); }
    // n where so many galaxies have more.
    double starsAt(double rank) const {
        double low = std::log(fewest_), high = std::log(largest_);
        for (int i = 0; i < 40; ++i) {
            const double middle = 0.5 * (low + high);
            (above(std::exp(middle)) > rank ? low : high) = middle;
        }
        return std::exp(0.5 * (low + high));
    }

private:
    struct Power {
        double slope, knee;
        // Integrals of (n/k)^-slope and n (n/k)^-slope.
        double number(double a, double b) const { return moment(a, b, 1 - slope); }
        double stars(double a, double b) const { return moment(a, b, 2 - slope); }
        double moment(double a, double b, double p) const {
            if (b <= a) return 0;
            return std::pow(knee, slope) *
                   (std::fabs(p) < 1e-9 ? std::log(b / a) : (std::pow(b, p) - std::pow(a, p)) / p);
        }
    };
    double above(double n) const {
        return norm_ * (low_.number(n, knee_) + high_.number(std::max(n, knee_), largest_));
    }

    Power low_, high_;
    double fewest_, knee_, largest_, norm_ = 1;
};

class TotalsSnapshot : public Snapshot {
public:
    explicit TotalsSnapshot(const SnapshotTotals& t) : starMass_(t.starMass) {
        info_.path = t.name;
        info_.format = "totals";
        info_.simulation = t.name;
        info_.number = t.number;
        info_.redshift = t.redshift;
        info_.scaleFactor = 1 / (1 + t.redshift);
        info_.h = t.h;
        info_.omegaM = t.omegaM;
        info_.omegaL = t.omegaL;
        info_.hasCosmology = true;
        info_.lengthUnit = info_.scaleFactor / t.h;
        info_.boxSize = t.boxSize * info_.lengthUnit;
        info_.numStars = t.stars;
        info_.chunks = t.chunks;
        info_.starBytes = t.starBytes;
        info_.notes.push_back(
            fmt::format("no files: galaxies are drawn up from totals ({})", t.source.empty() ? "given" : t.source));
        const MassFunction function(t);
        const double count = function.galaxies();
        if (count > mostGalaxies)
            throw ConfigError(fmt::format("{}: its mass function has {:.3g} galaxies, more than {:g}: a larger fewest",
                                          t.name, count, mostGalaxies));
        const auto n = std::size_t(std::max(1.0, std::round(count)));
        starts_.reserve(n + 1);
        starts_.push_back(0);
        for (std::size_t j = 0; j < n; ++j) {
            const double stars = std::max(1.0, std::round(function.starsAt(double(j) + 0.5)));
            starts_.push_back(std::min(t.stars, starts_.back() + std::uint64_t(stars)));
        }
        info_.numSubhalos = std::int64_t(std::max<std::uint64_t>(n, t.subhalos));
    }

    const SnapshotInfo& info() const override { return info_; }
    std::vector<std::int64_t> subhalos() const override {  // those with stars
        std::vector<std::int64_t> ids(starts_.size() - 1);
        std::iota(ids.begin(), ids.end(), 0);
        return ids;
    }
    Subhalo subhalo(std::int64_t id) const override {
        if (id < 0 || id >= info_.numSubhalos)
            throw Error(fmt::format("{}: has subhalos 0 to {}, not {}", info_.path, info_.numSubhalos - 1, id));
        const std::size_t i = std::min(std::size_t(id), starts_.size() - 1);
        const std::uint64_t end = starts_[std::min(i + 1, starts_.size() - 1)];
        Subhalo s;
        s.id = id;
        s.stars = {starts_[i], end - starts_[i]};
        s.stellarMass = starMass_ * double(s.stars.count);
        return s;
    }
    Stars readStars(ParticleRange) const override { throw noFiles(); }
    Gas readGas(ParticleRange) const override { throw noFiles(); }

private:
    static constexpr double mostGalaxies = 1e8;
    Error noFiles() const { return Error(info_.path + ": only its totals are known, it has no particles"); }

    SnapshotInfo info_;
    double starMass_;
    std::vector<std::uint64_t> starts_;  // first row of each galaxy with stars, and the end
};

}  // namespace

SnapshotTotals knownTotals(const std::string& simulation) {
    const std::vector<SnapshotTotals> known{totalsOf("TNG50-1", 35000, 680, 8.5e4, 4e8, 1e12, 5'700'000),
                                            totalsOf("TNG100-1", 75000, 448, 1.4e6, 4e8, 3e12, 4'400'000),
                                            totalsOf("TNG300-1", 205000, 600, 1.1e7, 2.8e8, 1e13, 14'500'000)};
    std::vector<std::string> names;
    for (const SnapshotTotals& t : known) {
        if (t.name == simulation) return t;
        names.push_back(t.name);
    }
    throw ConfigError(
        fmt::format("plan: --simulation \"{}\" is not known; nearest: {}; known: TNG50-1, TNG100-1, TNG300-1; "
                    "others by --totals FILE.json",
                    simulation, nearestName(simulation, names)));
}

SnapshotTotals readTotals(const std::string& path, SnapshotTotals t) {
    std::ifstream file(path);
    if (!file) throw ConfigError(fmt::format("plan: --totals {}: cannot be read", path));
    json j;
    try {
        j = json::parse(file, nullptr, true, true);
    } catch (const json::exception& e) {
        throw ConfigError(fmt::format("plan: --totals {}: not JSON: {}", path, e.what()));
    }
    if (!j.is_object()) throw ConfigError(fmt::format("plan: --totals {}: not a JSON object", path));
    if (t.name.empty()) t.name = path;

    using Set = std::function<void(const json&)>;
    std::vector<std::pair<std::string, Set>> keys;
    const auto fail = [&](const std::string& key, const json& value, const std::string& allowed) {
        throw ConfigError(fmt::format("plan: --totals {}: {} is {}, allowed: {}", path, key, value.dump(), allowed));
    };
    const auto number = [&](const char* key, double& to, double least, double most) {
        keys.emplace_back(key, [&to, key, least, most, &fail](const json& v) {
            if (!v.is_number() || !(v.get<double>() >= least && v.get<double>() <= most))
                fail(key, v, fmt::format("a number from {:g} to {:g}", least, most));
            to = v.get<double>();
        });
    };
    const auto whole = [&](const char* key, std::uint64_t& to, double least) {
        keys.emplace_back(key, [&to, key, least, &fail](const json& v) {
            if (!v.is_number() || !(v.get<double>() >= least && v.get<double>() <= 1e15))
                fail(key, v, fmt::format("a whole number from {:g} to 1e15", least));
            to = std::uint64_t(v.get<double>());
        });
    };
    const auto text = [&](const char* key, std::string& to) {
        keys.emplace_back(key, [&to, key, &fail](const json& v) {
            if (!v.is_string()) fail(key, v, "text");
            to = v.get<std::string>();
        });
    };
    double number_ = t.number;
    text("name", t.name);
    text("source", t.source);
    number("number", number_, 0, 1e6);
    whole("stars", t.stars, 1);
    whole("subhalos", t.subhalos, 0);
    whole("chunks", t.chunks, 1);
    number("box_size", t.boxSize, 0, 1e9);
    number("redshift", t.redshift, 0, 100);
    number("h", t.h, 0.1, 2);
    number("omega_m", t.omegaM, 0, 2);
    number("omega_l", t.omegaL, 0, 2);
    number("star_bytes", t.starBytes, 1, 1e4);
    number("star_mass", t.starMass, 1e-3, 1e12);
    number("in_subhalos", t.inSubhalos, 1e-6, 1);
    number("largest", t.largest, 1, 1e15);
    number("fewest", t.fewest, 1, 1e15);
    number("knee", t.knee, 1e-6, 1e15);
    number("slope", t.slope, -5, 10);
    number("slope_above", t.slopeAbove, -5, 10);
    std::vector<std::string> names;
    for (const auto& [key, set] : keys) names.push_back(key);
    for (const auto& [key, value] : j.items()) {
        const auto at =
            std::find_if(keys.begin(), keys.end(), [&, &name = key](const auto& k) { return k.first == name; });
        if (at == keys.end())
            throw ConfigError(
                fmt::format("plan: --totals {}: unknown key \"{}\"; nearest: {}", path, key, nearestName(key, names)));
        at->second(value);
    }
    t.number = int(number_);
    if (t.stars == 0) throw ConfigError(fmt::format("plan: --totals {}: stars, their number, is missing", path));
    if (!(t.fewest < t.largest))
        throw ConfigError(
            fmt::format("plan: --totals {}: fewest ({:g}) is not below largest ({:g})", path, t.fewest, t.largest));
    return t;
}

std::unique_ptr<Snapshot> snapshotOf(const SnapshotTotals& totals) {
    return std::make_unique<TotalsSnapshot>(totals);
}

}  // namespace tessera
