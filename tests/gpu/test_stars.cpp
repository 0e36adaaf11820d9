// Moments, projection and order of the stars against plain loops over physics/.
#include <algorithm>
#include <numeric>

#include "gpu/device.hpp"
#include "kernels/moments.hpp"
#include "kernels/project.hpp"
#include "tessera/gpu/sort.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("moments are those of a plain loop", "[gpu]") {
    for (const std::size_t n : {sizes().front(), std::size_t(1), std::size_t(33), std::size_t(racing ? 300 : 9000)}) {
        const HostStars h = randomStars(n);
        const double radius = n > 100 ? 1.5 : 0;
        FrameSums expected;
        for (std::size_t i = 0; i < n; ++i) {
            const Vec3d x = nearestImage(h.position[i] - Vec3d{0.5, 9, 0}, 10.0);
            if (radius > 0 && norm(x) > radius) continue;
            const Vec3d v = h.velocity[i].to<double>();
            const double m = double(h.mass[i]);
            expected += {m, v * m, angularMomentum(m, x, v - Vec3d{20, 0, -5}), secondMoments(m, x)};
        }
        const Stream s;
        const gpu::DeviceStars d = onDevice(s, h);
        std::vector<std::size_t> blocks;  // of unequal length, one of them empty
        for (std::size_t i = 0; i < n; i += 4096) blocks.push_back(i - std::min<std::size_t>(i, 7));
        if (n > 0) blocks.push_back(n);
        blocks.push_back(n);
        const auto begin = onDevice(s, blocks);
        const auto found = underSeeds([&] {
            DeviceBuffer<FrameSums> partial(begin.size() - 1, s);
            gpu::sumMoments(s, {d.position.view(),
                                d.velocity.view(),
                                d.mass.view(),
                                {0.5, 9, 0},
                                {20, 0, -5},
                                10.0,
                                radius,
                                begin.view(),
                                partial.view()});
            return onHost(s, partial);
        });
        FrameSums sum;
        for (const FrameSums& p : found) sum += p;
        CHECK((sum.mass > 0) == (n > 0));
        CHECK(sum.mass == Approx(expected.mass).epsilon(1e-12));
        CHECK(sum.momentum.y == Approx(expected.momentum.y).epsilon(1e-11));
        for (int k = 0; k < 3; ++k) CHECK(sum.spin[k] == Approx(expected.spin[k]).epsilon(1e-11));
        CHECK(sum.second.xx == Approx(expected.second.xx).epsilon(1e-12));
        CHECK(sum.second.yz == Approx(expected.second.yz).epsilon(1e-11));
    }
}

namespace {

struct Field {
    SpaxelGrid grid{8, 0.2, 0.5};
    std::vector<std::uint8_t> use = std::vector<std::uint8_t>(64, gpu::insideMask);
    Field() {
        for (std::size_t x = 0; x < 8; ++x) use[x] = gpu::unused;
        for (std::size_t x = 8; x < 16; ++x) use[x] = gpu::shines;
    }
};
const Mat3d rotation = viewRotation(0.4, 0.3, 0.2);

struct OnSky {
    std::vector<std::uint32_t> spaxel;
    std::vector<float> shift;
    gpu::ProjectTotal total{INFINITY, -INFINITY, 0, 0, 0};
};
OnSky projectLoop(const HostStars& h, const Field& f) {
    OnSky p;
    for (std::size_t i = 0; i < h.size(); ++i) {
        const Vec3d x = rotation * nearestImage(h.position[i] - Vec3d{0.2, 9.4, 0}, 10.0);
        const double v = dot(rotation.row[2], h.velocity[i].to<double>() - Vec3d{5, 6, 7});
        std::uint32_t s = spaxelOf(x.x, x.y, f.grid);
        p.shift.push_back(float(dopplerShift(v, Doppler::relativistic)));
        if (s != outsideField) {
            p.total.shiftMin = std::min(p.total.shiftMin, p.shift.back());
            p.total.shiftMax = std::max(p.total.shiftMax, p.shift.back());
            ++p.total.onGrid;
            if (f.use[s] == gpu::unused) s = outsideField;
            p.total.kept += s != outsideField;
            p.total.inMask += s != outsideField && f.use[s] == gpu::insideMask;
        }
        p.spaxel.push_back(s);
    }
    return p;
}

}  // namespace

TEST_CASE("projection is that of a plain loop", "[gpu]") {
    const Field f;
    for (const std::size_t n : sizes()) {
        const HostStars h = randomStars(n);
        const OnSky expected = projectLoop(h, f);
        const Stream s;
        const gpu::DeviceStars d = onDevice(s, h);
        const DeviceBuffer<std::uint8_t> use = onDevice(s, f.use);
        DeviceBuffer<std::uint32_t> spaxel(n, s);
        DeviceBuffer<float> shift(n, s);
        const std::vector<gpu::GalaxyRows> rows{{0, std::uint32_t(n)}};
        const auto dBlocks = onDevice(s, gpu::starBlocks(rows));
        const auto galaxy = onDevice(s, std::vector<gpu::ProjectGalaxy>{{{0.2, 9.4, 0}, {5, 6, 7}, rotation, 10}});
        const auto totals = underSeeds([&] {
            DeviceBuffer<gpu::ProjectTotal> total(dBlocks.size(), s);
            gpu::ProjectArgs a;
            a.block = dBlocks.view();
            a.galaxy = galaxy.view();
            a.position = d.position.view();
            a.velocity = d.velocity.view();
            a.grid = f.grid;
            a.use = use.view();
            a.spaxel = spaxel.view();
            a.shift = shift.view();
            a.total = total.view();
            gpu::project(s, a);
            return onHost(s, total);
        });
        CHECK(onHost(s, spaxel) == expected.spaxel);
        CHECK(onHost(s, shift) == expected.shift);
        gpu::ProjectTotal sum{INFINITY, -INFINITY, 0, 0, 0};
        for (const auto& t : totals) {
            sum.shiftMin = std::min(sum.shiftMin, t.shiftMin);
            sum.shiftMax = std::max(sum.shiftMax, t.shiftMax);
            sum.onGrid += t.onGrid;
            sum.kept += t.kept;
            sum.inMask += t.inMask;
        }
        CHECK(sum.onGrid == expected.total.onGrid);
        CHECK(sum.kept == expected.total.kept);
        CHECK(sum.inMask == expected.total.inMask);
        CHECK(sum.shiftMin == expected.total.shiftMin);
        CHECK(sum.shiftMax == expected.total.shiftMax);
        if (n == 1000) CHECK((sum.inMask > 100 && sum.kept > sum.inMask && sum.onGrid > sum.kept));
    }
}

TEST_CASE("pairs are sorted by the lowest bits of their keys, and sums are exclusive", "[gpu]") {
    for (const std::size_t n : sizes()) {
        std::mt19937 rng(4);
        std::vector<std::uint64_t> key(n);
        std::vector<std::uint32_t> value(n), order(n);
        for (std::size_t i = 0; i < n; ++i) {
            key[i] = (std::uint64_t(rng() % 3) << 20) | rng() % 50;
            order[i] = std::uint32_t(i);
            value[i] = std::uint32_t(rng() % 5);
        }
        std::vector<std::uint32_t> expected = order, sums(n);
        std::stable_sort(expected.begin(), expected.end(),
                         [&](auto a, auto b) { return key[a] % 1024 < key[b] % 1024; });
        std::exclusive_scan(value.begin(), value.end(), sums.begin(), 0U);
        const Stream s;
        DeviceBuffer<std::uint64_t> dKey = onDevice(s, key);
        DeviceBuffer<std::uint32_t> dOrder = onDevice(s, order), dValue = onDevice(s, value), dSums(n, s);
        gpu::sortPairs(s, dKey, dOrder, 10);
        gpu::exclusiveSum(s, dValue, dSums);
        CHECK(onHost(s, dOrder) == expected);
        CHECK(onHost(s, dSums) == sums);
        const auto sorted = onHost(s, dKey);
        for (std::size_t i = 0; i < n; ++i) REQUIRE(sorted[i] == key[expected[i]]);
    }
}

TEST_CASE("stars are ordered by spaxel and shift, in runs", "[gpu]") {
    const std::vector<double> ages{-3, -1, 0, 1.2}, zAxis{-4, -2.5, -1.3};
    Field f;
    const double stepOf[] = {3e-5, 1e-3};  // runs of few stars, and of more than the longest run
    for (const double step : stepOf)
        for (std::size_t n : sizes()) {
            if (step == 1e-3 && n == 1000) n = 6000;
            HostStars h = randomStars(n);
            if (n == 6000)  // one giant spaxel
                for (auto& x : h.position) x = {10.1, 9.6, 0.1};
            const OnSky sky = projectLoop(h, f);
            const float low = n > 0 ? *std::min_element(sky.shift.begin(), sky.shift.end()) : 0.0F,
                        high = n > 0 ? *std::max_element(sky.shift.begin(), sky.shift.end()) : 0.0F;
            const auto binOf = [&](std::size_t i) { return std::uint32_t((sky.shift[i] - low) / float(step)); };
            std::vector<std::size_t> expected;
            for (std::size_t i = 0; i < n; ++i)
                if (sky.spaxel[i] != outsideField) expected.push_back(i);
            std::stable_sort(expected.begin(), expected.end(), [&](std::size_t a, std::size_t b) {
                return std::pair(sky.spaxel[a], binOf(a)) < std::pair(sky.spaxel[b], binOf(b));
            });

            const Stream s;
            const gpu::DeviceStars d = onDevice(s, h);
            const auto dAges = onDevice(s, ages), dZ = onDevice(s, zAxis);
            const auto spaxel = onDevice(s, sky.spaxel);
            const auto shift = onDevice(s, sky.shift);
            gpu::OrderPlan plan;
            plan.spaxels = 64;
            plan.kept = expected.size();
            plan.shiftMin = low;
            plan.shiftMax = high;
            plan.shiftStep = float(step);
            plan.logAgeGyr = dAges.view();
            plan.zAxis = dZ.view();
            gpu::OrderedStars o;
            const auto record = underSeeds([&] {
                o = gpu::orderStars(s, plan, d, spaxel, shift);
                return onHost(s, o.star);
            });
            REQUIRE(record.size() == expected.size());
            const auto run = onHost(s, o.run);
            const auto first = onHost(s, o.spaxelStar);
            for (std::size_t k = 0; k < record.size(); ++k) {
                const std::size_t i = expected[k];
                const StarRecord& r = record[k];
                REQUIRE(r.source == i);
                REQUIRE((r.age == h.age[i] && r.metallicity == h.metallicity[i] && r.mass == h.mass[i]));
                const auto a = locate(ages.data(), 4, float(std::log10(double(h.age[i])))),
                           z = locate(zAxis.data(), 3, float(std::log10(double(h.metallicity[i]))));
                REQUIRE(
                    (r.corner == z.lower * 4 + a.lower && r.ageFraction == a.fraction && r.zFraction == z.fraction));
                REQUIRE((first[sky.spaxel[i]] <= k && k < first[sky.spaxel[i] + 1]));
            }
            std::size_t at = 0;
            for (std::size_t k = 0; k < run.size(); ++k) {
                const gpu::StarRun& r = run[k];
                REQUIRE((r.first == at && r.first == o.firstOfRun[k] && r.count > 0 && r.count <= gpu::longestRun));
                double mass = 0, moment = 0, second = 0;
                for (std::size_t j = at; j < at + r.count; ++j) {
                    REQUIRE(sky.spaxel[record[j].source] == sky.spaxel[record[at].source]);
                    REQUIRE(binOf(record[j].source) == binOf(record[at].source));
                    mass += double(record[j].mass);
                    moment += double(record[j].mass) * double(record[j].shift);
                }
                for (std::size_t j = at; j < at + r.count; ++j)
                    second += double(record[j].mass) * sq(double(record[j].shift) - moment / mass);
                REQUIRE(r.centre == Approx(moment / mass).epsilon(1e-12).margin(1e-18));
                REQUIRE(r.secondMoment == Approx(second / mass).epsilon(1e-9).margin(1e-24));
                REQUIRE(r.stretch == Approx(std::exp(r.centre)).epsilon(1e-15));
                at += r.count;
            }
            CHECK(at == record.size());
            for (std::size_t p = 0; p < 64; ++p) REQUIRE(o.firstOfRun[o.spaxelRun[p]] == first[p]);

            const gpu::AccumulatePlan blocks = gpu::planAccumulate(o.spaxelRun, o.firstOfRun);
            std::size_t runs = 0, rows = blocks.lit.size();
            for (const auto& item : blocks.items) {
                REQUIRE(item.firstRun == runs);
                runs += item.runs;
            }
            for (const auto& p : blocks.parts) {
                REQUIRE(p.firstPart == rows);
                rows += p.parts;
            }
            CHECK(runs == run.size());
            CHECK(rows == blocks.rows);
            CHECK(blocks.items.size() == rows);
        }
}
