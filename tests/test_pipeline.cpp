// observe(): the whole forward model against the dull oracle, and its invariants.
#include "observing.hpp"
#include "oracle.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/orient.hpp"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("the whole model equals the oracle", "[pipeline]") {
    const Stars stars = randomStars(4000, 21, 1.2, 180);
    const SspLibrary library = syntheticLibrary(20, 0.4);
    Config c = smallConfig();
    c.psf = PsfConfig{};
    c.psf->fwhm = 0.5;
    c.lsf = LsfConfig{};
    c.lsf->fwhm = 2.5;
    const GalaxyCube g = observe(Host{2}, stars, {}, c, 0, library, planck15());
    REQUIRE(g.flux.nx == 10);
    REQUIRE(g.wavelength.size == 600);

    // The oracle: the padded field and range, direct convolutions, then the middle is cut out.
    const double kpc = 0.2 * kpcPerArcsec(planck15(), 0.1),
                 scale = fluxPerLuminosity(0.1, luminosityDistanceMpc(planck15(), 0.1));
    const std::size_t pad = 8, wings = 8;
    const SpaxelGrid grid{10 + 2 * pad, 0.2, kpc};
    const WavelengthGrid window = g.wavelength.window(-std::ptrdiff_t(wings), 600 + 2 * wings);
    OracleView view;
    view.scale = scale;
    const auto spectra = oracleSpectra(stars, view, library, grid, window);
    const double sigma = 2.5 / 2.3548200450309493;
    const auto kernel =
        oracleKernel(pad, [&](double x, double y) { return std::exp(-(x * x + y * y) / (2 * sq(sigma))); });
    const auto blurred = oracleConvolve(spectra, grid.n, window.size, kernel, pad);
    std::vector<double> expected;
    for (std::size_t y = pad; y < pad + 10; ++y)
        for (std::size_t x = pad; x < pad + 10; ++x) {
            const double* s = blurred.data() + (y * grid.n + x) * window.size;
            const auto spread = oracleLineSpread({s, s + window.size}, window, std::vector<double>(window.size, sigma));
            expected.insert(expected.end(), spread.begin() + std::ptrdiff_t(wings),
                            spread.end() - std::ptrdiff_t(wings));
        }
    const Difference d = compareSpectra(g.flux.data.data(), 600, expected, 100, 600);
    INFO("worst " << d.worst << " at spaxel " << d.spaxel << " pixel " << d.pixel);
    CHECK(d.brightest > 0);
    CHECK(d.worst < 1e-4);
}

TEST_CASE("flux closure: sum F dlambda 4 pi D_L^2 is the luminosity in the band", "[pipeline]") {
    const Stars stars = randomStars(5000, 22, 0.8, 200);
    for (const double step : {20.0, 0.9}) {
        const SspLibrary library = syntheticLibrary(step, 0.3);
        Config c = smallConfig();
        const GalaxyCube g = observe(Host{2}, stars, {}, c, 0, library, planck15());
        const double distance = g.report.luminosityDistanceMpc * units::Mpc_cm;
        const double luminosity = total(g) * 1e-20 * 4 * units::pi * distance * distance / units::Lsun_erg_s;
        CHECK(luminosity == Approx(g.report.luminosityInBand).epsilon(1e-6));

        // The report's own figure against sum m * integral of the template, star by star.
        double sum = 0;
        std::size_t inside = 0;
        const double half = 5 * g.grid.spaxelKpc;
        for (std::size_t i = 0; i < stars.size(); ++i) {
            const Vec3d x = stars.position[i];
            if (std::fabs(x.x) >= half || std::fabs(x.y) >= half) continue;
            ++inside;
            const auto y = oracleTemplate(library, double(stars.age[i]), double(stars.metallicity[i]));
            const double beta = double(stars.velocity[i].z) / units::c_km_s;
            const double stretch = 1.1 * std::sqrt((1 + beta) / (1 - beta));
            double light = 0;  // trapezoids between the knots inside the band, and the two ends
            const double low = g.wavelength.edge(0) / stretch,
                         high = g.wavelength.edge(double(g.wavelength.size)) / stretch;
            for (std::size_t m = 0; m + 1 < y.size(); ++m) {
                const double a = std::max(low, library.wavelength[m]), b = std::min(high, library.wavelength[m + 1]);
                if (b <= a) continue;
                const double slope = (y[m + 1] - y[m]) / (library.wavelength[m + 1] - library.wavelength[m]);
                light += (b - a) * (y[m] + slope * (0.5 * (a + b) - library.wavelength[m]));
            }
            sum += double(stars.mass[i]) * light * stretch / 1.1;
        }
        CHECK(g.report.luminosityInBand == Approx(sum).epsilon(1e-6));
        CHECK(g.report.nStarsInField == inside);
        CHECK(inside > 1000);
        CHECK(inside < stars.size());
    }
}

TEST_CASE("the luminosity unit has no distance in it", "[pipeline]") {
    const Stars stars = randomStars(200, 23, 0.5, 100);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    const GalaxyCube flux = observe(Host{1}, stars, {}, c, 0, library, planck15());
    c.output.unit = CubeUnit::luminosity;
    const GalaxyCube luminosity = observe(Host{1}, stars, {}, c, 0, library, planck15());
    const double factor = fluxPerLuminosity(0.1, flux.report.luminosityDistanceMpc);
    CHECK(total(flux) == Approx(total(luminosity) * factor).epsilon(1e-6));
    CHECK(flux.unit == "1e-20 erg s-1 cm-2 Angstrom-1");
    CHECK(luminosity.unit == "Lsun Angstrom-1");
}

TEST_CASE("bounded memory and threads leave the cube as it is", "[pipeline]") {
    const Stars stars = randomStars(3000, 24, 1, 150);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.psf = PsfConfig{};
    c.lsf = LsfConfig{};
    c.lsf->resolution = 1800;
    c.noise = NoiseConfig{};
    c.noise->signalToNoise = 20;
    const GalaxyCube one = observe(Host{1}, stars, {}, c, 0, library, planck15());
    const GalaxyCube four = observe(Host{4}, stars, {}, c, 0, library, planck15());
    CHECK(same(one.flux, four.flux));
    CHECK(same(one.variance, four.variance));
    c.noise.reset();
    const GalaxyCube whole = observe(Host{2}, stars, {}, c, 0, library, planck15());
    c.resources.memoryPerRank = 1 << 20;  // many blocks of wavelengths
    const GalaxyCube blocks = observe(Host{2}, stars, {}, c, 0, library, planck15());
    const std::vector<double> expected(whole.flux.data.begin(), whole.flux.data.end());
    CHECK(compareSpectra(blocks.flux.data.data(), 600, expected, 100, 600).worst < 2e-6);
    CHECK(total(whole) > 0);
}

TEST_CASE("stars may go as soon as the observer is done with them", "[pipeline]") {
    Stars stars = randomStars(3000, 24, 1, 150);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Config c = smallConfig();
    c.psf = PsfConfig{};
    c.noise = NoiseConfig{};
    c.noise->signalToNoise = 20;
    Observer observer(Host{2}, c, library, cosmology, tables);
    const GalaxyCube kept = observer.observe(stars, {}, 0, NoiseKey{7, 0});
    std::vector<Observer::StarsPart> gave;
    const GalaxyCube gone = observer.observe(stars, {}, 0, NoiseKey{7, 0}, Comm::self(), [&](Observer::StarsPart part) {
        gave.push_back(part);
        constexpr float nan = std::numeric_limits<float>::quiet_NaN();
        if (part == Observer::StarsPart::motion) {
            for (Vec3d& x : stars.position) x = {nan, nan, nan};
            for (Vec3f& v : stars.velocity) v = {nan, nan, nan};
            stars.dropMotion();
            return;
        }
        for (std::size_t i = 0; i < stars.size(); ++i) stars.mass[i] = stars.age[i] = nan;
        stars = {};
    });
    CHECK(gave == std::vector{Observer::StarsPart::motion, Observer::StarsPart::all});
    CHECK(same(gone.flux, kept.flux));
    CHECK(same(gone.variance, kept.variance));
    CHECK(gone.report.nStars == 3000);
    CHECK(mapOf(gone, "mass").data == mapOf(kept, "mass").data);
    CHECK(total(gone) > 0);
}

TEST_CASE("particles across the box border are seen as one galaxy", "[pipeline]") {
    Stars stars = randomStars(1000, 25, 0.5, 100);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    const Config c = smallConfig();
    const GalaxyCube whole = observe(Host{1}, stars, {}, c, 0, library, planck15());
    const double box = 1000;
    for (std::size_t i = 0; i < stars.size(); ++i)
        for (int k = 0; k < 3; ++k) stars.position[i][k] = std::fmod(stars.position[i][k] + 999.9 + box, box);
    const GalaxyInput input{Subhalo{}, box, {999.9, 999.9, 999.9}};
    const GalaxyCube wrapped = observe(Host{1}, stars, input, c, 0, library, planck15());
    // Stars on a spaxel's very edge may change sides by rounding.
    CHECK(wrapped.report.nStarsInField == whole.report.nStarsInField);
    CHECK(total(wrapped) == Approx(total(whole)).epsilon(1e-6));
}

TEST_CASE("a receding star is redder, and the centre's velocity is taken off", "[pipeline]") {
    Stars stars = randomStars(1, 26, 0.001, 0);
    stars.position[0] = {0.01, 0.01, 0};
    stars.velocity[0] = {0, 0, 3000};
    SspLibrary library = syntheticLibrary(1, 0, 7, 2, 2);
    for (std::size_t t = 0; t < 4; ++t)  // one line
        for (std::size_t m = 0; m < library.nLambda(); ++m)
            library.flux[t * library.nLambda() + m] = std::exp(-0.5 * sq((library.wavelength[m] - 4700) / 5));
    Config c = smallConfig();
    const auto peak = [&](const GalaxyCube& g) {
        double sum = 0, weighted = 0;
        for (std::size_t s = 0; s < g.flux.spaxels(); ++s)
            for (std::size_t j = 0; j < g.flux.nLambda; ++j) {
                sum += double(g.flux.spectrum(s)[j]);
                weighted += double(g.flux.spectrum(s)[j]) * g.wavelength.centre(double(j));
            }
        return weighted / sum;
    };
    const double beta = 3000 / units::c_km_s;
    const GalaxyCube moving = observe(Host{1}, stars, {}, c, 0, library, planck15());
    CHECK(peak(moving) == Approx(4700 * 1.1 * std::sqrt((1 + beta) / (1 - beta))).epsilon(1e-5));
    CHECK(mapOf(moving, "velocity_light").data[55] == Approx(3000).epsilon(1e-5));
    c.views[0].systemicVelocity = SystemicVelocity::mean;
    const GalaxyCube still = observe(Host{1}, stars, {}, c, 0, library, planck15());
    CHECK(peak(still) == Approx(4700 * 1.1).epsilon(1e-5));
    CHECK(still.report.systemicVelocity.z == Approx(3000));
}

TEST_CASE("wavelengths in air and in vacuum", "[pipeline]") {
    // [O III] 5008.240 in vacuum, 5006.843 in air (NIST), seen at z = 0.1: the redshift acts in vacuum.
    Stars stars = randomStars(1, 36, 0, 0);
    stars.position[0] = {0.01, 0.01, 0};
    stars.velocity[0] = {0, 0, 0};
    Config c = smallConfig();
    const auto peak = [&](const std::string& library, const std::string& telescope, double rest) {
        SspLibrary l = syntheticLibrary(0.25, 0, 7, 2, 2);
        for (std::size_t t = 0; t < 4; ++t)
            for (std::size_t m = 0; m < l.nLambda(); ++m)
                l.flux[t * l.nLambda() + m] = std::exp(-0.5 * sq((l.wavelength[m] - rest) / 3));
        l.medium = library;
        c.telescope.medium = telescope;
        const GalaxyCube g = observe(Host{1}, stars, {}, c, 0, l, planck15());
        double sum = 0, weighted = 0;
        for (std::size_t j = 0; j < g.flux.nLambda; ++j) {
            sum += double(g.flux.spectrum(55)[j]);
            weighted += double(g.flux.spectrum(55)[j]) * g.wavelength.centre(double(j));
        }
        return weighted / sum;
    };
    const double vacuum = 5008.240 * 1.1, air = 5507.534;  // 5509.064 / 1.00027776
    CHECK(peak("vacuum", "vacuum", 5008.240) == Approx(vacuum).margin(2e-3));
    CHECK(peak("air", "vacuum", 5006.843) == Approx(vacuum).margin(4e-3));
    CHECK(peak("air", "air", 5006.843) == Approx(air).margin(6e-3));
    CHECK(peak("vacuum", "air", 5008.240) == Approx(air).margin(6e-3));
    CHECK(peak("unstated", "air", 5006.843) == Approx(5006.843 * 1.1).margin(2e-3));
}

TEST_CASE("face-on and edge-on", "[pipeline]") {
    // A thin disc about a slanted axis, turning with 200 km/s.
    const Vec3d axis{0.3, -0.5, 0.81};
    const Mat3d toBox = transpose(frameOfAxis(axis));
    const std::size_t n = 4000;
    Stars stars = randomStars(n, 27, 1, 0);
    std::mt19937_64 rng(28);
    std::uniform_real_distribution<double> uniform;
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < n; ++i) {
        const double r = 3 * std::sqrt(uniform(rng)), phi = 2 * units::pi * uniform(rng);
        stars.position[i] = toBox * Vec3d{r * std::cos(phi), r * std::sin(phi), 0.05 * normal(rng)};
        stars.velocity[i] = (toBox * Vec3d{-200 * std::sin(phi), 200 * std::cos(phi), 0}).to<float>();
    }
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.telescope.fov = 4;
    for (const FaceOnFrom from : {FaceOnFrom::angularMomentum, FaceOnFrom::inertia}) {
        c.views[0].faceOnFrom = from;
        c.views[0].orientationRadius = 10;
        c.views[0].orientation = Orientation::faceOn;
        const GalaxyCube face = observe(Host{1}, stars, {}, c, 0, library, planck15());
        CHECK(determinant(face.report.rotation) == Approx(1));
        const Vec3d seen = face.report.rotation * (axis * (1 / norm(axis)));
        CHECK(seen.z == Approx(1).epsilon(1e-3));  // the spin points away from the observer
        for (const float v : mapOf(face, "velocity_light").data)
            if (!std::isnan(v)) CHECK(std::fabs(v) < 10);

        c.views[0].orientation = Orientation::edgeOn;
        const GalaxyCube edge = observe(Host{1}, stars, {}, c, 0, library, planck15());
        const auto& velocity = mapOf(edge, "velocity_light").data;
        const auto& count = mapOf(edge, "stars").data;
        float fastest = 0;
        double above = 0, all = 0;
        for (std::size_t p = 0; p < count.size(); ++p) {
            all += double(count[p]);
            const std::size_t y = p / edge.flux.nx;
            if (y + 3 < edge.flux.ny / 2 || y > edge.flux.ny / 2 + 2) above += double(count[p]);
            if (!std::isnan(velocity[p])) fastest = std::max(fastest, std::fabs(velocity[p]));
        }
        CHECK(fastest > 150);
        CHECK(fastest < 205);
        CHECK(above < 0.02 * all);  // thin
        CHECK(all > 3000);
    }
    // Inclination i: the spin is i away from the line of sight; the position angle turns the image.
    c.views[0].orientation = Orientation::faceOn;
    c.views[0].inclination = 30;
    c.views[0].positionAngle = 90;
    const GalaxyCube tilted = observe(Host{1}, stars, {}, c, 0, library, planck15());
    const Vec3d spin = tilted.report.rotation * (axis * (1 / norm(axis)));
    CHECK(spin.z == Approx(std::cos(units::pi / 6)).epsilon(2e-3));
    CHECK(std::fabs(spin.x) == Approx(0.5).epsilon(5e-3));
    c.views[0] = ViewConfig{};
    c.views[0].orientation = Orientation::lineOfSight;
    c.views[0].lineOfSight = axis;
    const GalaxyCube sight = observe(Host{1}, stars, {}, c, 0, library, planck15());
    CHECK((sight.report.rotation * axis).z == Approx(norm(axis)));
}

TEST_CASE("apertures blank what lies outside, and count what lies inside", "[pipeline]") {
    const Stars stars = randomStars(5000, 29, 1.5, 100);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.psf = PsfConfig{};
    c.psf->fwhm = 0.4;
    std::uint64_t square = 0;
    for (const Aperture shape : {Aperture::square, Aperture::circle, Aperture::hexagon}) {
        c.telescope.aperture = shape;
        const GalaxyCube g = observe(Host{2}, stars, {}, c, 0, library, planck15());
        std::size_t blank = 0, counted = 0;
        const auto& count = mapOf(g, "stars").data;
        for (std::size_t p = 0; p < count.size(); ++p) {
            const bool outside = std::isnan(count[p]);
            blank += outside;
            counted += outside ? 0 : std::size_t(count[p]);
            for (std::size_t j = 0; j < g.flux.nLambda; ++j) CHECK_FALSE(std::isnan(g.flux.spectrum(p)[j]) != outside);
        }
        CHECK(counted == g.report.nStarsInField);
        if (shape == Aperture::square) {
            square = counted;
            CHECK(blank == 0);
        } else {
            CHECK(blank >= 12);
            CHECK(counted < square);
            CHECK(counted > square / 2);
        }
    }
}

TEST_CASE("stars outside the field shine into it, unless the border is zero", "[pipeline]") {
    Stars stars = randomStars(2, 30, 0, 0);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    const double kpc = kpcPerArcsec(planck15(), 0.1);
    stars.position[0] = {0, 0, 0};
    stars.position[1] = {1.05 * kpc, 0, 0};  // a quarter of a spaxel beyond the border
    c.psf = PsfConfig{};
    c.psf->fwhm = 0.4;
    const GalaxyCube padded = observe(Host{1}, stars, {}, c, 0, library, planck15());
    c.psf->border = PsfBorder::zero;
    const GalaxyCube zero = observe(Host{1}, stars, {}, c, 0, library, planck15());
    CHECK(padded.report.nStarsInField == 1);
    CHECK(zero.report.nStarsInField == 1);
    CHECK(padded.flux.spectrum(5, 9)[100] > 100 * zero.flux.spectrum(5, 9)[100]);
    CHECK(total(padded) > 1.05 * total(zero));
}

TEST_CASE("what lies outside the library is counted, clamped or refused", "[pipeline]") {
    Stars stars = randomStars(100, 34, 0.3, 100);
    stars.age[0] = 0;
    stars.age[1] = 1e-4F;
    stars.metallicity[1] = 0;
    stars.metallicity[2] = 0.3F;
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    const GalaxyCube g = observe(Host{1}, stars, {}, c, 0, library, planck15());
    CHECK(g.report.nStarsInField == 100);
    CHECK(g.report.nClampedAge == 2);
    CHECK(g.report.nClampedMetallicity == 2);
    CHECK(g.report.massClamped ==
          Approx(double(stars.mass[0]) + double(stars.mass[1]) + double(stars.mass[2])).epsilon(1e-6));
    for (const float v : g.flux.data) CHECK(std::isfinite(v));

    c.telescope.wavelengthMax = 13000;
    CHECK_THROWS_WITH(observe(Host{1}, stars, {}, c, 0, library, planck15()),
                      Catch::Contains("synthetic") && Catch::Contains("3000") && Catch::Contains("rest frame"));
    c.spectra.outside = Outside::nan;
    const GalaxyCube partial = observe(Host{1}, stars, {}, c, 0, library, planck15());
    CHECK(std::isfinite(partial.flux.spectrum(55)[0]));
    CHECK(std::isnan(partial.flux.spectrum(55)[partial.flux.nLambda - 1]));

    c = smallConfig();
    for (std::size_t i = 0; i < stars.size(); ++i) stars.position[i].x += 100;
    GalaxyInput input;
    input.subhalo.id = 77;
    CHECK_THROWS_WITH(observe(Host{1}, stars, input, c, 0, library, planck15()), Catch::Contains("subhalo 77"));
}

TEST_CASE("every telescope of the table runs", "[pipeline][telescopes]") {
    const Stars stars = randomStars(300, 35, 1, 150);
    for (const Telescope& t : telescopeTable()) {
        SspLibrary library = syntheticLibrary(20, 0.3, 7, 3, 2);
        // Stretch the library over everything from 1000 to 60000 Angstrom.
        for (double& x : library.wavelength) x = 1000 + (x - 3000) / 8000 * 59000;
        Config c;
        c.telescope = t;
        // The widest fields are cut: 900 x 900 spectra are 12 GB.
        c.telescope.fov = std::min(t.fov, 60 * t.spaxel);
        c.views[0].orientation = Orientation::none;
        c.psf = PsfConfig{};
        c.psf->fwhm = 3 * t.spaxel;
        c.lsf = LsfConfig{};
        c.lsf->fwhm = t.lsfFwhm;
        INFO(t.name);
        const GalaxyCube g = observe(Host{2}, stars, {}, c, 0, library, planck15());
        CHECK(g.flux.nx == c.telescope.spaxels());
        CHECK(g.flux.nLambda == t.wavelengths().size);
        CHECK(total(g) > 0);
    }
}
