#include "team.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// What the spectrum of a spaxel costs beside its stars, in stars.
constexpr double spaxelCost = 100;

// Contiguous ranges of spaxels of about equal cost: first of each rank, and the end.
std::vector<std::size_t> cutSpaxels(const std::vector<std::uint64_t>& stars, std::size_t ranks) {
    double total = 0;
    const auto cost = [&](std::size_t s) { return stars[s] > 0 ? double(stars[s]) + spaxelCost : 0; };
    for (std::size_t s = 0; s < stars.size(); ++s) total += cost(s);
    std::vector<std::size_t> first(ranks + 1, stars.size());
    first[0] = 0;
    double sum = 0;
    std::size_t rank = 1;
    for (std::size_t s = 0; s < stars.size() && rank < ranks; ++s) {
        // A cut lies before the spaxel in whose first half it falls.
        while (rank < ranks && sum + 0.5 * cost(s) >= total * double(rank) / double(ranks)) first[rank++] = s;
        sum += cost(s);
    }
    return first;
}

// Where the stars of a rank in a spaxel begin in what arrived: by rank, then by spaxel.
std::vector<std::uint64_t> placesOf(const Buffer<std::uint32_t>& each) {
    std::vector<std::uint64_t> from(each.size());
    std::uint64_t place = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
        from[i] = place;
        place += each[i];
    }
    return from;
}

}  // namespace

Gather gatherOver(const Comm& comm) {
    if (comm.size() == 1) return {};
    return Gather([&comm](const Gather::Values& mine) { return comm.gatherAll(std::span<const double>(mine)); });
}

std::uint64_t Team::total(std::uint64_t mine) const {
    if (!alone()) comm_.sum(&mine, 1);
    return mine;
}

bool Team::any(bool mine) const {
    return total(mine) > 0;
}

std::uint64_t Team::least(std::uint64_t mine) const {
    if (alone()) return mine;
    const std::vector<std::uint64_t> all = comm_.gatherAll(std::span<const std::uint64_t>(&mine, 1));
    return *std::min_element(all.begin(), all.end());
}

std::uint64_t Team::before(std::uint64_t mine) const {
    if (alone()) return 0;
    const std::vector<std::uint64_t> all = comm_.gatherAll(std::span<const std::uint64_t>(&mine, 1));
    return std::accumulate(all.begin(), all.begin() + comm_.rank(), std::uint64_t(0));
}

std::array<float, 2> Team::range(float low, float high) const {
    if (alone()) return {low, high};
    const std::array<float, 2> mine{low, high};
    const std::vector<float> all = comm_.gatherAll(std::span<const float>(mine));
    for (std::size_t i = 0; i < all.size(); i += 2) {
        low = std::min(low, all[i]);
        high = std::max(high, all[i + 1]);
    }
    return {low, high};
}

void Team::combineShifts(Projected& p) const {
    if (alone()) return;
    const bool some = p.inside > 0;
    const auto [low, high] = range(some ? p.shiftMin : INFINITY, some ? p.shiftMax : -INFINITY);
    p.shiftMin = low <= high ? low : 0;
    p.shiftMax = low <= high ? high : 0;
}

void Team::agree(KnotTable& table) const {
    if (alone()) return;
    std::array<double, 2> values{table.nodeStep, table.starsPerNode};
    comm_.broadcast(values.data(), values.size());
    table.nodeStep = values[0];
    table.starsPerNode = values[1];
}

StarMoves Team::moves(const std::vector<std::uint32_t>& own) {
    const std::size_t spaxels = own.size(), ranks = std::size_t(comm_.size()), rank = std::size_t(comm_.rank());
    StarMoves m;
    m.total.assign(own.begin(), own.end());
    comm_.sum(m.total.data(), spaxels);
    first_ = cutSpaxels(m.total, ranks);
    m.firstSpaxel = first_[rank];
    std::vector<std::uint64_t> spaxelsOf(ranks), received;
    for (std::size_t r = 0; r < ranks; ++r) {
        spaxelsOf[r] = first_[r + 1] - first_[r];
        m.send.push_back(std::accumulate(own.begin() + std::ptrdiff_t(first_[r]),
                                         own.begin() + std::ptrdiff_t(first_[r + 1]), std::uint64_t(0)));
    }
    m.mySpaxels = spaxelsOf[rank];
    m.each = comm_.exchange(own.data(), spaxelsOf, received);
    for (std::size_t r = 0; r < ranks; ++r) {
        const std::uint32_t* const from = m.each.data() + r * m.mySpaxels;
        m.receive.push_back(std::accumulate(from, from + m.mySpaxels, std::uint64_t(0)));
    }
    return m;
}

BinnedStars Team::shareSpaxels(Host exec, BinnedStars&& part) {
    if (alone()) return std::move(part);
    const std::size_t spaxels = part.start.size() - 1, ranks = std::size_t(comm_.size());
    std::vector<std::uint32_t> own(spaxels);
    for (std::size_t s = 0; s < spaxels; ++s) own[s] = narrow<std::uint32_t>(part.start[s + 1] - part.start[s]);
    StarMoves m = moves(own);
    // Records lie in the order of their spaxels, so what goes to one rank lies together.
    std::vector<std::uint64_t> received;
    const Buffer<StarRecord> arrived = comm_.exchange(part.stars.data(), m.send, received);
    each_ = std::move(m.each);

    const std::size_t first = m.firstSpaxel, mySpaxels = m.mySpaxels;
    BinnedStars all;
    all.stars = std::move(part.stars);
    all.stars.reshape(arrived.size());
    all.start = std::move(part.start);
    std::uint64_t sum = 0;
    for (std::size_t s = 0; s < spaxels; ++s) {
        all.start[s] = sum;
        if (s >= first && s < first + mySpaxels) sum += m.total[s];
    }
    all.start[spaxels] = sum;
    const std::vector<std::uint64_t> from = placesOf(each_);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < mySpaxels; ++s) {
        StarRecord* to = all.stars.data() + all.start[first + s];
        for (std::size_t r = 0; r < ranks; ++r) {
            const std::size_t n = each_[r * mySpaxels + s];
            std::copy_n(arrived.data() + from[r * mySpaxels + s], n, to);
            to += n;
        }
    }
    return all;
}

Buffer<PieceBar> Team::giveBack(Host exec, const Buffer<PieceBar>& mine) const {
    const std::size_t ranks = std::size_t(comm_.size()), mySpaxels = each_.size() / ranks;
    const std::vector<std::uint64_t> from = placesOf(each_);
    std::vector<std::uint64_t> counts(ranks, 0), start(mySpaxels + 1, 0), received;
    for (std::size_t i = 0; i < each_.size(); ++i) {
        counts[i / mySpaxels] += each_[i];
        start[i % mySpaxels + 1] += each_[i];
    }
    for (std::size_t s = 0; s < mySpaxels; ++s) start[s + 1] += start[s];
    expects(mine.size() == start.back(), "a value for each of the stars of this rank's spaxels");
    Buffer<PieceBar> leaving(mine.size());
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < mySpaxels; ++s) {
        const PieceBar* at = mine.data() + start[s];
        for (std::size_t r = 0; r < ranks; ++r) {
            const std::size_t n = each_[r * mySpaxels + s];
            std::copy_n(at, n, leaving.data() + from[r * mySpaxels + s]);
            at += n;
        }
    }
    return comm_.exchange(leaving.data(), counts, received);
}

// The part of the padded spaxels' range [first, end) that lies in the field, as spaxels of the field: order is the same.
std::vector<std::size_t> Team::fieldRows(std::size_t n, std::size_t pad) const {
    const std::size_t side = n + 2 * pad;
    std::vector<std::size_t> out;
    for (const std::size_t s : first_) {
        const std::size_t y = s / side, x = s % side;
        if (y < pad)
            out.push_back(0);
        else if (y >= pad + n)
            out.push_back(n * n);
        else
            out.push_back((y - pad) * n + std::min(x > pad ? x - pad : 0, n));
    }
    return out;
}

std::vector<std::uint8_t> Team::mine(std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask) const {
    std::vector<std::uint8_t> out(mask.begin(), mask.end());
    if (alone()) return out;
    const std::vector<std::size_t> rows = fieldRows(n, pad);
    const auto rank = std::size_t(comm_.rank());
    std::fill(out.begin(), out.begin() + std::ptrdiff_t(rows[rank]), std::uint8_t(0));
    std::fill(out.begin() + std::ptrdiff_t(rows[rank + 1]), out.end(), std::uint8_t(0));
    return out;
}

Team::Rows Team::rowsOf(std::size_t n, std::size_t pad) const {
    const std::vector<std::size_t> rows = fieldRows(n, pad);
    Rows out{rows[std::size_t(comm_.rank())], {}};
    for (std::size_t r = 0; r + 1 < rows.size(); ++r) out.counts.push_back(rows[r + 1] - rows[r]);
    return out;
}

void Team::collectSums(std::size_t n, std::size_t pad, std::vector<SpaxelSums>& sums) const {
    if (alone()) return;
    const Rows rows = rowsOf(n, pad);
    comm_.collect(sums.data() + rows.first, sums.data(), rows.counts);
}

void Team::collectMaps(std::size_t n, std::size_t pad, MapResult& m) const {
    if (alone()) return;
    const Rows rows = rowsOf(n, pad);
    for (Map& map : m.maps) comm_.collect(map.data.data() + rows.first, map.data.data(), rows.counts);
    collectSums(n, pad, m.sums);
}

std::vector<std::uint32_t> Team::collectLit(const std::vector<std::uint32_t>& mine) {
    if (alone()) return mine;
    const std::uint64_t count = mine.size();
    lit_ = comm_.gatherAll(std::span<const std::uint64_t>(&count, 1));
    return comm_.gatherAll(std::span<const std::uint32_t>(mine));
}

std::uint64_t Team::allLit(std::uint64_t mine) const {
    if (alone()) return mine;
    std::uint64_t sum = 0;
    for (const std::uint64_t n : lit_) sum += n;
    return sum;
}

void Team::collectSpectra(const float* mine, std::size_t stride, float* out) const {
    if (alone()) return;
    std::vector<std::uint64_t> counts(lit_);
    for (std::uint64_t& n : counts) n *= stride;
    comm_.collect(mine, out, counts);
}

}  // namespace tessera
