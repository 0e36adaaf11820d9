#include "run_galaxy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <span>

#include "progress.hpp"
#include "stages/blocks.hpp"
#include "team.hpp"
#include "tessera/centre.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

Stars readRows(const RunPlan& plan, const Subhalo& subhalo, const Share& share) {
    try {
        if (!plan.neighbours.empty()) return plan.snapshot->readStars(plan.partOf(share.galaxy, share.rows));
        return plan.snapshot->readStars({subhalo.stars.first + share.rows.first, share.rows.count});
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

}  // namespace

Galaxy GalaxyReader::begin(const Share& share) const {
    const Subhalo& subhalo = plan_.galaxies.at(share.galaxy);
    Galaxy g;
    g.input.subhalo = subhalo;
    g.input.boxSize = plan_.snapshot->info().boxSize;
    if (!plan_.neighbours.empty()) {
        const std::uint64_t own = subhalo.stars.count, before = std::min(own, share.rows.first);
        g.input.field = FieldStars{std::min(own - before, share.rows.count), plan_.config.galaxies.depth};
    }
    if (const auto cut = plan_.skipped.find(subhalo.id); cut != plan_.skipped.end())
        g.skipped = cut->second;
    else
        checkNumber(g, subhalo.stars.count, plan_, strict_);
    const auto allowed = double(plan_.config.resources.memoryPerRank), needed = plan_.leastBytes(share.rows.count);
    if (g.skipped.empty() && allowed > 0 && needed > allowed) {
        const std::string reason = fmt::format(
            "{} stars and a cube need {} of memory at least, and resources.memory_per_rank allows {}: allow more, use "
            "more "
            "ranks (resources.split_from), or a smaller telescope.fov",
            share.rows.count, bytesText(needed), bytesText(allowed));
        if (strict_) throw Error(fmt::format("subhalo {}: {}", subhalo.id, reason));
        g.skipped = failedStatus(subhalo, reason);
    }
    return g;
}

// Shares from `place` on that lie close together: little is read in vain, and not much at once.
std::size_t GalaxyReader::endOfBatch(std::size_t place) const {
    constexpr std::uint64_t gapPercent = 10;
    std::uint64_t wanted = 0, from = 0, to = 0;
    std::size_t end = place;
    if (!plan_.neighbours.empty()) return end;  // their stars lie in many places
    for (; end < shares_.size(); ++end) {
        const Share& share = shares_[end];
        const ParticleRange& rows = plan_.galaxies.at(share.galaxy).stars;
        if (!share.alone() || plan_.skipped.contains(plan_.galaxies[share.galaxy].id)) break;
        if (end == place) from = to = rows.first;
        wanted += rows.count;
        const std::uint64_t all = rows.first + rows.count - from;
        if (rows.first < to || all > mostRowsAtOnce || all - wanted > gapPercent * wanted / 100) break;
        to = rows.first + rows.count;
    }
    return end;
}

// What is wrong with one of them shows when it is read by itself.
void GalaxyReader::readBatch(std::size_t place) {
    const std::size_t end = endOfBatch(place);
    tried_ = std::max(end, place + 1);
    if (end < place + 2) return;
    const std::uint64_t first = plan_.galaxies[shares_[place].galaxy].stars.first;
    const ParticleRange& last = plan_.galaxies[shares_[end - 1].galaxy].stars;
    try {
        const Stars all = plan_.snapshot->readStars({first, last.first + last.count - first});
        for (std::size_t i = place; i < end; ++i) {
            const ParticleRange& rows = plan_.galaxies[shares_[i].galaxy].stars;
            waiting_.emplace(i, sliceRows(all, rows.first - first, rows.count));
        }
    } catch (const Error&) {
        waiting_.clear();
    } catch (const std::bad_alloc&) {
        waiting_.clear();
    }
}

Galaxy GalaxyReader::read(std::size_t place) {
    const Share& share = shares_[place];
    Galaxy g = begin(share);
    if (!g.skipped.empty()) return g;
    if (place >= tried_) readBatch(place);
    g.rows = share.rows.count;
    if (auto known = waiting_.extract(place)) {
        g.stars = std::move(known.mapped());
        return g;
    }
    try {
        g.stars = readRows(plan_, g.input.subhalo, share);
    } catch (const ConfigError&) {
        throw;
    } catch (const Error& e) {
        if (strict_) throw;
        g.skipped = failedStatus(g.input.subhalo, e.what());
    } catch (const std::bad_alloc&) {
        if (strict_) throw;
        g.skipped = failedStatus(g.input.subhalo, outOfMemory);
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
    const Stars copied = g.input.field ? sliceRows(g.stars, 0, g.input.field->ownRows) : Stars();
    const Stars& own = g.input.field ? copied : g.stars;
    std::array<std::uint64_t, 2> counts{own.size(), own.windRows.size()};
    comm.sum(counts.data(), counts.size());
    g.nStars = counts[0];
    g.nWind = counts[1];
    checkNumber(g, g.nStars, plan, strict);  // wind particles are gone now
    if (!g.skipped.empty()) return;
    const Gather gather =
        comm.size() == 1 ? Gather()
                         : Gather([&](const Gather::Values& v) { return comm.gatherAll(std::span<const double>(v)); });
    g.mass = sumBlocks<Amount>(Host{plan.config.resources.threads}, rowBlocks(own), gather, [&](std::size_t i) {
                 return Amount{own.mass[i]};
             }).value;
    const Subhalo& subhalo = g.input.subhalo;
    if (plan.config.galaxies.centre)
        g.input.centre = *plan.config.galaxies.centre * plan.snapshot->info().lengthUnit;
    else
        g.input.centre = subhalo.position ? *subhalo.position : densestPoint(own, gather);
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
