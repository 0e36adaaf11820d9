// The hot loops that pass over stars, at every instruction set that this CPU has, against the functions of physics/ star by star.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "kernel_levels.hpp"
#include "stages/axis_table.hpp"
#include "support.hpp"
#include "tessera/core/units.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/maps.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

// Stars about `centre`, some on edges of spaxels, across the box's faces, far away and fast.
Stars skyStars(std::size_t n, const Vec3d& centre, double box, double spaxel, double fastest, std::uint64_t seed) {
    Random random(seed);
    Stars s(n);
    for (std::size_t i = 0; i < n; ++i) {
        s.position[i] = centre + Vec3d{random(-9, 9), random(-9, 9), random(-9, 9)};
        if (i % 7 == 3) s.position[i] = centre + Vec3d{spaxel * random.below(6), -spaxel * random.below(6), 0};
        if (i % 11 == 5) s.position[i].x += 40;
        for (int k = 0; box > 0 && k < 3; ++k) s.position[i][k] -= box * std::floor(s.position[i][k] / box);
        s.velocity[i] = Vec3d{random(-400, 400), random(-400, 400), random(-fastest, fastest)}.to<float>();
    }
    return s;
}

double* doublesOf(FrameSums& s) {
    static_assert(sizeof s == 13 * sizeof(double));
    return &s.mass;
}
const double* doublesOf(const FrameSums& s) {
    return &s.mass;
}

struct View {
    const char* name;
    Mat3d axes;
    double box, depth, fastest;
};
const double c30 = std::cos(0.5), s30 = std::sin(0.5);
const View views[] = {
    {"face-on", Mat3d{}, 0, 0, 300},
    {"oblique in a box", {{{c30, s30, 0}, {-s30 * c30, c30* c30, s30}, {s30 * s30, -c30* s30, c30}}}, 50, 0, 300},
    {"shallow", Mat3d{}, 50, 6, 300},
    {"in a small box", Mat3d{}, 20, 0, 300},
    {"fast", Mat3d{}, 0, 0, 30000}};

}  // namespace

TEST_CASE("sums over stars for the frame are those of star by star", "[kernels]") {
    const Vec3d centre{0.3, 49.2, 25}, zero{3, -2, 11};
    for (const double box : {0.0, 50.0})
        for (const double radius : {0.0, 10.0})
            for (const std::size_t n : {1, 3, 4, 255, 256, 257, 4096}) {
                INFO("box " << box << ", radius " << radius << ", " << n << " stars");
                Stars stars = skyStars(n, centre, box, 1.0, 300, n);
                Random random(n + 1);
                for (float& m : stars.mass) m = float(random(0.1, 3));
                FrameSums expected, sizes;  // sizes: the same with every term positive, which rounding is measured by
                std::size_t inside = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    const Vec3d x = nearestImage(stars.position[i] - centre, box);
                    if (radius > 0 && dot(x, x) > radius * radius) continue;
                    ++inside;
                    const auto one = frameSums(double(stars.mass[i]), x, stars.velocity[i].to<double>(), zero);
                    expected += one;
                    for (std::size_t k = 0; k < 13; ++k) doublesOf(sizes)[k] += std::fabs(doublesOf(one)[k]);
                }
                if (n > 200) CHECK((radius > 0 ? inside > n / 2 && inside < n : inside == n));
                std::vector<std::vector<double>> found;
                atEveryLevel([&](const simd::Kernels& k) {
                    simd::FrameArgs a{};
                    a.position = &stars.position[0].x;
                    a.velocity = &stars.velocity[0].x;
                    a.mass = stars.mass.data();
                    a.n = n;
                    for (int i = 0; i < 3; ++i) {
                        a.centre[i] = centre[i];
                        a.velocityZero[i] = zero[i];
                    }
                    a.box = box;
                    a.radius2 = radius > 0 ? radius * radius : INFINITY;
                    k.sumFrame(a);
                    for (std::size_t i = 0; i < 13; ++i)
                        CHECK(std::fabs(a.sums[i] - doublesOf(expected)[i]) <= 1e-13 * doublesOf(sizes)[i]);
                    found.emplace_back(std::begin(a.sums), std::end(a.sums));
                });
                for (const auto& level : found) CHECK(level == found[0]);
            }
}

TEST_CASE("spaxels and shifts of a block of stars are bit by bit those of star by star", "[kernels]") {
    for (const View& view : views)
        for (const std::size_t n : {1, 2, 7, 8, 15, 16, 17, 100, 255, 256}) {
            INFO(view.name << ", " << n << " stars");
            const Vec3d centre{0.3, 49.2, 25}, zero{3, -2, 11};
            const SpaxelGrid grid{11, 1, 1.0};
            const Stars stars = skyStars(n, centre, view.box, grid.spaxelKpc, view.fastest, n);
            std::vector<std::uint32_t> expected(n);
            std::vector<double> speeds(n);
            float low = INFINITY, high = -INFINITY;
            std::size_t inside = 0;
            bool slow = true;
            for (std::size_t i = 0; i < n; ++i) {
                const Vec3d x = view.axes * nearestImage(stars.position[i] - centre, view.box);
                const bool deep = view.depth > 0 && std::fabs(x.z) > 0.5 * view.depth;
                expected[i] = deep ? outsideField : spaxelOf(x.x, x.y, grid);
                speeds[i] = dot(view.axes.row[2], stars.velocity[i].to<double>() - zero);
                slow = slow && std::fabs(speeds[i] / units::c_km_s) < 0.02;
            }
            if (n > 50) CHECK(slow == (view.fastest < 5000));
            atEveryLevel([&](const simd::Kernels& k) {
                std::vector<std::uint32_t> spaxel(n);
                std::vector<double> speed(n);
                std::vector<float> shift(n);
                simd::SkyArgs a{};
                a.position = &stars.position[0].x;
                a.velocity = &stars.velocity[0].x;
                a.n = n;
                for (int i = 0; i < 3; ++i) {
                    a.centre[i] = centre[i];
                    a.velocityZero[i] = zero[i];
                    for (int j = 0; j < 3; ++j) a.axes[i][j] = view.axes.row[i][j];
                }
                a.inverseC = 1 / units::c_km_s;
                a.box = view.box;
                a.halfDepth = view.depth > 0 ? 0.5 * view.depth : INFINITY;
                a.spaxelKpc = grid.spaxelKpc;
                a.side = grid.n;
                a.spaxel = spaxel.data();
                a.speed = speed.data();
                a.shift = shift.data();
                k.sky(a);
                CHECK(spaxel == expected);
                CHECK(speed == speeds);
                CHECK(a.slow == slow);
                low = INFINITY, high = -INFINITY, inside = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    if (std::fabs(speeds[i] / units::c_km_s) < 0.02)
                        REQUIRE(shift[i] == float(dopplerShift(speeds[i], Doppler::relativistic)));
                    if (expected[i] == outsideField) continue;
                    ++inside;
                    low = std::min(low, shift[i]);
                    high = std::max(high, shift[i]);
                }
                CHECK(a.inside == inside);
                CHECK(a.low == low);
                CHECK(a.high == high);
            });
            if (n == 256) CHECK((inside > 50 && inside < 256));
        }
}

TEST_CASE("places on an axis", "[kernels]") {
    // Even, uneven, in bundles, of two points, of numbers that no float holds.
    std::vector<double> even, bundles;
    for (int i = 0; i < 221; ++i) even.push_back(-3.9 + 0.0237 * i);
    for (int i = 0; i < 40; ++i) bundles.push_back(double(i / 8) + 1e-5 * (i % 8));
    const std::vector<double> axes[] = {
        even, {-4, -3.4, -2.4, -2.1, -1.7, -1.3}, bundles, {0.1, 0.7}, {1e-4, 4e-4, 0.004, 0.02, 0.05}};
    for (const std::vector<double>& axis : axes) {
        Random random(5);
        std::vector<float> values{-INFINITY, INFINITY, NAN, 0.0F, -0.0F, -1e30F, 1e30F};
        for (const double x : axis)
            for (const float v : {float(x), std::nextafter(float(x), -INFINITY), std::nextafter(float(x), INFINITY)})
                values.push_back(v);
        const double range = axis.back() - axis.front();
        for (int i = 0; i < 3000; ++i) values.push_back(float(axis.front() + random(-0.1, 1.1) * range));
        atEveryLevel([&](const simd::Kernels& k) {
            std::vector<std::int32_t> lower(values.size()), clamped(values.size());
            std::vector<float> fraction(values.size());
            const AxisTable table(axis);
            table.locate(k, values.data(), values.size(), lower.data(), fraction.data(), clamped.data());
            std::size_t wrong = 0;
            double worst = 0;
            for (std::size_t i = 0; i < values.size(); ++i) {
                const AxisPosition<double> p = locate(axis.data(), int(axis.size()), double(values[i]));
                wrong += p.lower != lower[i] || p.clamped != (clamped[i] != 0);
                worst = std::max(worst, std::fabs(p.fraction - double(fraction[i])));
            }
            CHECK(wrong == 0);
            CHECK(worst < 3e-7);
        });
    }
    const AxisTable one(std::vector<double>{0.25});
    const float values[]{0.25F, 0.3F, NAN};
    std::int32_t lower[3], clamped[3];
    float fraction[3];
    one.locate(simd::kernels(), values, 3, lower, fraction, clamped);
    for (int i = 0; i < 3; ++i) {
        CHECK(lower[i] == 0);
        CHECK(fraction[i] == 0);
        CHECK(clamped[i] == (i > 0));
    }
}

TEST_CASE("sums of a spaxel's stars for the maps", "[kernels]") {
    const std::array<std::array<int, 2>, 3> shapes{{{12, 5}, {1, 5}, {12, 1}}};
    for (const auto& [ages, metallicities] : shapes)
        for (const double fastest : {1.5e-3, 0.05})
            for (const std::size_t n : {1, 2, 7, 8, 9, 100, 256}) {
                INFO(ages << " x " << metallicities << ", shifts to " << fastest << ", " << n << " stars");
                Random random(n);
                BandLight axes{-fastest, 1e-4, std::size_t(2 * fastest / 1e-4) + 2, ages > 1 ? 1 : 0,
                               metallicities > 1 ? ages : 0};
                std::vector<float> table(std::size_t(ages * metallicities) * axes.nodes);
                for (float& t : table) t = float(random(0.5, 1.5));
                const std::vector<float> corners = cornerLight(axes, table);
                const LibraryLimits limits{0.01, 10, 1e-4, 0.04};
                std::vector<StarRecord> stars(n);
                SpaxelSums expected;
                float low = INFINITY, high = -INFINITY;
                for (std::size_t i = 0; i < n; ++i) {
                    StarRecord& s = stars[i];
                    s = {random.below(std::max(1, metallicities - 1)) * ages + random.below(std::max(1, ages - 1)),
                         float(ages > 1 ? random() : 0),
                         float(metallicities > 1 ? random() : 0),
                         float(random(0.5, 1.5)),
                         float(random(-1.01, 1.01) * fastest),
                         float(random(0.001, 11)),
                         float(random(0.00001, 0.05)),
                         std::uint32_t(i) | (i % 5 == 2 ? countedElsewhere : 0)};
                    expected.add(s, bandLight(axes, table.data(), s), velocityOfShift(double(s.shift)), limits);
                    low = std::min(low, s.shift);
                    high = std::max(high, s.shift);
                }
                std::vector<simd::MapSums> seen;
                atEveryLevel([&](const simd::Kernels& k) {
                    float least = 0, most = 0;
                    k.shiftRange(stars.data(), n, least, most);
                    CHECK(least == low);
                    CHECK(most == high);
                    std::vector<double> light(simd::mapBlock), velocity(simd::mapBlock);
                    simd::RecordColumns records;
                    simd::MapColumns c{stars.data(),
                                       n,
                                       corners.data(),
                                       axes.firstShift,
                                       axes.step,
                                       axes.nodes,
                                       units::c_km_s,
                                       limits.leastAge(),
                                       limits.mostAge(),
                                       limits.leastZ(),
                                       limits.mostZ(),
                                       light.data(),
                                       velocity.data(),
                                       &records,
                                       false};
                    k.mapColumns(c);
                    CHECK(c.slow == (std::max(-low, high) < 0.02F));
                    for (std::size_t i = 0; i < n; ++i) {
                        REQUIRE(light[i] == Approx(bandLight(axes, table.data(), stars[i])).epsilon(1e-12));
                        const double v = velocityOfShift(double(stars[i].shift));
                        if (c.slow) REQUIRE(velocity[i] == Approx(v).epsilon(1e-14));
                        velocity[i] = v;
                    }
                    simd::MapSums sums;
                    k.sumMaps(c, sums);
                    CHECK(sums.stars == expected.stars);
                    CHECK(sums.clampedAge == expected.clampedAge);
                    CHECK(sums.clampedMetallicity == expected.clampedMetallicity);
                    using S = simd::MapSums;
                    const std::pair<int, double> pairs[] = {
                        {S::mass, expected.mass},         {S::light, expected.light},
                        {S::massAge, expected.massAge},   {S::massZ, expected.massZ},
                        {S::lightAge, expected.lightAge}, {S::lightZ, expected.lightZ},
                        {S::massV, expected.massV},       {S::lightV, expected.lightV},
                        {S::lightV2, expected.lightV2},   {S::clampedMass, expected.clampedMass}};
                    for (const auto& [which, value] : pairs) {
                        double sum = 0;
                        for (const double lane : sums.lane[which]) sum += lane;
                        INFO("sum " << which);
                        CHECK(sum == Approx(value).epsilon(1e-12).margin(1e-12 * expected.lightV2 / 300));
                    }
                    seen.push_back(sums);
                });
                for (const simd::MapSums& s : seen)
                    CHECK(std::memcmp(s.lane, seen[0].lane, sizeof s.lane) == 0);  // on every machine
            }
}
