#include "run_galaxy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "tessera/centre.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

Galaxy readGalaxy(const RunPlan& plan, const Subhalo& subhalo) {
    Galaxy g;
    g.input.subhalo = subhalo;
    g.input.boxSize = plan.snapshot->info().boxSize;
    const std::uint64_t fewest = plan.config.galaxies.minStars;
    const auto tooFew = [&](std::uint64_t n) {
        if (n < fewest)
            g.skipped = fmt::format("skipped: {} stars, fewer than {}", n, fewest);
        else if (n == 0 && plan.named)
            throw Error(fmt::format("subhalo {}: has no stars", subhalo.id));
        else if (n == 0)
            g.skipped = "skipped: no stars";
        return !g.skipped.empty();
    };
    if (tooFew(subhalo.stars.count)) return g;
    try {
        g.stars = plan.snapshot->readStars(subhalo.stars);
    } catch (const Error& e) {
        throw Error(fmt::format("subhalo {}: {}", subhalo.id, e.what()), e.where());
    }
    if (tooFew(g.stars.size())) return g;  // wind particles are gone now
    for (const float m : g.stars.mass) g.mass += m;
    if (plan.config.galaxies.centre)
        g.input.centre = *plan.config.galaxies.centre * plan.snapshot->info().lengthUnit;
    else
        g.input.centre = subhalo.position ? *subhalo.position : densestPoint(g.stars);
    return g;
}

Galaxy tryToReadGalaxy(const RunPlan& plan, const Subhalo& subhalo) {
    std::string reason;
    try {
        return readGalaxy(plan, subhalo);
    } catch (const ConfigError&) {
        throw;
    } catch (const Error& e) {
        reason = e.what();
    } catch (const std::bad_alloc&) {
        reason = outOfMemory;
    }
    Galaxy g;
    g.input.subhalo = subhalo;
    g.skipped = failedStatus(subhalo, reason);
    return g;
}

std::string failedStatus(const Subhalo& subhalo, std::string reason) {
    // Text of the catalogue is as long as its longest row.
    constexpr std::size_t most = 300;
    if (const std::string name = fmt::format("subhalo {}: ", subhalo.id); reason.starts_with(name))
        reason.erase(0, name.size());
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    if (reason.size() > most) {
        std::size_t end = most;
        while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0) == 0x80) --end;  // inside a UTF-8 character
        reason = reason.substr(0, end) + "...";
    }
    return "failed: " + reason;
}

}  // namespace tessera
