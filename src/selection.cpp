#include "selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "io/id_file.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

struct Fault {
    std::string kind;  // "stellar mass outside [1e9, inf] Msun": the same for all that it leaves out
    std::string text;  // with the galaxy's own value
};

// The cuts of a configuration on one galaxy after the other.
class Cuts {
public:
    Cuts(const Snapshot& snapshot, const GalaxiesConfig& config, bool named) : config_(config), named_(named) {
        path_ = snapshot.info().path;
        if (config.centrals) centrals_ = snapshot.centrals();
    }

    std::optional<Fault> operator()(const Subhalo& s) const {
        const std::uint64_t fewest = named_ ? config_.minStars : std::max<std::uint64_t>(1, config_.minStars);
        if (s.stars.count < fewest)
            return Fault{fmt::format("with fewer than {} stars", fewest),
                         fmt::format("{} stars, fewer than {}", s.stars.count, fewest)};
        if (!named_ && !s.cosmological) return Fault{"not of cosmological origin", ""};
        if (config_.centrals && !centrals_.at(std::size_t(s.id)))
            return Fault{"not central in their groups (galaxies.centrals)", "not the central subhalo of its group"};
        const struct {
            const std::optional<Interval>& allowed;
            const std::optional<double>& value;
            const char *name, *key, *field, *unit;
        } cuts[] = {{config_.stellarMass, s.stellarMass, "stellar mass", "stellar_mass", "SubhaloMassType", "Msun"},
                    {config_.sfr, s.sfr, "star formation rate", "star_formation_rate", "SubhaloSFR", "Msun/yr"},
                    {config_.halfMassRadius, s.halfMassRadius, "half-mass radius", "half_mass_radius",
                     "SubhaloHalfmassRadType", "kpc"}};
        for (const auto& cut : cuts) {
            if (!cut.allowed) continue;
            if (!cut.value)
                throw Error(fmt::format("{}: the catalogue gives no {} of subhalo {} ({}), which galaxies.{} asks for",
                                        path_, cut.name, s.id, cut.field, cut.key));
            if (cut.allowed->contains(*cut.value)) continue;
            const std::string range = fmt::format("{:g} to {:g} {}", cut.allowed->min, cut.allowed->max, cut.unit);
            return Fault{fmt::format("of {} outside {} (galaxies.{})", cut.name, range, cut.key),
                         fmt::format("{} {:.4g}, outside {}", cut.name, *cut.value, range)};
        }
        return {};
    }

private:
    const GalaxiesConfig& config_;
    bool named_;
    std::string path_;
    std::vector<bool> centrals_;
};

}  // namespace

std::string NamedGalaxies::origin(std::size_t i) const {
    return file.empty() ? "" : fmt::format("{} {} {}: ", file, unit, lines[i]);
}

NamedGalaxies namedGalaxies(const GalaxiesConfig& config) {
    if (config.file.empty()) return {config.subhalos, "", {}, ""};
    IdFile file = readIdFile(config.file);
    return {std::move(file.ids), config.file, std::move(file.places), file.unit};
}

Selection selectGalaxies(const Snapshot& snapshot, const GalaxiesConfig& config, const NamedGalaxies& named) {
    Selection out;
    const Cuts cuts(snapshot, config, !named.ids.empty());
    const auto finished = [&](Subhalo s) {
        if (config.particles == "group") {
            s.ownStars = s.stars;
            s.stars = snapshot.groupStars(s);
        }
        return s;
    };
    if (named.ids.empty()) {
        for (const std::int64_t id : snapshot.subhalos()) {
            Subhalo s = snapshot.subhalo(id);
            if (const auto fault = cuts(s))
                ++out.leftOut[fault->kind];
            else
                out.galaxies.push_back(finished(std::move(s)));
        }
        return out;
    }
    // Asked for in ascending order, in which catalogues are quick.
    std::vector<std::size_t> order(named.ids.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return named.ids[a] < named.ids[b]; });
    out.galaxies.resize(order.size());
    for (const std::size_t i : order) {
        try {
            Subhalo s = snapshot.subhalo(named.ids[i]);
            if (const auto fault = cuts(s)) out.skipped[i] = "skipped: " + fault->text;
            out.galaxies[i] = finished(std::move(s));
        } catch (const Error& e) {
            throw Error(named.origin(i) + e.what(), e.where());
        }
    }
    return out;
}

}  // namespace tessera
