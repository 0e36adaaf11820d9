#include "run_galaxy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <span>

#include "stages/blocks.hpp"
#include "tessera/centre.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

Stars readRows(const RunPlan& plan, const Subhalo& subhalo, const ParticleRange& rows) {
    try {
        return plan.snapshot->readStars({subhalo.stars.first + rows.first, rows.count});
    } catch (const Error& e) {
        throw Error(fmt::format("subhalo {}: {}", subhalo.id, e.what()), e.where());
    }
}

void checkNumber(Galaxy& g, std::uint64_t stars, const RunPlan& plan, bool strict) {
    const std::uint64_t fewest = plan.config.galaxies.minStars;
    const std::int64_t id = g.input.subhalo.id;
    if (stars < fewest)
        g.skipped = fmt::format("skipped: {} stars, fewer than {}", stars, fewest);
    else if (stars == 0 && plan.named && strict)
        throw Error(fmt::format("subhalo {}: has no stars", id));
    else if (stars == 0)
        g.skipped = plan.named ? "failed: has no stars" : "skipped: no stars";
}

struct Mass {
    double value = 0;
    Mass& operator+=(const Mass& o) {
        value += o.value;
        return *this;
    }
};

}  // namespace

Galaxy readGalaxy(const RunPlan& plan, const Share& share, bool strict) {
    const Subhalo& subhalo = plan.galaxies.at(share.galaxy);
    Galaxy g;
    g.input.subhalo = subhalo;
    g.input.boxSize = plan.snapshot->info().boxSize;
    if (const auto cut = plan.skipped.find(subhalo.id); cut != plan.skipped.end())
        g.skipped = cut->second;
    else
        checkNumber(g, subhalo.stars.count, plan, strict);
    if (!g.skipped.empty()) return g;
    try {
        g.stars = readRows(plan, subhalo, share.rows);
        g.rows = share.rows.count;
    } catch (const ConfigError&) {
        throw;
    } catch (const Error& e) {
        if (strict) throw;
        g.skipped = failedStatus(subhalo, e.what());
    } catch (const std::bad_alloc&) {
        if (strict) throw;
        g.skipped = failedStatus(subhalo, outOfMemory);
    }
    return g;
}

void completeGalaxy(Galaxy& g, const RunPlan& plan, const Comm& comm, bool strict) {
    // A fault that one of them found is everyone's; of several, the first.
    const std::string mine = g.skipped.empty() ? std::string() : g.skipped + '\n';
    const std::vector<char> all = comm.gatherAll(std::span<const char>(mine));
    if (!all.empty()) {
        g.skipped.assign(all.begin(), std::find(all.begin(), all.end(), '\n'));
        return;
    }
    std::array<std::uint64_t, 2> counts{g.stars.size(), g.stars.windRows.size()};
    comm.sum(counts.data(), counts.size());
    g.nStars = counts[0];
    g.nWind = counts[1];
    checkNumber(g, g.nStars, plan, strict);  // wind particles are gone now
    if (!g.skipped.empty()) return;
    const Gather gather =
        comm.size() == 1 ? Gather()
                         : Gather([&](const Gather::Values& v) { return comm.gatherAll(std::span<const double>(v)); });
    g.mass = sumBlocks<Mass>(Host{plan.config.resources.threads}, rowBlocks(g.stars), gather, [&](std::size_t i) {
                 return Mass{g.stars.mass[i]};
             }).value;
    const Subhalo& subhalo = g.input.subhalo;
    if (plan.config.galaxies.centre)
        g.input.centre = *plan.config.galaxies.centre * plan.snapshot->info().lengthUnit;
    else
        g.input.centre = subhalo.position ? *subhalo.position : densestPoint(g.stars, gather);
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
