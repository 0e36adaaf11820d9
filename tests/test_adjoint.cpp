// The fast tangents and adjoints against the dull oracle, against each other and against observe() itself.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "adjoint_vectors.hpp"
#include "gradcheck.hpp"
#include "instrumented.hpp"
#include "stages/instrument_slopes.hpp"
#include "stages/optics_transpose.hpp"
#include "stages/spectra_derivative.hpp"
#include "temporary.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/physics/doppler.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

using Lsf = SceneOptions::Lsf;

// Largest difference in units of the rms of the array, by kind of input.
void checkAlike(const AdjointScene& s, const Vector& found, const Vector& expected, double tolerance) {
    static const char* const names[] = {"mass", "log age", "metallicity", "vx", "vy", "vz", "x", "y", "z", "smoothing"};
    const bool moves = s.config.projection.footprint != FootprintKind::nearest,
               grows = s.config.projection.footprint == FootprintKind::sph;
    const auto check = [&](const std::string& name, const std::vector<std::size_t>& at, bool mayVanish = false) {
        Vector f, e;
        for (const std::size_t i : at) {
            f.push_back(found[i]);
            e.push_back(expected[i]);
        }
        const double rms = rmsOf(e);
        double worst = 0;
        for (std::size_t i = 0; i < f.size(); ++i) worst = std::max(worst, std::fabs(f[i] - e[i]));
        INFO(name << ": rms " << rms << ", worst difference " << worst / rms);
        if (!mayVanish) CHECK(rms > 0);
        CHECK(worst <= tolerance * rms);
    };
    for (std::size_t k = 0; k < AdjointScene::perStar; ++k) {
        std::vector<std::size_t> at;
        for (std::size_t i = 0; i < s.stars(); ++i) at.push_back(s.star(i, k));
        check(names[k], at, k == 9 ? !grows : k >= 6 && !moves);
    }
    const std::size_t g = s.global(0);
    check("systemic velocity", {g, g + 1, g + 2});
    check("redshift (shift)", {s.global(AdjointScene::redshiftShift)});
    check("redshift (distance)", {s.global(AdjointScene::redshiftDistance)}, s.config.output.unit != CubeUnit::flux);
    const std::size_t c = s.global(AdjointScene::centre);
    check("centre", {c, c + 1, c + 2}, !moves);
    check("inclination, twist", {s.global(AdjointScene::inclination), s.global(AdjointScene::twist)});
    if (moves)
        check("position angle", {s.global(AdjointScene::positionAngle)});
    else
        CHECK(std::fabs(found[s.global(AdjointScene::positionAngle)]) <=
              1e-10 * std::fabs(expected[s.global(AdjointScene::inclination)]));
    if (s.config.psf) check("PSF FWHM", {s.global(AdjointScene::psfFwhm)});
    if (s.config.psf && s.config.psf->kind == PsfKind::moffat) check("PSF beta", {s.global(AdjointScene::psfBeta)});
    // Of spectra smoother than the LSF a small difference of large numbers, in single precision.
    tolerance *= 20;
    for (std::size_t k = 0; k < s.lsfSize(); ++k) check("LSF", {s.lsf(k)});
    tolerance /= 20;
    std::vector<std::size_t> spectra;
    for (std::size_t i = s.spectrum(0); i < s.inputs(); ++i) spectra.push_back(i);
    check("templates", spectra);
}

std::vector<SceneOptions> scenes() {
    std::vector<SceneOptions> out(7);
    out[1].log = true;
    out[1].lsf = Lsf::resolution;
    out[1].psf = PsfKind::doubleGaussian;
    out[2].lsf = Lsf::polynomial;
    out[2].psf = PsfKind::moffat;
    out[2].doppler = Doppler::classical;
    out[3].psf.reset();
    out[3].lsf = Lsf::sigma;
    out[3].libraryResolution = true;
    out[3].doppler = Doppler::exponential;
    out[3].unit = CubeUnit::luminosity;
    out[4].lsf = Lsf::none;
    out[4].libraryStep = 0.9;
    out[5].footprint = FootprintKind::cloudInCell;
    out[6].footprint = FootprintKind::sph;
    out[6].unit = CubeUnit::luminosity;
    return out;
}

// The scene's own numbers: the fast path takes ages in Gyr, in single precision.
const GradientOptions everything{true, true};
const InstrumentTables noTables;

}  // namespace

TEST_CASE("fast adjoints and tangents equal the oracle's", "[adjoint]") {
    for (const SceneOptions& o : scenes()) {
        AdjointScene s = makeScene(o);
        const Stars stars = sceneStars(150);
        const Vector x = sceneInputs(s, stars), w = randomCotangent(s, 5), v = randomTangent(s, x, 6);
        const GalaxyInput input{};
        const Linearisation at(Host{2}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
        INFO("library " << o.libraryStep << " psf " << int(o.psf.value_or(PsfKind::fits)) << " lsf " << int(o.lsf));
        checkAlike(s, flat(s, at.vjp(cubeOf(s, w), everything)), oracleAdjoint(s, x, w), 1e-4);

        std::vector<Dual<double>> moved;
        for (std::size_t i = 0; i < x.size(); ++i) moved.emplace_back(x[i], v[i]);
        const auto expected = oracleObserve(s, moved);
        const Cube found = at.jvp(unflat(s, v));
        Vector e;
        for (const auto& d : expected) e.push_back(d.d);
        const double rms = rmsOf(e);
        double worst = 0;
        for (std::size_t i = 0; i < e.size(); ++i) worst = std::max(worst, std::fabs(double(found.data[i]) - e[i]));
        INFO("tangent: rms " << rms << ", worst " << worst / rms);
        CHECK(rms > 0);
        CHECK(worst <= 1e-4 * rms);
    }
}

TEST_CASE("fast tangent and adjoint are each other's transposes", "[adjoint]") {
    auto all = scenes();
    all.erase(all.begin() + 4);
    all[0].psf = PsfKind::gaussian;
    for (const bool varying : {false, true})
        for (const SceneOptions& o : all) {
            if (varying && !o.psf) continue;
            AdjointScene s = makeScene(o);
            if (varying) {  // the PSF acts first, each wavelength with its own
                s.config.psf->referenceWavelength = 4800;
                s.config.psf->power = -1;
            }
            s.config.telescope.aperture = Aperture::circle;
            const Stars stars = sceneStars(300);
            const Vector x = sceneInputs(s, stars), w = randomCotangent(s, 7), v = randomTangent(s, x, 8);
            const GalaxyInput input{};
            const Linearisation at(Host{2}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
            const Vector forward = valuesOf(at.jvp(unflat(s, v)));
            const double a = dotOf(forward, w), b = dotOf(v, flat(s, at.vjp(cubeOf(s, w), everything)));
            const double size = std::sqrt(dotOf(forward, forward) * dotOf(w, w));
            INFO("varying " << varying << ": <Jv, w> " << a << " <v, J^T w> " << b << " |Jv| |w| " << size);
            CHECK(a != 0);
            CHECK(std::fabs(a - b) < 1e-5 * size);
            // J^T J is symmetric and positive.
            const Vector u = randomTangent(s, x, 9);
            const Vector h = flat(s, at.gaussNewton(unflat(s, v), nullptr, everything));
            const Vector hu = flat(s, at.gaussNewton(unflat(s, u), nullptr, everything));
            CHECK(dotOf(v, h) == Approx(dotOf(forward, forward)).epsilon(1e-5));
            CHECK(std::fabs(dotOf(u, h) - dotOf(v, hu)) < 1e-5 * std::sqrt(dotOf(v, h) * dotOf(u, hu)));
        }
}

TEST_CASE("threads and blocks of wavelengths leave the gradient as it is", "[adjoint]") {
    for (const SceneOptions& o : scenes()) {
        AdjointScene s = makeScene(o);
        const Stars stars = sceneStars(400);
        sceneInputs(s, stars);
        const Cube w = cubeOf(s, randomCotangent(s, 10));
        const GalaxyInput input{};
        const auto gradient = [&](int threads, std::uint64_t memory = 0) {
            s.config.resources.memoryPerRank = memory;
            return flat(s, Linearisation(Host{threads}, stars, input, s.config, 0, s.library, s.cosmology, noTables)
                               .vjp(w, everything));
        };
        const Vector one = gradient(1);
        for (const int threads : {2, 3, 5}) CHECK(gradient(threads) == one);
        checkAlike(s, gradient(2, 1 << 16), one, 2e-5);
    }
}

TEST_CASE("gradients are those of observe()", "[adjoint]") {
    // Directions that are smooth in single precision: large steps in the view, whose errors fall four times.
    AdjointScene s = makeScene({});
    const Stars stars = sceneStars(300);
    sceneInputs(s, stars);
    const Vector w = randomCotangent(s, 11);
    const GalaxyInput input{};
    const InputsBar g = Linearisation(Host{2}, stars, input, s.config, 0, s.library, s.cosmology, noTables)
                            .vjp(cubeOf(s, w), everything);
    const auto loss = [&](const Config& c) {
        const GalaxyCube cube = observe(Host{2}, stars, input, c, 0, s.library, s.cosmology);
        return dotOf(valuesOf(cube.flux), w);
    };
    const auto slope = [&](auto set, double x, double step) {
        const auto central = [&](double h) {
            Config low = s.config, high = s.config;
            set(low, x - h);
            set(high, x + h);
            return (loss(high) - loss(low)) / (2 * h);
        };
        return (4 * central(step / 2) - central(step)) / 3;
    };
    CHECK(slope([](Config& c, double x) { c.psf->fwhm = x; }, 0.45, 0.01) == Approx(g.psfFwhm).epsilon(2e-3));
    CHECK(slope([](Config& c, double x) { c.lsf->fwhm = x; }, 2.6, 0.15) == Approx(g.lsf[0]).epsilon(3e-2));
    // Dropping a star is a step of its whole mass: the cube is linear in it.
    const Stars fewer = [&] {
        Stars f = sceneStars(300);
        f.mass[7] = 0;
        return f;
    }();
    const double without = dotOf(valuesOf(observe(Host{2}, fewer, input, s.config, 0, s.library, s.cosmology).flux), w);
    CHECK(loss(s.config) - without == Approx(double(stars.mass[7]) * double(g.stars.mass[7])).epsilon(1e-3));
}

TEST_CASE("stars that do not count have no gradient, and clamped ones none in what is clamped", "[adjoint]") {
    AdjointScene s = makeScene({});
    Stars stars = sceneStars(50);
    stars.position[3] = {100, 0, 0};
    stars.mass[4] = 0;
    stars.position[4] = stars.position[0] = stars.position[1] = {0.01, 0.01, 0.01};
    stars.metallicity[5] = 0;
    stars.position[5] = {-0.01, 0.01, 0.01};
    sceneInputs(s, stars);
    const GalaxyInput input{};
    const Linearisation at(Host{1}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
    const InputsBar g = at.vjp(cubeOf(s, Vector(randomCotangent(s, 1).size(), 1.0)));
    CHECK(g.stars.mass[3] == 0);
    CHECK(g.stars.velocity[3] == Vec3f{});
    CHECK(g.stars.mass[4] > 0);  // what a first bit of mass would add
    CHECK(g.stars.logAge[4] == 0);
    CHECK(g.stars.velocity[4] == Vec3f{});
    CHECK(g.stars.logAge[0] == 0);  // older than all templates
    CHECK(g.stars.metallicity[0] != 0);
    CHECK(g.stars.metallicity[1] == 0);  // richer
    CHECK(g.stars.logAge[1] != 0);
    CHECK(g.stars.metallicity[5] == 0);
    CHECK(g.templates.empty());

    Cube wrong(3, 4, 5);
    CHECK_THROWS_WITH(at.vjp(wrong), Catch::Contains("3 x 4 x 5") && Catch::Contains("4 x 4 x 60"));
    Cube nan = cubeOf(s, randomCotangent(s, 2));
    nan.spectrum(2, 1)[7] = NAN;
    CHECK_THROWS_WITH(at.vjp(nan), Catch::Contains("not finite") && Catch::Contains("[2][1]"));
    InputsBar few;
    few.stars = StarsBar(3);
    CHECK_THROWS_WITH(at.jvp(few), Catch::Contains("3 stars for 50"));
    // Outside the aperture and beyond the library nothing is looked at.
    s.config.telescope.aperture = Aperture::circle;
    Cube corners = cubeOf(s, randomCotangent(s, 2));
    for (float& v : std::span(corners.spectrum(0, 0), 60)) v = NAN;
    const InputsBar round =
        Linearisation(Host{1}, stars, input, s.config, 0, s.library, s.cosmology, noTables).vjp(corners);
    for (const float v : round.stars.mass) CHECK(std::isfinite(v));
}

TEST_CASE("crowded spaxels' gradients equal those star by star", "[adjoint]") {
    for (const double libraryStep : {20.0, 0.9})
        for (const bool withLsf : {true, false}) {
            const Stars stars = randomStars((libraryStep < 1 ? 100000 : 20000) / (instrumented ? 4 : 1), 61, 0.1, 120);
            const SspLibrary library = syntheticLibrary(libraryStep, 0.3, 7, 6, 3);
            const WavelengthGrid grid{4900.15, 1.25, 200, false};
            std::optional<tessera::Lsf> lsf;
            LsfConfig width;
            width.fwhm = 2.6;
            if (withLsf) lsf = makeLsf(width, nullptr, grid, library, 0.1);
            const std::size_t r = lsf ? lsf->radius : 0;
            const WavelengthGrid wide = grid.window(-std::ptrdiff_t(r), grid.size + 2 * r);
            const Projected p = project(Host{2}, stars, {{}, {}, Mat3d{}}, 0, {1, 1, 10}, Doppler::relativistic);
            // A random cotangent behind the LSF.
            Cube bar(1, 1, grid.size);
            std::mt19937_64 rng(3);
            std::normal_distribution<double> normal;
            for (float& v : bar.data) v = float(normal(rng));
            const Optics optics({}, lsf, 1, grid);
            const std::size_t stride = (wide.size + 64) / 16 * 16;
            std::vector<float> spectra(stride, 0.0F);
            const std::vector<std::uint8_t> all(grid.size, 1), wanted{1};
            const std::vector<std::uint32_t> lit{0};
            OpticsTranspose(optics, {}, lsf)(Host{2}, bar, all, wanted, lit, 0, grid.size, spectra.data(), stride);

            KnotTable table = knots(library, 0.1, "air", wide, p.shiftMin, p.shiftMax, 1e-4);
            const auto gather = [&](double shiftStep, int threads = 2) {
                table.shiftStep = shiftStep;
                const BinnedStars b = bin(Host{2}, stars, p, 1, table);
                std::vector<StarRecordBar> out(b.stars.size(), StarRecordBar{}), bySource(out.size());
                TemplatesBar templates(table);  // with them at the knots, for any library
                if (table.fine && shiftStep > 1e-8)
                    PixelGather(b, table)(Host{threads}, wide, 1, spectra.data(), stride, out.data());
                else
                    SpectraDerivative(b, table, grid.size)
                        .adjoint(Host{threads}, wide, 1, spectra.data(), stride, out.data(),
                                 shiftStep < 1e-8 ? &templates : nullptr);
                for (std::size_t k = 0; k < out.size(); ++k) bySource[b.stars[k].source] = out[k];
                return bySource;
            };
            const auto exact = gather(1e-9), found = gather(derivativeShiftStep(1e-4, table.fine)),
                       one = gather(derivativeShiftStep(1e-4, table.fine), 1);
            CHECK(std::memcmp(one.data(), found.data(), one.size() * sizeof(StarRecordBar)) == 0);
            const auto difference = [&](auto member) {
                double sum = 0, errors = 0;
                for (std::size_t k = 0; k < exact.size(); ++k) {
                    sum += sq(double(exact[k].*member));
                    errors += sq(double(exact[k].*member) - double(found[k].*member));
                }
                return std::sqrt(errors / sum);
            };
            INFO("library " << libraryStep << ", lsf " << withLsf << ": mass " << difference(&StarRecordBar::mass)
                            << ", age " << difference(&StarRecordBar::ageFraction) << ", metallicity "
                            << difference(&StarRecordBar::zFraction) << ", shift "
                            << difference(&StarRecordBar::shift));
            for (const auto member : {&StarRecordBar::mass, &StarRecordBar::ageFraction, &StarRecordBar::zFraction})
                CHECK(difference(member) < 1e-5);
            // A cotangent that jumps from pixel to pixel is the worst there is: behind an LSF none does.
            CHECK(difference(&StarRecordBar::shift) < (withLsf ? 1e-4 : 3e-4));
            CHECK(difference(&StarRecordBar::shift) > 0);

            // Tangent and adjoint of the same bins are each other's transposes, templates included.
            const BinnedStars binned = bin(Host{2}, stars, p, 1, table);
            std::vector<StarRecordBar> dot(binned.stars.size());
            for (StarRecordBar& d : dot)
                d = {float(1e4 * normal(rng)), float(0.1 * normal(rng)), float(0.1 * normal(rng)),
                     float(1e-4 * normal(rng))};
            std::vector<float> tangent(stride);
            const SpectraDerivative d(binned, table, grid.size);
            d.tangent(Host{2}, wide, 1, dot.data(), tangent.data(), stride);
            std::vector<StarRecordBar> back(dot.size(), StarRecordBar{});
            TemplatesBar templates(table);
            d.adjoint(Host{2}, wide, 1, spectra.data(), stride, back.data(), &templates);
            double a = 0, b = 0, size = 0, light = 0, byTemplates = 0;
            for (std::size_t j = 0; j < wide.size; ++j) {
                a += double(tangent[j]) * double(spectra[j]);
                size += std::fabs(double(tangent[j]) * double(spectra[j]));
            }
            for (std::size_t k = 0; k < dot.size(); ++k) {
                b += double(dot[k].mass) * double(back[k].mass) + double(dot[k].shift) * double(back[k].shift) +
                     double(dot[k].ageFraction) * double(back[k].ageFraction) +
                     double(dot[k].zFraction) * double(back[k].zFraction);
                light += double(binned.stars[k].mass) * double(back[k].mass);
            }
            CHECK(a != 0);
            CHECK(std::fabs(a - b) < 1e-5 * size);
            // Spectra are linear in the masses and in the templates alike.
            const std::vector<double> total = templates.total();
            for (std::size_t t = 0; t < table.templates(); ++t)
                for (std::size_t m = 0; m < table.size(); ++m)
                    byTemplates += total[t * table.stride + m] * double(table.flux[t * table.stride + m]);
            CHECK(byTemplates == Approx(light).epsilon(1e-4));
        }
}

// Of the redshift's gradient it is 1e-4, so it is looked at by itself.
TEST_CASE("the redshift's part in the LSF of a library with a resolution", "[adjoint]") {
    SceneOptions o;
    o.lsf = SceneOptions::Lsf::sigma;
    o.libraryResolution = true;
    AdjointScene s = makeScene(o);
    const double z = s.config.views[0].redshift;
    const WavelengthGrid grid = s.config.telescope.wavelengths();

    const std::vector<double> slopes = lineSigmaSlopes(*s.config.lsf, nullptr, grid, s.library, z);
    constexpr double step = 1e-5;
    const auto sigmas = [&](double at) { return lineSigmas(*s.config.lsf, nullptr, grid, s.library, at); };
    const std::vector<double> up = sigmas(z + step), down = sigmas(z - step);
    for (std::size_t j = 0; j < grid.size; ++j) {
        CHECK(std::fabs(slopes[j]) > 0.1);
        CHECK(slopes[j] == Approx((up[j] - down[j]) / (2 * step)).epsilon(1e-7));
    }

    // Of one width for all wavelengths: instrument^2 = (2.355 sigma)^2 takes what library^2 (1+z)^2 gives.
    std::fill(s.library.fwhm.begin(), s.library.fwhm.end(), 1.2);
    const Stars stars = sceneStars(150);
    const Vector w = randomCotangent(s, 5);
    const Cube cotangent = cubeOf(s, w);
    const GalaxyInput input{};
    const Linearisation at(Host{2}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
    const InputsBar with = at.vjp(cotangent, {true, false}), without = at.vjp(cotangent, {false, false});
    const double perSigma = with.lsf.at(0);
    REQUIRE(perSigma != 0);
    CHECK(with.redshiftShift - without.redshiftShift ==
          Approx(-perSigma * sq(1.2) * (1 + z) / (sq(units::fwhm_per_sigma) * *s.config.lsf->sigma)).epsilon(1e-6));
    InputsBar tangent;
    tangent.redshiftShift = 1;
    const Cube pushed = at.jvp(tangent);
    double product = 0;
    for (std::size_t i = 0; i < w.size(); ++i) product += pushed.data[i] * w[i];
    CHECK(product == Approx(with.redshiftShift).epsilon(4e-6));
}
