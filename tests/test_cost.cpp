// The cost model, and cutting lists into parts of equal cost.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

#include "cost.hpp"

using namespace tessera;

namespace {

double sumOf(const std::vector<double>& costs, std::size_t from, std::size_t to) {
    return std::accumulate(costs.begin() + std::ptrdiff_t(from), costs.begin() + std::ptrdiff_t(to), 0.0);
}

}  // namespace

TEST_CASE("costs grow with what they are made of, and are those of the table of measurements") {
    // docs/performance.md, "Other machines", Zen 5: stars and seconds, BC03, MUSE 100 x 100 x 3721; some are older.
    const CubeVolume muse{10000, 3721, false, 4};
    for (const auto& [stars, seconds] : std::vector<std::pair<double, double>>{
             {1e4, 0.030}, {1e5, 0.055}, {1e6, 0.126}, {6e6, 0.347}, {6e7, 1.93}, {1e8, 3.45}})
        CHECK(observingCost(std::uint64_t(stars), muse) == Approx(seconds).epsilon(0.35));
    const CubeVolume small{100, 100, false, 4};
    CHECK(cubeCost(0, {1, 1, false, 0}) > 0);
    CHECK(cubeCost(1001, small) > cubeCost(1000, small));
    CHECK(cubeCost(1000, {101, 100, false, 4}) > cubeCost(1000, small));
    CHECK(cubeCost(1000, {100, 101, false, 4}) > cubeCost(1000, small));
    CHECK(cubeCost(1000, {100, 100, true, 4}) > cubeCost(1000, small));
    CHECK(writingCost({100, 100, false, 0}) < writingCost(small));
    CHECK(readingCost(1000) < readingCost(1000000));
}

TEST_CASE("parts cover the list once, none costs more than the mean and one more, none is empty without need") {
    std::mt19937_64 random(7);
    for (const std::size_t n : {0, 1, 2, 3, 31, 64, 1000})
        for (const std::size_t parts : {1, 2, 3, 7, 64}) {
            std::vector<double> costs(n);
            for (double& c : costs) c = std::exp(5 * std::uniform_real_distribution<double>(0, 1)(random));
            const auto cuts = cutEvenly(costs, parts);
            INFO(n << " in " << parts);
            REQUIRE(cuts.size() == parts + 1);
            CHECK(cuts.front() == 0);
            CHECK(cuts.back() == n);
            CHECK(std::is_sorted(cuts.begin(), cuts.end()));
            const double mean = sumOf(costs, 0, n) / double(parts);
            const double largest = n > 0 ? *std::max_element(costs.begin(), costs.end()) : 0;
            for (std::size_t k = 0; k < parts; ++k) {
                if (n >= parts) CHECK(cuts[k + 1] > cuts[k]);
                CHECK(sumOf(costs, cuts[k], cuts[k + 1]) <= (mean + largest) * (1 + 1e-12));
            }
        }
}

TEST_CASE("a giant has a part of its own") {
    std::vector<double> costs(101, 1.0);
    costs[0] = 100;
    CHECK(cutEvenly(costs, 2) == std::vector<std::size_t>{0, 1, 101});
    CHECK(cutEvenly(std::vector<double>(10, 0.0), 3).back() == 10);
    CHECK(cutEvenly(std::vector<double>{1, 1, 1, 1}, 2) == std::vector<std::size_t>{0, 2, 4});
}
