#include "run_galaxy.hpp"

#include <fmt/format.h>

#include "tessera/centre.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

Galaxy readGalaxy(const RunPlan& plan, const Subhalo& subhalo) {
    Galaxy g;
    g.input.subhalo = subhalo;
    g.input.boxSize = plan.snapshot->info().boxSize;
    if (const auto cut = plan.skipped.find(subhalo.id); cut != plan.skipped.end()) {
        g.skipped = cut->second;
        return g;
    }
    const auto none = [&] {
        if (plan.named) throw Error(fmt::format("subhalo {}: has no stars", subhalo.id));
        g.skipped = "skipped: no stars";
    };
    if (subhalo.stars.count == 0) {
        none();
        return g;
    }
    try {
        g.stars = plan.snapshot->readStars(subhalo.stars);
    } catch (const Error& e) {
        throw Error(fmt::format("subhalo {}: {}", subhalo.id, e.what()), e.where());
    }
    if (g.stars.size() == 0) none();
    const std::uint64_t fewest = plan.config.galaxies.minStars;
    if (g.stars.size() < fewest)  // wind particles are gone now
        g.skipped = fmt::format("skipped: {} stars, fewer than {}", g.stars.size(), fewest);
    if (!g.skipped.empty()) return g;
    for (const float m : g.stars.mass) g.mass += m;
    if (plan.config.galaxies.centre)
        g.input.centre = *plan.config.galaxies.centre * plan.snapshot->info().lengthUnit;
    else
        g.input.centre = subhalo.position ? *subhalo.position : densestPoint(g.stars);
    return g;
}

}  // namespace tessera
