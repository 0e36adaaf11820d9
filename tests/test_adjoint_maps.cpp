// Tangents and adjoints of the maps against a dull oracle in dual numbers, and against each other.
#include "adjoint_oracle_parts.hpp"
#include "adjoint_vectors.hpp"
#include "gradcheck.hpp"
#include "stages/maps_adjoint.hpp"
#include "tessera/physics/moments.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

const InstrumentTables noTables;

// [map][spaxel of the field], maps in the order of differentiableMaps().
template <class T>
std::vector<std::vector<T>> oracleMaps(const AdjointScene& s, const std::vector<T>& x) {
    using std::pow;
    const std::size_t n = s.config.telescope.spaxels(), side = n + 2 * s.pad;
    const View<T> view = viewOf(s, x);
    const Axes axes(s.library);
    const WavelengthGrid g = s.config.telescope.wavelengths();
    const double low = g.edge(0), high = g.edge(double(g.size));
    struct Sums {
        MomentSums<T> massAge, massZ, massV, lightAge, lightZ, lightV;
    };
    std::vector<Sums> sums(side * side);
    for (std::size_t i = 0; i < s.stars(); ++i) {
        const Star<T> star = starOf(s, axes, view, x, i);
        const std::vector<T> y = spectrumOf(s, x, star);
        const T light =
            star.mass * pixelAverage(s.library.wavelength.data(), y.data(), int(y.size()), star.shift, low, high);
        const T age = pow(T(10), x[s.star(i, 1)] - 9), z = x[s.star(i, 2)];
        for (const Share<T>& p : star.shares) {
            if (!(valueOf(p.share) > 0)) continue;
            Sums& to = sums[p.spaxel];
            to.massAge.add(p.share * star.mass, age);
            to.massZ.add(p.share * star.mass, z);
            to.massV.add(p.share * star.mass, star.velocity);
            to.lightAge.add(p.share * light, age);
            to.lightZ.add(p.share * light, z);
            to.lightV.add(p.share * light, star.velocity);
        }
    }
    std::vector<std::vector<T>> out(8, std::vector<T>(n * n, T(0)));
    for (std::size_t p = 0; p < n * n; ++p) {
        const Sums& f = sums[(p / n + s.pad) * side + p % n + s.pad];
        if (!(valueOf(f.massAge.weight) > 0)) continue;
        const T values[] = {f.massAge.weight,       weightedMean(f.massAge),     weightedMean(f.massZ),
                            weightedMean(f.massV),  weightedMean(f.lightAge),    weightedMean(f.lightZ),
                            weightedMean(f.lightV), weightedDispersion(f.lightV)};
        for (std::size_t m = 0; m < 8; ++m) out[m][p] = values[m];
    }
    return out;
}

std::vector<Map> cotangents(std::size_t n, std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<double> normal;
    // About as much from each map: units of solar masses, Gyr, mass fractions, km/s.
    const double unit[] = {1e6, 1, 0.01, 100, 1, 0.01, 100, 100};
    std::vector<Map> maps;
    for (std::size_t m = 0; const std::string& name : differentiableMaps()) {
        Map& map = maps.emplace_back(Map{name, "", std::vector<float>(n * n)});
        for (float& v : map.data) v = float(normal(rng) / unit[m]);
        ++m;
    }
    return maps;
}

}  // namespace

TEST_CASE("adjoints and tangents of the maps equal the oracle's", "[adjoint][maps]") {
    for (const FootprintKind footprint : {FootprintKind::nearest, FootprintKind::cloudInCell, FootprintKind::sph}) {
        SceneOptions o;
        o.footprint = footprint;
        o.doppler = footprint == FootprintKind::sph ? Doppler::classical : Doppler::relativistic;
        AdjointScene s = makeScene(o);
        const Stars stars = sceneStars(60);
        const Vector x = sceneInputs(s, stars);
        const std::size_t n = s.config.telescope.spaxels();
        const std::vector<Map> w = cotangents(n, 4);
        const GalaxyInput input{};
        const Linearisation at(Host{2}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
        const Vector found = flat(s, at.vjp(Cube{}, w, {false, false}));

        Vector expected(x.size(), 0.0);
        for (std::size_t i = 0; i < s.global(AdjointScene::psfFwhm); ++i) {
            std::vector<Dual<double>> moved(x.begin(), x.end());
            moved[i].d = 1;
            const auto maps = oracleMaps(s, moved);
            for (std::size_t m = 0; m < 8; ++m)
                for (std::size_t p = 0; p < n * n; ++p) expected[i] += maps[m][p].d * double(w[m].data[p]);
        }
        const auto check = [&](const std::string& name, const std::vector<std::size_t>& places, double tolerance) {
            double square = 0, worst = 0;
            for (const std::size_t i : places) {
                square += sq(expected[i]) / double(places.size());
                worst = std::max(worst, std::fabs(found[i] - expected[i]));
            }
            INFO("footprint " << int(footprint) << ", " << name << ": rms " << std::sqrt(square) << ", worst "
                              << worst);
            CHECK(worst <= tolerance * std::sqrt(square));
            return square > 0;
        };
        const bool moves = footprint != FootprintKind::nearest;
        for (std::size_t k = 0; k < AdjointScene::perStar; ++k) {
            std::vector<std::size_t> places;
            for (std::size_t i = 0; i < s.stars(); ++i) places.push_back(s.star(i, k));
            CHECK(check("input " + std::to_string(k), places, 1e-4) ==
                  (k < 6 || (k < 9 ? moves : footprint == FootprintKind::sph)));
        }
        const std::size_t g = s.global(0);
        CHECK(check("systemic velocity", {g, g + 1, g + 2}, 1e-4));
        CHECK(check("inclination", {s.global(AdjointScene::inclination)}, 1e-4));
        CHECK(check("twist", {s.global(AdjointScene::twist)}, 1e-4));
        // Through the band in the rest frame alone: a small difference, of slopes that are tabulated.
        CHECK(check("redshift (shift)", {s.global(AdjointScene::redshiftShift)}, 5e-3));
        CHECK(check("redshift (distance)", {s.global(AdjointScene::redshiftDistance)}, 1e-4) == moves);
        CHECK(check("position angle", {s.global(AdjointScene::positionAngle)}, 1e-4) == moves);

        Vector v = randomTangent(s, x, 6);
        std::fill(v.begin() + std::ptrdiff_t(s.global(AdjointScene::psfFwhm)), v.end(), 0.0);
        std::vector<Dual<double>> moved;
        for (std::size_t i = 0; i < x.size(); ++i) moved.emplace_back(x[i], v[i]);
        const auto maps = oracleMaps(s, moved);
        const std::vector<Map> tangent = at.jvpMaps(unflat(s, v));
        REQUIRE(tangent.size() == 9);
        double a = 0;
        for (std::size_t m = 0; m < 8; ++m) {
            INFO(tangent[m].name);
            CHECK(tangent[m].name == w[m].name);
            double square = 0, worst = 0;
            for (std::size_t p = 0; p < n * n; ++p) {
                if (std::isnan(tangent[m].data[p])) continue;
                square += sq(maps[m][p].d) / double(n * n);
                worst = std::max(worst, std::fabs(double(tangent[m].data[p]) - maps[m][p].d));
                a += double(tangent[m].data[p]) * double(w[m].data[p]);
            }
            CHECK(square > 0);
            CHECK(worst <= 1e-4 * std::sqrt(square));
        }
        CHECK(a != 0);
        CHECK(a == Approx(dotOf(v, found)).epsilon(1e-5));
    }
}

TEST_CASE("the map of the flux is part of the cube's cotangent", "[adjoint][maps]") {
    AdjointScene s = makeScene({});
    const Stars stars = sceneStars(40);
    sceneInputs(s, stars);
    const GalaxyInput input{};
    s.config.telescope.aperture = Aperture::circle;
    const Linearisation at(Host{1}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
    Cube ones(4, 4, 60);
    Map flux{"flux", "", std::vector<float>(16)};
    for (std::size_t p = 0; p < 16; ++p) {
        flux.data[p] = p == 0 ? NAN : float(p);  // a corner, outside the aperture
        for (std::size_t j = 0; j < 60; ++j) ones.spectrum(p)[j] = float(p) * 1.25F;
    }
    CHECK(flat(s, at.vjp(Cube{}, {flux})) == flat(s, at.vjp(ones)));
}

TEST_CASE("what is wrong with the cotangent of a map is said", "[adjoint][maps]") {
    AdjointScene s = makeScene({});
    const Stars stars = sceneStars(20);
    sceneInputs(s, stars);
    const GalaxyInput input{};
    const Linearisation at(Host{1}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
    CHECK_THROWS_WITH(at.vjp(Cube{}, {Map{"stars", "", std::vector<float>(16)}}),
                      Catch::Contains("\"stars\"") && Catch::Contains("velocity_light"));
    CHECK_THROWS_WITH(at.vjp(Cube{}, {Map{"mass", "", std::vector<float>(15)}}),
                      Catch::Contains("15 values") && Catch::Contains("4 x 4"));
    Map nan{"mass", "", std::vector<float>(16)};
    nan.data[9] = NAN;
    CHECK_THROWS_WITH(at.vjp(Cube{}, {nan}), Catch::Contains("not finite") && Catch::Contains("[2][1]"));
}
