// Which rows of a snapshot may shine into a galaxy's field: boxes around blocks of rows in a periodic box.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "field.hpp"
#include "tessera/physics/orient.hpp"

using namespace tessera;

namespace {

double distance(const Vec3d& a, const Vec3d& b, double boxSize) {
    return norm(nearestImage(a - b, boxSize));
}

}  // namespace

TEST_CASE("a box holds its positions and tells no distance larger than theirs") {
    std::mt19937 random(5);
    std::uniform_real_distribution<double> unit(0, 1);
    for (const double boxSize : {0.0, 100.0}) {
        for (const double extent : {0.0, 1.0, 30.0, 60.0, 99.0}) {
            for (const Vec3d corner : {Vec3d{20, 30, 40}, Vec3d{99.5, 0.25, 70}, Vec3d{-3, 140, 99.9}}) {
                std::vector<Vec3d> points(17);
                for (Vec3d& x : points) {
                    for (int k = 0; k < 3; ++k) {
                        x[k] = corner[k] + extent * unit(random);
                        if (boxSize > 0) x[k] -= boxSize * std::floor(x[k] / boxSize);
                    }
                }
                const BlockBox box = boxAround(points, boxSize);
                REQUIRE(box.count == points.size());
                if (boxSize > 0)
                    for (int k = 0; k < 3; ++k) {
                        CHECK((box.low[k] >= 0 && box.low[k] <= boxSize));
                        CHECK(box.high[k] - box.low[k] <= boxSize);
                    }
                for (const Vec3d& x : points) CHECK(distanceTo(box, x, boxSize) < 1e-9);
                double farthest = 0;
                for (int probe = 0; probe < 50; ++probe) {
                    const Vec3d at{100 * unit(random), 100 * unit(random), 100 * unit(random)};
                    double nearest = 1e300;
                    for (const Vec3d& x : points) nearest = std::min(nearest, distance(x, at, boxSize));
                    CHECK(distanceTo(box, at, boxSize) <= nearest + 1e-9);
                    farthest = std::max(farthest, distanceTo(box, at, boxSize));
                }
                // A small box tells that most places are far from it.
                if (extent <= 30) CHECK(farthest > 20);
            }
        }
    }
}

TEST_CASE("blocks end where subhalos do") {
    CHECK(cutIntoBlocks(0, {}) == std::vector<std::uint64_t>{0});
    CHECK(cutIntoBlocks(10, {}) == std::vector<std::uint64_t>{0, 10});
    const std::vector<ParticleRange> ranges{{0, 5000}, {5000, 3}, {7000, 0}, {9000, 1000}};
    CHECK(cutIntoBlocks(10000, ranges) == std::vector<std::uint64_t>{0, 4096, 5000, 5003, 8192, 9000, 10000});
}

TEST_CASE("a part of a galaxy's rows, its own and others'") {
    RunPlan plan;
    plan.galaxies.emplace_back().stars = {1000, 50};
    CHECK(plan.rowsOf(0) == 50);
    plan.neighbours = {{{100, 20}, {3000, 40}}};
    CHECK(plan.rowsOf(0) == 110);
    const auto same = [](const std::vector<ParticleRange>& a, const std::vector<ParticleRange>& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](const auto& x, const auto& y) { return x.first == y.first && x.count == y.count; });
    };
    CHECK(same(plan.partOf(0, {0, 110}), {{1000, 50}, {100, 20}, {3000, 40}}));
    CHECK(same(plan.partOf(0, {0, 50}), {{1000, 50}}));
    CHECK(same(plan.partOf(0, {40, 35}), {{1040, 10}, {100, 20}, {3000, 5}}));
    CHECK(same(plan.partOf(0, {75, 35}), {{3005, 35}}));
    CHECK(plan.partOf(0, {110, 0}).empty());
}
