#include "claims.hpp"

#include <algorithm>
#include <span>

#include "run_galaxy.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

std::uint32_t countAlone(const std::vector<Share>& shares) {
    return narrow<std::uint32_t>(std::count_if(shares.begin(), shares.end(), [](const Share& s) { return s.alone(); }));
}

}  // namespace

Claims::Claims(const RunPlan& plan, const Comm& world, const std::vector<std::vector<Share>>& shares)
    : plan_(plan),
      node_(world.onNode()),
      rank_(world.rank()),
      ranges_(node_, countAlone(shares.at(std::size_t(world.rank())))) {
    for (const Share& s : shares[std::size_t(rank_)])
        if (!s.alone()) together_.push_back(s);
    for (const int r : node_.gatherAll(std::span<const int>(&rank_, 1))) {
        std::vector<Share>& alone = alone_.emplace_back();
        std::vector<double>& before = costBefore_.emplace_back(1, 0.0);
        for (const Share& s : shares[std::size_t(r)]) {
            if (!s.alone()) continue;
            alone.push_back(s);
            before.push_back(before.back() + plan.costOf(s.galaxy));
        }
    }
}

// A fourth of what is left, so that the last ones are taken one by one; of few rows, as they are in memory together.
std::uint32_t Claims::howMany(int rank, WorkRanges::Range all, bool front) const {
    const std::uint32_t most = std::max(1U, all.size() / 4);
    std::uint64_t rows = 0;
    for (std::uint32_t n = 0; n < most; ++n) {
        const std::uint32_t at = front ? all.first + n : all.end - 1 - n;
        rows += alone_[std::size_t(rank)][at].rows.count;
        if (rows > GalaxyReader::mostRowsAtOnce) return std::max(1U, n);
    }
    return most;
}

std::vector<Share> Claims::sharesOf(int rank, WorkRanges::Range range) const {
    const auto from = alone_[std::size_t(rank)].begin();
    std::vector<Share> shares(from + range.first, from + range.end);
    for (Share& s : shares) s.firstRank = s.lastRank = rank_;
    return shares;
}

double Claims::cost(int rank, WorkRanges::Range range) const {
    const std::vector<double>& before = costBefore_[std::size_t(rank)];
    return before[range.end] - before[range.first];
}

std::vector<Share> Claims::next() {
    const auto own = ranges_.takeOwn([&](WorkRanges::Range all) { return howMany(node_.rank(), all, true); });
    if (own.size() > 0) return sharesOf(node_.rank(), own);
    while (!keepToOwn_) {
        const std::vector<WorkRanges::Range> left = ranges_.left();
        int most = 0;
        for (int r = 1; r < int(left.size()); ++r)
            if (cost(r, left[std::size_t(r)]) > cost(most, left[std::size_t(most)])) most = r;
        if (left[std::size_t(most)].size() == 0) return {};
        const auto taken = ranges_.takeFrom(most, [&](WorkRanges::Range all) { return howMany(most, all, false); });
        if (taken.size() > 0) return sharesOf(most, taken);
    }
    return {};
}

}  // namespace tessera
