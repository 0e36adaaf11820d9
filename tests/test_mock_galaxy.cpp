// The model of a mock galaxy against formulae of the literature, and its particles against the model.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "mock/model.hpp"
#include "mock/random.hpp"
#include "mock/sample.hpp"
#include "tessera/core/error.hpp"
#include "tessera/mock.hpp"

using namespace tessera;
using namespace tessera::mock;

namespace {

const double pi = units::pi;

// The parameters mockGalaxy uses: all relations without scatter.
GalaxyParameters reference() {
    return galaxyParameters(5e10, 1e10, epochOf(99), {}, 0.5f);
}

// Projected surface density of a Hernquist (1990, eq. 32) bulge of mass 1, for R > a.
double hernquistSurface(double radius, double a) {
    const double s = radius / a, x = std::acos(1 / s) / std::sqrt(s * s - 1);
    return ((2 + s * s) * x - 3) / (2 * pi * a * a * sq(1 - s * s));
}

}  // namespace

TEST_CASE("random numbers are uniform, open at both ends and of their own for each key", "[mock]") {
    double sum = 0, squares = 0;
    float least = 1, most = 0;
    const int n = 50000;
    for (int i = 0; i < n; ++i)
        for (const float u : uniforms({7, 3}, std::uint64_t(i), Purpose::place)) {
            sum += double(u);
            squares += sq(double(u));
            least = std::min(least, u);
            most = std::max(most, u);
        }
    CHECK(least > 0);
    CHECK(most < 1);
    CHECK(sum / (4 * n) == Approx(0.5).margin(4 / std::sqrt(12.0 * 4 * n)));
    CHECK(squares / (4 * n) == Approx(1.0 / 3).margin(0.004));
    const auto base = uniforms({7, 3}, 5, Purpose::place);
    CHECK(base == uniforms({7, 3}, 5, Purpose::place));
    CHECK(base != uniforms({8, 3}, 5, Purpose::place));
    CHECK(base != uniforms({7 + (std::uint64_t(1) << 32), 3}, 5, Purpose::place));
    CHECK(base != uniforms({7, 4}, 5, Purpose::place));
    CHECK(base != uniforms({7, 3}, 6, Purpose::place));
    CHECK(base != uniforms({7, 3}, 5 + (std::uint64_t(1) << 32), Purpose::place));
    CHECK(base != uniforms({7, 3}, 5, Purpose::shape));
}

TEST_CASE("snapshot numbers have TNG's nominal redshifts, formation times invert t(a)", "[mock]") {
    CHECK(epochOf(99).redshift == 0);
    CHECK(epochOf(91).redshift == Approx(0.1));
    CHECK(epochOf(67).redshift == Approx(0.5));
    CHECK(epochOf(50).redshift == Approx(1.0));
    CHECK(epochOf(33).redshift == Approx(2.0));
    CHECK(epochOf(50).full);
    CHECK_FALSE(epochOf(98).full);
    int full = 0;
    for (int n = 0; n <= 99; ++n) {
        const Epoch e = epochOf(n);
        full += e.full;
        if (n > 0) CHECK(e.redshift < epochOf(n - 1).redshift);
        for (const double age : {0.0, 0.01, 0.5 * e.oldest, e.oldest}) {
            const double a = e.formation(age);
            REQUIRE(a > 0);
            REQUIRE(a <= e.scaleFactor);
            CHECK(cosmicTimeGyr(e.cosmology, a) == Approx(e.age - age).margin(1e-9));
        }
    }
    CHECK(full == 20);
    CHECK_THROWS_AS(epochOf(100), ConfigError);
    CHECK_THROWS_AS(epochOf(-1), ConfigError);
}

TEST_CASE("an exponential disc alone rotates as Freeman (1970) says", "[mock]") {
    GalaxyParameters p = reference();
    p.bulgeFraction = 0;
    const GalaxyModel model(p);
    const double unit = gravity * p.stellarMass / p.discScale;
    // Peak 0.880 (pi G Sigma_0 Rd)^1/2 = 0.622 (G M / Rd)^1/2 at 2.15 Rd; Keplerian far outside.
    double best = 0, where = 0;
    for (double x = 0.5; x < 6; x += 0.005)
        if (model.circularSquaredOfStars(x * p.discScale) > best) {
            best = model.circularSquaredOfStars(x * p.discScale);
            where = x;
        }
    CHECK(std::sqrt(best / unit) == Approx(0.622).epsilon(1e-3));
    CHECK(where == Approx(2.15).margin(0.02));
    CHECK(model.circularSquaredOfStars(100 * p.discScale) == Approx(unit / 100).epsilon(1e-3));
}

TEST_CASE("a bulge alone has the dispersion of Hernquist (1990), equation 10", "[mock]") {
    GalaxyParameters p = reference();
    p.bulgeFraction = 1;
    p.gasMass = 0;
    p.haloMass = 1;  // none to speak of
    const GalaxyModel model(p);
    const double a = p.bulgeScale;
    for (const double x : {0.3, 1.0, 3.0, 10.0, 30.0}) {
        const double bracket = 12 * x * std::pow(1 + x, 3) * std::log((1 + x) / x) -
                               x / (1 + x) * (25 + 52 * x + 42 * x * x + 12 * x * x * x);
        const double expected = std::sqrt(gravity * p.stellarMass / (12 * a) * bracket);
        CHECK(double(model.at(float(x * a)).sigmaBulge) == Approx(expected).epsilon(0.01));
    }
}

TEST_CASE("the particles pull as the model's rotation curve says", "[mock]") {
    const Stars stars = mockGalaxy(200000, 5);
    const GalaxyParameters p = reference();
    const GalaxyModel model(p);
    for (const double x : {0.7, 1.5, 2.5, 4.0}) {
        const double radius = x * p.discScale;
        double inward = 0;
        const int points = 24;
        for (int k = 0; k < points; ++k) {
            const Vec3d axis{std::cos(2 * pi * k / points), std::sin(2 * pi * k / points), 0};
            for (std::size_t i = 0; i < stars.size(); ++i) {
                const Vec3d d = axis * radius - stars.position[i];
                inward += double(stars.mass[i]) * dot(d, axis) / std::pow(dot(d, d) + sq(0.1), 1.5);
            }
        }
        // The model's disc is razor-thin; the particles' height and the softening weaken the force by up to 7 %.
        CHECK(gravity * inward / points * radius == Approx(model.circularSquaredOfStars(radius)).epsilon(0.08));
    }
}

TEST_CASE("stars follow the profiles: disc, height, rotation", "[mock]") {
    const std::uint64_t n = 400000;
    const Stars stars = mockGalaxy(n, 2);
    const GalaxyParameters p = reference();
    const GalaxyModel model(p);
    REQUIRE(stars.size() == n);
    const double rd = p.discScale;

    // Mass within cylinders; the bulge's share from its projected density (R > a), which the disc's is added to.
    double total = 0;
    for (const float m : stars.mass) total += double(m);
    CHECK(total == Approx(5e10).epsilon(1e-3));
    const auto within = [&](double radius) {
        double m = 0;
        for (std::size_t i = 0; i < n; ++i)
            if (std::hypot(stars.position[i].x, stars.position[i].y) < radius) m += double(stars.mass[i]);
        return m / total;
    };
    for (const double x : {1.0, 2.0, 4.0}) {
        const double s = x * rd / p.bulgeScale, chi = std::acos(1 / s) / std::sqrt(s * s - 1);
        const double bulge = s * s * (chi - 1) / (1 - s * s);  // Hernquist 1990, eq. 37
        const double disc = 1 - (1 + x) * std::exp(-x);
        CHECK(within(x * rd) == Approx(p.bulgeFraction * bulge + (1 - p.bulgeFraction) * disc).epsilon(0.015));
    }

    // Mean rotation in rings, the bulge diluting it; and heights outside the bulge: tanh(1) within z0.
    for (const double x : {1.0, 2.0, 3.0, 4.0}) {
        double mean = 0, count = 0, low = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const Vec3d& q = stars.position[i];
            const Vec3f& v = stars.velocity[i];
            const double r = std::hypot(q.x, q.y);
            if (std::fabs(r - x * rd) > 0.05 * rd) continue;
            mean += (q.x * double(v.y) - q.y * double(v.x)) / r;
            count += 1;
            low += std::fabs(q.z) < p.discHeight;
        }
        const double disc = (1 - p.bulgeFraction) * std::exp(-x) / (2 * pi * rd * rd);
        const double bulge = p.bulgeFraction * hernquistSurface(x * rd, p.bulgeScale);
        const double share = disc / (disc + bulge);
        REQUIRE(count > 500);
        CHECK(mean / count == Approx(share * double(model.at(float(x * rd)).stream)).epsilon(0.03));
        CHECK(low / count == Approx(share * std::tanh(1.0)).epsilon(0.06));
    }
    // Drift: slower than circular, by less than a third beyond one scale length.
    for (const double x : {1.5, 3.0}) {
        const Kinematics k = model.at(float(x * rd));
        CHECK(k.stream < k.circular);
        CHECK(k.stream > 0.67f * k.circular);
        CHECK(double(k.circular) == Approx(std::sqrt(model.circularSquared(x * rd))).epsilon(1e-3));
    }
    CHECK(model.peakVelocity() > 180);
    CHECK(model.peakVelocity() < 260);
}

TEST_CASE("bulges are old and rich, discs get younger and poorer outwards", "[mock]") {
    const Stars stars = mockGalaxy(50000, 3);
    const double rd = reference().discScale;
    double age[3] = {}, metals[3] = {}, count[3] = {};
    for (std::size_t i = 0; i < stars.size(); ++i) {
        REQUIRE(stars.age[i] >= 1e-4f);
        REQUIRE(double(stars.age[i]) <= epochOf(99).oldest);
        REQUIRE(stars.metallicity[i] > 0);
        REQUIRE(stars.metallicity[i] < 0.1f);
        REQUIRE(stars.smoothing[i] > 0);
        REQUIRE(std::isfinite(stars.velocity[i].x + stars.velocity[i].y + stars.velocity[i].z));
        const double x = std::hypot(stars.position[i].x, stars.position[i].y) / rd;
        const int zone = x < 0.3 ? 0 : x < 2 ? 1 : 2;
        age[zone] += double(stars.age[i]);
        metals[zone] += double(stars.metallicity[i]);
        count[zone] += 1;
    }
    for (int zone = 0; zone < 2; ++zone) {
        CHECK(age[zone] / count[zone] > age[zone + 1] / count[zone + 1] + 0.5);
        CHECK(metals[zone] / count[zone] > 1.2 * metals[zone + 1] / count[zone + 1]);
    }
    // Some are young enough to light up gas.
    CHECK(std::count_if(stars.age.begin(), stars.age.end(), [](float t) { return t < 0.1f; }) > 20);
}

TEST_CASE("a galaxy in memory is a function of its seed", "[mock]") {
    const Stars a = mockGalaxy(1000, 1), b = mockGalaxy(1000, 1), c = mockGalaxy(1000, 2), shorter = mockGalaxy(10, 1);
    CHECK(std::equal(a.position.begin(), a.position.end(), b.position.begin()));
    CHECK(std::equal(a.velocity.begin(), a.velocity.end(), b.velocity.begin()));
    CHECK_FALSE(std::equal(a.position.begin(), a.position.end(), c.position.begin()));
    CHECK(shorter.position[9] == a.position[9]);
    CHECK(mockGalaxy(0, 1).size() == 0);
}
