// The densest point of stars whose centre is known by construction.
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "tessera/centre.hpp"
#include "tessera/core/error.hpp"

using namespace tessera;

namespace {

// Plummer spheres (Aarseth, Henon & Wielen 1974) of `scale` [kpc], one star after another.
struct Cluster {
    Vec3d centre;
    double scale;
    std::size_t stars;
    float mass;
};

Stars makeStars(const std::vector<Cluster>& clusters) {
    std::size_t n = 0;
    for (const Cluster& c : clusters) n += c.stars;
    Stars s;
    s.position = Buffer<Vec3d>(n);
    s.mass = Buffer<float>(n);
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform(1e-4, 1 - 1e-4);
    std::size_t i = 0;
    for (const Cluster& c : clusters)
        for (std::size_t k = 0; k < c.stars; ++k, ++i) {
            const double r = c.scale / std::sqrt(std::pow(uniform(random), -2.0 / 3) - 1);
            const double z = 2 * uniform(random) - 1, phi = 6.283185307179586 * uniform(random);
            const double q = std::sqrt(1 - z * z);
            s.position[i] = c.centre + Vec3d{q * std::cos(phi), q * std::sin(phi), z} * r;
            s.mass[i] = c.mass;
        }
    return s;
}

}  // namespace

TEST_CASE("a cluster beside a heavier but looser one") {
    const Vec3d dense{51234.5, -20.25, 7000};
    const Stars s = makeStars({{dense, 1, 20000, 1.0F}, {dense + Vec3d{60, 10, 0}, 30, 30000, 1.0F}});
    const Vec3d found = densestPoint(s);
    // 1 % of the stars lie within about 0.2 kpc of the centre: its standard error is 0.2 / sqrt(500).
    CHECK(norm(found - dense) < 0.05);
    const Vec3d again = densestPoint(s);
    CHECK(found == again);
}

TEST_CASE("a satellite and stars far away do not draw the centre") {
    const Vec3d c{10, 20, 30};
    const Stars s = makeStars({{c, 2, 5000, 1.0F}, {c + Vec3d{25, 0, 0}, 0.5, 300, 1.0F}, {c, 500, 20, 50.0F}});
    CHECK(norm(densestPoint(s) - c) < 0.3);
}

TEST_CASE("few stars, equal positions, no mass") {
    Stars one = makeStars({{{1, 2, 3}, 1, 1, 5.0F}});
    CHECK(densestPoint(one) == one.position[0]);
    Stars same = makeStars({{{1, 2, 3}, 1, 100, 5.0F}});
    for (Vec3d& p : same.position) p = {4, 5, 6};
    CHECK(norm(densestPoint(same) - Vec3d{4, 5, 6}) < 1e-12);
    Stars massless = makeStars({{{1, 2, 3}, 1, 5000, 0.0F}});
    CHECK(norm(densestPoint(massless) - Vec3d{1, 2, 3}) < 0.2);
    CHECK_THROWS_AS(densestPoint(Stars{}), Error);
}
