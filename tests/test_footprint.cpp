// Footprints of stars on the sky: shares of their light, their derivatives, and cubes and maps made with them.
#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>

#include "gradcheck.hpp"
#include "observing.hpp"
#include "oracle.hpp"
#include "stages/projected_kernel.hpp"
#include "stages/spread.hpp"
#include "tessera/physics/cosmology.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

ProjectionConfig cloud() {
    return {FootprintKind::cloudInCell, {}};
}
ProjectionConfig kernel(double smoothing) {
    return {FootprintKind::sph, smoothing};
}

// Shares by spaxel, zero where there is no piece.
std::vector<double> sharesOf(const ProjectionConfig& c, const SpaxelGrid& g, double x, double y, double h) {
    Spread spread(c, g);
    std::vector<double> out(g.n * g.n, 0.0);
    for (const Piece& p : spread(x, y, h)) out[p.spaxel] += p.share;
    return out;
}
double sumOf(const std::vector<double>& v) {
    double sum = 0;
    for (const double x : v) sum += x;
    return sum;
}

// The kernel's part in a rectangle, by integrating it along the line of sight and over the rectangle.
double bruteForce(double x0, double x1, double y0, double y1) {
    using boost::math::quadrature::gauss_kronrod;
    const auto column = [](double r) {
        if (r >= 1) return 0.0;
        const auto part = [&](double low, double high) {
            return gauss_kronrod<double, 15>::integrate([&](double z) { return cubicSpline(std::hypot(r, z)); }, low,
                                                        high, 0);
        };
        const double half = r < 0.5 ? std::sqrt(0.25 - r * r) : 0, end = std::sqrt(1 - r * r);
        return 2 * (part(0, half) + part(half, end));
    };
    constexpr int n = 60;
    double sum = 0;
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j)
            sum += column(std::hypot(x0 + (x1 - x0) * (i + 0.5) / n, y0 + (y1 - y0) * (j + 0.5) / n));
    return sum * (x1 - x0) * (y1 - y0) / (n * n);
}

}  // namespace

TEST_CASE("the kernel's table is the kernel's integral", "[footprint]") {
    const KernelTable t = projectedKernel();
    const auto q = [&](double a, double b) { return kernelCorner(t, kernelEdge(a, t.cells), kernelEdge(b, t.cells)); };
    CHECK(kernelCornerExact(1, 1) == Approx(0.25).epsilon(1e-10));
    CHECK(q(1, 1) == Approx(0.25).epsilon(1e-10));
    double worst = 0;
    for (double a = 0.003; a < 1; a += 0.0517)
        for (double b = 0.004; b < 1; b += 0.0493) {
            worst = std::max(worst, std::fabs(q(a, b) - kernelCornerExact(a, b)));
            CHECK(q(-a, b) == -q(a, b));
            CHECK(q(a, 1.5) == q(a, 1));
        }
    INFO("largest difference " << worst);
    CHECK(worst < 1e-8);
    CHECK(worst > 0);
    for (const auto& [x0, y0] : {std::pair{-0.2, 0.1}, {0.0, 0.0}, {0.4, -0.7}, {-0.9, -0.1}}) {
        const double x1 = x0 + 0.3, y1 = y0 + 0.25;
        CHECK(q(x1, y1) - q(x0, y1) - q(x1, y0) + q(x0, y0) == Approx(bruteForce(x0, x1, y0, y1)).epsilon(2e-4));
    }
}

TEST_CASE("shares sum to 1, and what lies outside the grid is lost", "[footprint]") {
    const SpaxelGrid grid{16, 1, 0.5};
    for (const double h : {1e-12, 1e-3, 0.02, 0.3, 0.7, 1.9, 3.4})
        for (const auto& [x, y] : {std::pair{0.0, 0.0}, {0.25, 0.25}, {0.1234, -0.3}, {-0.49999, 0.07}, {0.5, 0.1}}) {
            INFO("h " << h << " at " << x << ", " << y);
            CHECK(std::fabs(sumOf(sharesOf(kernel(h), grid, x, y, h)) - 1) < 1e-6);
            CHECK(std::fabs(sumOf(sharesOf(cloud(), grid, x, y, 0)) - 1) < 1e-15);
        }
    // Half of it beyond the edge, a quarter in the corner, all of it outside, the grid inside of it.
    CHECK(sumOf(sharesOf(kernel(1), grid, 4, 0, 1)) == Approx(0.5).epsilon(1e-6));
    CHECK(sumOf(sharesOf(kernel(1), grid, -4, 4, 1)) == Approx(0.25).epsilon(1e-6));
    CHECK(sumOf(sharesOf(cloud(), grid, 4, 0, 0)) == Approx(0.5).epsilon(1e-12));
    CHECK(sharesOf(kernel(1), grid, 5.01, 0, 1) == std::vector<double>(256, 0.0));
    CHECK(sharesOf(cloud(), grid, 1e300, 0, 0) == std::vector<double>(256, 0.0));
    CHECK(sharesOf(kernel(1), grid, NAN, 0, 1) == std::vector<double>(256, 0.0));
    const double wide = sumOf(sharesOf(kernel(100), grid, 0, 0, 100));
    CHECK(wide == Approx(64 * 1.90986e-4).epsilon(0.01));  // 6/pi/h^2 in the kernel's middle
    CHECK(sumOf(sharesOf(kernel(1e300), grid, 0, 0, 1e300)) < 1e-12);
}

TEST_CASE("narrow kernels become points, and shares change smoothly", "[footprint]") {
    const SpaxelGrid grid{8, 1, 0.5};
    const auto difference = [&](double h, double x) {
        std::vector<double> a = sharesOf(kernel(h), grid, x, 0.1, h),
                            b = sharesOf(kernel(0.5e-10), grid, x, 0.1, 0.5e-10);
        double worst = 0;
        for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - b[i]));
        return worst;
    };
    CHECK(difference(0.05, 0.2) == 0);     // inside one spaxel
    CHECK(difference(0.05, 0.49) > 0.05);  // over an edge
    CHECK(difference(0.005, 0.49) == 0);
    // Over an edge the share goes from 1 to 0 within 2h, without a step.
    double last = 1;
    for (double x = 0.489; x < 0.512; x += 1e-4) {
        const double share = sharesOf(kernel(0.01), grid, x, 0.1, 0.01)[4 * 8 + 4];
        CHECK(share <= last + 1e-9);
        CHECK(share > last - 0.03);
        last = share;
    }
    CHECK(last < 1e-9);
}

TEST_CASE("slopes of shares", "[footprint]") {
    const SpaxelGrid grid{8, 1, 0.5};
    std::mt19937_64 rng(1);
    std::uniform_real_distribution<double> uniform;
    for (int i = 0; i < 100; ++i) {
        const bool sph = i % 2;
        const double h = 0.08 + 1.2 * uniform(rng), x = 3.9 * (uniform(rng) - 0.5), y = 3.9 * (uniform(rng) - 0.5);
        std::vector<double> bar(64);
        for (double& b : bar) b = uniform(rng);
        const auto loss = [&](const std::vector<double>& in) {
            const SpaxelGrid g{8, 1, in[3]};
            const auto shares = sharesOf(sph ? kernel(1) : cloud(), g, in[0], in[1], in[2]);
            double sum = 0;
            for (std::size_t s = 0; s < 64; ++s) sum += bar[s] * shares[s];
            return sum;
        };
        Spread spread(sph ? kernel(1) : cloud(), grid);
        const std::span<const Piece> pieces = spread.withSlopes(x, y, h);
        std::vector<double> slope(4, 0.0);
        REQUIRE(pieces.size() == spread.slopes().size());
        for (std::size_t k = 0; k < pieces.size(); ++k) {
            const PieceSlope& s = spread.slopes()[k];
            const double b = bar[pieces[k].spaxel];
            for (const auto& [to, value] : {std::pair{0, s.x}, {1, s.y}, {2, s.smoothing}, {3, s.spaxel}})
                slope[std::size_t(to)] += b * value;
        }
        const std::vector<double> at{x, y, h, 0.5};
        // Shares do not change when all lengths do.
        CHECK(std::fabs(slope[0] * x + slope[1] * y + slope[2] * h + slope[3] * 0.5) < 1e-9);
        for (std::size_t k = 0; k < 4; ++k) {
            if (k == 2 && !sph) continue;
            checkDerivative(
                [&](double v) {
                    std::vector<double> moved = at;
                    moved[k] = v;
                    return loss(moved);
                },
                at[k], slope[k], 1e-4);
        }
    }
}

TEST_CASE("edges of cloud in cell", "[footprint]") {
    // On the centre of a spaxel the whole star is there; the slope is that of the side above.
    const SpaxelGrid grid{4, 1, 1};
    Spread spread(cloud(), grid);
    const std::span<const Piece> pieces = spread.withSlopes(0.5, 0.5, 0);
    REQUIRE(pieces.size() == 4);
    CHECK(pieces[0].spaxel == 10);
    CHECK(pieces[0].share == 1);
    CHECK(pieces[1].share == 0);
    CHECK(spread.slopes()[0].x == -1);
    CHECK(spread.slopes()[1].x == 1);
    CHECK(spread.slopes()[2].y == 1);
    // In the field's last spaxel, beyond its centre: half of the light is outside.
    const std::span<const Piece> last = spread.withSlopes(2, 0.5, 0);
    REQUIRE(last.size() == 2);
    CHECK(last[0].spaxel == 11);
    CHECK(last[0].share == 0.5);
    CHECK(spread.slopes()[0].x == -1);
}

TEST_CASE("cubes with footprints are those of the stars' pieces", "[footprint]") {
    Config c = smallConfig();
    c.output.unit = CubeUnit::luminosity;
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Stars stars = randomStars(400, 3, 0.9, 120);
    stars.smoothing = Buffer<float>(stars.size());
    for (std::size_t i = 0; i < stars.size(); ++i) stars.smoothing[i] = i % 5 == 0 ? 0 : 0.02F * float(i % 50);
    const GalaxyInput input{};
    const Cosmology cosmology = planck15();
    const double kpc = 0.2 * kpcPerArcsec(cosmology, 0.1);
    const SpaxelGrid grid{10, 0.2, kpc};
    for (const ProjectionConfig& projection : {cloud(), ProjectionConfig{FootprintKind::sph, {}}, kernel(0.8)}) {
        c.projection = projection;
        const GalaxyCube g = observe(Host{2}, stars, input, c, 0, library, cosmology);
        // Each piece a star on the centre of its spaxel.
        std::vector<Piece> pieces;
        std::vector<std::size_t> star;
        Spread spread(projection, grid);
        double mass = 0;
        for (std::size_t i = 0; i < stars.size(); ++i)
            for (const Piece& p : spread(stars.position[i].x, stars.position[i].y, smoothingOf(projection, stars, i))) {
                pieces.push_back(p);
                star.push_back(i);
                mass += p.share * double(stars.mass[i]);
            }
        CHECK(pieces.size() > stars.size());
        Stars many(pieces.size());
        for (std::size_t p = 0; p < pieces.size(); ++p) {
            const std::size_t i = star[p], ix = pieces[p].spaxel % 10, iy = pieces[p].spaxel / 10;
            many.position[p] = {(double(ix) - 4.5) * kpc, (double(iy) - 4.5) * kpc, 0};
            many.velocity[p] = stars.velocity[i];
            many.mass[p] = float(pieces[p].share * double(stars.mass[i]));
            many.age[p] = stars.age[i];
            many.metallicity[p] = stars.metallicity[i];
        }
        OracleView view;
        const auto expected = oracleSpectra(many, view, library, grid, g.wavelength);
        const Difference d = compareSpectra(g.flux.data.data(), g.wavelength.size, expected, 100, g.wavelength.size);
        INFO("footprint " << int(projection.footprint) << ": worst " << d.worst);
        CHECK(d.brightest > 0);
        CHECK(d.worst < 1e-4);
        CHECK(g.report.massInField == Approx(mass).epsilon(1e-6));
        // A star counts once, where its centre is.
        std::vector<double> counts(100, 0.0);
        std::size_t inField = 0;
        for (std::size_t i = 0; i < stars.size(); ++i) {
            const std::uint32_t s = spaxelOf(stars.position[i].x, stars.position[i].y, grid);
            if (s == outsideField) continue;
            ++counts[s];
            ++inField;
        }
        CHECK(g.report.nStarsInField == inField);
        CHECK(std::vector<double>(mapOf(g, "stars").data.begin(), mapOf(g, "stars").data.end()) == counts);
        CHECK(same(observe(Host{1}, stars, input, c, 0, library, cosmology).flux, g.flux));
    }
}

TEST_CASE("no light is lost at the border of a padded field", "[footprint]") {
    // All stars near the field's corner: what shines outside comes in through the PSF alone.
    Config c = smallConfig();
    c.output.unit = CubeUnit::luminosity;
    const SspLibrary library = syntheticLibrary(20, 0.3);
    const Stars stars = randomStars(200, 5, 0.2, 50);
    const GalaxyInput input{};
    const auto light = [&](FootprintKind kind, std::optional<double> h) {
        c.projection = {kind, h};
        return total(observe(Host{1}, stars, input, c, 0, library, planck15()));
    };
    const double whole = light(FootprintKind::nearest, {});
    CHECK(light(FootprintKind::cloudInCell, {}) == Approx(whole).epsilon(1e-6));
    CHECK(light(FootprintKind::sph, 0.5) == Approx(whole).epsilon(1e-6));
    CHECK(light(FootprintKind::sph, 5) < 0.9 * whole);
}

TEST_CASE("what footprints need is said", "[footprint]") {
    const auto config = [](const std::string& text) {
        return parseConfig(R"({"snapshot": {"path": "p"}, "telescope": "MUSE", )" + text + "}");
    };
    CHECK(config(R"("projection": {"footprint": "sph"})").projection.smoothing == std::nullopt);
    CHECK(config(R"("projection": {"footprint": "sph", "smoothing": 0.7})").projection.smoothing == 0.7);
    CHECK(config(R"("projection": {"footprint": "sph", "smoothing": "snapshot"})").projection.smoothing ==
          std::nullopt);
    CHECK_THROWS_WITH(config(R"("projection": {"footprint": "sph", "smoothing": "all"})"), Catch::Contains("snapshot"));
    CHECK_THROWS_WITH(config(R"("projection": {"footprint": "cic", "smoothing": 1})"),
                      Catch::Contains("plays no part"));
    CHECK_THROWS_WITH(config(R"("projection": {"footprint": "cic"}, "compat": "rubix")"),
                      Catch::Contains("rubix") && Catch::Contains("nearest"));
#ifdef TESSERA_HAS_SIMT
    CHECK_THROWS_WITH(config(R"("projection": {"footprint": "cic"}, "resources": {"backend": "simt"})"),
                      Catch::Contains("projection.footprint") && Catch::Contains("simt"));
#endif
    Config c = smallConfig();
    c.projection.footprint = FootprintKind::sph;
    const Stars stars = randomStars(10, 5, 0.2, 50);
    CHECK_THROWS_WITH(observe(Host{1}, stars, {}, c, 0, syntheticLibrary(20, 0.3), planck15()),
                      Catch::Contains("projection.smoothing"));
}
