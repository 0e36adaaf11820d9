// How galaxies are dealt to ranks: everything once, in order, equal in cost, and without chains of ranks that wait.
#include "deal.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <random>

using namespace tessera;

namespace {

std::vector<DealtGalaxy> galaxiesOf(const std::vector<std::uint64_t>& rows, double fixed = 2e5) {
    std::vector<DealtGalaxy> g;
    for (const std::uint64_t n : rows) g.push_back({n, 1, fixed, 0});
    return g;
}

double costOf(const std::vector<Share>& shares, const std::vector<DealtGalaxy>& galaxies, int rank) {
    double cost = 0;
    for (const Share& s : shares) {
        cost += double(s.rows.count) * galaxies[s.galaxy].perRow;
        if (s.firstRank == rank) cost += galaxies[s.galaxy].fixed;
    }
    return cost;
}

struct Dealt {
    std::vector<DealtGalaxy> galaxies;
    std::vector<std::vector<Share>> shares;
    double largest = 0, mean = 0;
    std::size_t shared = 0;
};

// Deals and checks everything that must hold whatever the galaxies.
Dealt dealt(const std::vector<DealtGalaxy>& galaxies, int ranks, std::uint64_t splitFrom) {
    Dealt d{galaxies, deal(galaxies, ranks, splitFrom), 0, 0, 0};
    REQUIRE(d.shares.size() == std::size_t(ranks));
    std::map<std::size_t, std::vector<std::pair<int, Share>>> of;
    for (int r = 0; r < ranks; ++r) {
        for (const Share& s : d.shares[std::size_t(r)]) of[s.galaxy].push_back({r, s});
        const double cost = costOf(d.shares[std::size_t(r)], galaxies, r);
        d.largest = std::max(d.largest, cost);
        d.mean += cost / ranks;
    }
    for (std::size_t g = 0; g < galaxies.size(); ++g) {
        REQUIRE(of.count(g) == 1);
        std::uint64_t row = 0;
        int rank = of[g].front().first;
        for (const auto& [r, s] : of[g]) {  // ranks ascend
            CHECK(r == rank++);
            CHECK(s.firstRank == of[g].front().first);
            CHECK(s.lastRank == of[g].back().first);
            CHECK(s.rows.first == row);
            CHECK(s.rows.first % blockRows == 0);
            row += s.rows.count;
            if (of[g].size() > 1 && galaxies[g].mostRows == 0) CHECK(s.rows.count + blockRows >= splitFrom / 2);
        }
        CHECK(row == galaxies[g].rows);
        d.shared += of[g].size() > 1;
        if (galaxies[g].rows < splitFrom && galaxies[g].mostRows == 0) CHECK(of[g].size() == 1);
    }
    // Ranks that do their lists in order, and wait for all others of a shared galaxy, come to an end; a shared galaxy
    // waits for one other at most.
    std::vector<std::size_t> at(std::size_t(ranks), 0);
    int waves = 0;
    for (bool more = true; more; ++waves) {
        more = false;
        std::map<std::size_t, int> ready;
        for (std::size_t r = 0; r < at.size(); ++r)
            if (at[r] < d.shares[r].size() && !d.shares[r][at[r]].alone()) ++ready[d.shares[r][at[r]].galaxy];
        std::vector<std::size_t> next = at;
        for (std::size_t r = 0; r < at.size(); ++r) {
            if (at[r] == d.shares[r].size() || d.shares[r][at[r]].alone()) continue;
            const Share& s = d.shares[r][at[r]];
            more = true;
            if (ready[s.galaxy] == s.lastRank - s.firstRank + 1) ++next[r];
        }
        REQUIRE((!more || next != at));
        at = next;
    }
    if (galaxies.empty() || galaxies[0].mostRows == 0) CHECK(waves <= 3);
    for (std::size_t r = 0; r < at.size(); ++r)
        for (std::size_t i = at[r]; i < d.shares[r].size(); ++i) CHECK(d.shares[r][i].alone());
    return d;
}

}  // namespace

TEST_CASE("galaxies of all sizes over any number of ranks", "[deal]") {
    std::mt19937_64 rng(4);
    for (int trial = 0; trial < 30; ++trial) {
        std::vector<std::uint64_t> rows;
        const int n = 1 + int(rng() % 300);
        for (int i = 0; i < n; ++i) rows.push_back(std::uint64_t(std::pow(10, 2 + 5 * double(rng() % 1000) / 1000)));
        for (const int ranks : {1, 2, 3, 4, 8, 64}) dealt(galaxiesOf(rows), ranks, 1'000'000);
    }
}

TEST_CASE("a giant with most of the stars does not hold the others up", "[deal]") {
    std::vector<std::uint64_t> rows(200, 300'000);
    rows[70] = 40'000'000;
    for (const int ranks : {2, 3, 4, 8}) {
        const Dealt d = dealt(galaxiesOf(rows), ranks, 1'000'000);
        CHECK(d.shared >= 1);
        CHECK(d.largest < 1.1 * d.mean);
    }
    // Half of all stars: the giant takes half of the ranks.
    const Dealt d = dealt(galaxiesOf({100'000'000, 50'000'000, 50'000'000}, 0), 8, 1'000'000);
    CHECK(d.largest < 1.01 * d.mean);
    CHECK(d.shares[0].size() == 1);
}

TEST_CASE("small galaxies stay whole", "[deal]") {
    const Dealt d = dealt(galaxiesOf(std::vector<std::uint64_t>(1000, 5000)), 7, 1'000'000);
    CHECK(d.shared == 0);
    CHECK(d.largest < 1.02 * d.mean);
    const Dealt one = dealt(galaxiesOf({100'000}), 8, 1'000'000);
    CHECK(one.shared == 0);
    const Dealt spans = dealt(galaxiesOf({100'000}), 8, 16'384);
    for (const auto& shares : spans.shares) CHECK(shares.size() == 1);
    const Dealt fewer = dealt(galaxiesOf({100'000}, 0), 64, 16'384);  // parts of at least 8192
    CHECK(std::count_if(fewer.shares.begin(), fewer.shares.end(), [](const auto& s) { return !s.empty(); }) == 12);
}

TEST_CASE("a galaxy that one rank has no room for is shared by as many as it needs", "[deal]") {
    std::vector<DealtGalaxy> g = galaxiesOf({3'000'000, 100'000, 100'000, 900'000}, 1e7);
    const auto most = [&](std::uint64_t rows, int ranks) {
        for (DealtGalaxy& one : g) one.mostRows = rows;
        std::uint64_t largest = 0;
        for (const auto& shares : dealt(g, ranks, 10'000'000).shares)
            for (const Share& s : shares) largest = std::max(largest, s.rows.count);
        return largest;
    };
    CHECK(most(0, 8) == 3'000'000);
    CHECK(most(5'000'000, 8) == 3'000'000);
    for (const std::uint64_t rows : {400'000U, 500'000U, 1'000'000U, 2'900'000U}) CHECK(most(rows, 8) <= rows);
    CHECK(most(100'000, 2) == Approx(1'500'000).margin(blockRows));  // no more ranks than there are
}

TEST_CASE("no galaxies, and galaxies without stars", "[deal]") {
    for (const auto& shares : deal({}, 3, 1000)) CHECK(shares.empty());
    dealt(galaxiesOf({0, 0, 5, 0}), 3, 1'000'000);
    dealt(galaxiesOf({0, 0, 0}, 0), 2, 1'000'000);
}
