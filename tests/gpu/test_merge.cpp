// Stars of several parts, ordered each by itself and merged: the order of all of them on one device.
#include <numeric>

#include "device.hpp"
#include "kernels/merge.hpp"
#include "tessera/gpu/sort.hpp"
#include "tessera/physics/project.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr std::size_t spaxels = 20;

struct Scene {
    std::vector<std::uint32_t> spaxel;
    std::vector<float> shift;
    HostStars stars;
};
Scene scene(std::size_t n, bool giant) {
    Scene s{{}, {}, randomStars(n)};
    std::mt19937_64 rng(5);
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t r = rng();
        s.spaxel.push_back(r % 7 == 0 ? outsideField : giant && r % 50 != 0 ? 11 : std::uint32_t(r / 7 % spaxels));
        s.shift.push_back(giant ? 0 : float(double(r % 1000) * 1e-6));
    }
    return s;
}

template <class T>
std::vector<T> slice(const std::vector<T>& v, std::size_t from, std::size_t to) {
    return {v.begin() + std::ptrdiff_t(from), v.begin() + std::ptrdiff_t(to)};
}

Scene part(const Scene& s, std::size_t from, std::size_t to) {
    return {slice(s.spaxel, from, to),
            slice(s.shift, from, to),
            {slice(s.stars.position, from, to), slice(s.stars.velocity, from, to), slice(s.stars.mass, from, to),
             slice(s.stars.age, from, to), slice(s.stars.metallicity, from, to)}};
}

std::size_t kept(const Scene& s) {
    return std::size_t(std::count_if(s.spaxel.begin(), s.spaxel.end(), [](auto p) { return p != outsideField; }));
}

bool sameStar(StarRecord a, StarRecord b) {
    a.source = b.source = 0;  // of its part
    return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

TEST_CASE("parts are merged in the order of one", "[gpu]") {
    const Stream s;
    const auto ages = onDevice(s, std::vector<double>{-3, -1, 0, 1.2}),
               z = onDevice(s, std::vector<double>{-4, -2, -1});
    gpu::OrderPlan plan;
    plan.spaxels = spaxels;
    plan.shiftMin = 0;
    plan.shiftMax = 1e-3F;
    plan.shiftStep = 2e-4F;
    plan.logAgeGyr = ages.view();
    plan.zAxis = z.view();
    auto counts = sizes();
    counts.push_back(racing ? 300 : 7000);  // in one spaxel nearly all, of one shift
    for (const std::size_t n : counts) {
        const Scene all = scene(n, n == counts.back());
        const auto sorted = [&](const Scene& p) {
            plan.kept = kept(p);
            const auto stars = onDevice(s, p.stars);
            const auto spaxel = onDevice(s, p.spaxel);
            const auto shift = onDevice(s, p.shift);
            gpu::SortedStars o = gpu::sortStars(s, plan, stars, spaxel, shift);
            s.synchronize();
            return o;
        };
        gpu::SortedStars ofOne = sorted(all);
        const gpu::OrderedStars whole = gpu::describeStars(s, plan, std::move(ofOne));
        const auto wholeStars = onHost(s, whole.star);
        const auto wholeRuns = onHost(s, whole.run);
        const auto wholeFirst = onHost(s, whole.spaxelStar);

        const std::size_t cut[] = {0, n / 3, n / 3, n};  // the second part has none
        std::vector<std::vector<StarRecord>> records;
        std::vector<std::vector<std::uint32_t>> counted;
        int binBits = 0;
        for (int p = 0; p < 3; ++p) {
            const Scene mine = part(all, cut[p], cut[p + 1]);
            const gpu::SortedStars o = sorted(mine);
            binBits = o.binBits;
            records.push_back(onHost(s, o.star));
            counted.push_back(underSeeds([&] {
                DeviceBuffer<std::uint32_t> count(spaxels, s);
                gpu::countStars(
                    s, {gpu::View<const std::uint64_t>(o.key.view()).part(0, kept(mine)), o.binBits, count.view()});
                return onHost(s, count);
            }));
            for (std::uint32_t k = 0; k < spaxels; ++k)
                REQUIRE(counted.back()[k] == std::count(mine.spaxel.begin(), mine.spaxel.end(), k));
        }
        // To three ranks, the last of which gets no spaxel.
        const std::size_t deal[] = {0, 9, spaxels, spaxels};
        for (int rank = 0; rank < 3; ++rank) {
            const std::size_t first = deal[rank], mine = deal[rank + 1] - first;
            std::vector<StarRecord> arrived;
            std::vector<std::uint32_t> begin;
            for (int p = 0; p < 3; ++p) {
                auto at = records[p].begin() + std::accumulate(counted[p].begin(), counted[p].begin() + first, 0);
                for (std::size_t k = first; k < first + mine; ++k) {
                    begin.push_back(std::uint32_t(arrived.size()));
                    arrived.insert(arrived.end(), at, at + counted[p][k]);
                    at += counted[p][k];
                }
            }
            const auto dArrived = onDevice(s, arrived);
            const auto dBegin = onDevice(s, begin);
            gpu::SortedStars merged;
            const auto together = underSeeds([&] {
                DeviceBuffer<std::uint32_t> order(arrived.size(), s);
                merged = {DeviceBuffer<StarRecord>(arrived.size(), s),
                          DeviceBuffer<std::uint64_t>(arrived.size(), s),
                          binBits,
                          {},
                          {}};
                gpu::mergeKeys(s, {dArrived.view(), dBegin.view(), std::uint32_t(mine), std::uint32_t(first),
                                   plan.shiftMin, plan.shiftStep, binBits, merged.key.view(), order.view()});
                if (!arrived.empty()) gpu::sortPairs(s, merged.key, order, binBits + 5);
                gpu::gatherStars(s, {dArrived.view(), order.view(), merged.star.view()});
                return onHost(s, merged.star);
            });
            const std::uint32_t before = wholeFirst[first];
            REQUIRE(together.size() == wholeFirst[first + mine] - before);
            for (std::size_t k = 0; k < together.size(); ++k) REQUIRE(sameStar(together[k], wholeStars[before + k]));
            plan.kept = together.size();
            const gpu::OrderedStars o = gpu::describeStars(s, plan, std::move(merged), before);
            const auto runs = onHost(s, o.run);
            const std::uint32_t firstRun = whole.spaxelRun[first];
            REQUIRE(runs.size() == whole.spaxelRun[first + mine] - firstRun);
            for (std::size_t r = 0; r < runs.size(); ++r) {
                gpu::StarRun expected = wholeRuns[firstRun + r];
                expected.first -= before;
                REQUIRE(std::memcmp(&runs[r], &expected, sizeof expected) == 0);
            }
            for (std::size_t k = 0; k <= spaxels; ++k)
                REQUIRE(o.spaxelRun[k] == whole.spaxelRun[std::clamp(k, first, first + mine)] - firstRun);
        }
    }
}
