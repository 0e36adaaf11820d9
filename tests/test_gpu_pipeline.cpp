// resources.backend simt against cpu: the whole model, cube by cube. The kernels by themselves: tests/gpu.
#include "observing.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Both {
    GalaxyCube cpu, simt;
};
Both observeBoth(Config c, const Stars& stars, const SspLibrary& library) {
    Both b;
    const GalaxyInput input;
    c.resources.backend = Backend::cpu;
    b.cpu = observe(Host{2}, stars, input, c, 0, library, planck15());
    c.resources.backend = Backend::simt;
    b.simt = observe(Host{2}, stars, input, c, 0, library, planck15());
    return b;
}

void compare(const Both& b, double tolerance = 1e-5) {
    CHECK(total(b.cpu) > 0);
    CHECK(difference(b.simt.flux, b.cpu.flux) < tolerance);
    CHECK(b.simt.unit == b.cpu.unit);
    CHECK(b.simt.report.nStarsInField == b.cpu.report.nStarsInField);
    CHECK(b.simt.report.nClampedAge == b.cpu.report.nClampedAge);
    CHECK(b.simt.report.luminosityInBand == Approx(b.cpu.report.luminosityInBand).epsilon(1e-6));
    REQUIRE(b.simt.maps.size() == b.cpu.maps.size());
    for (std::size_t m = 0; m < b.cpu.maps.size(); ++m) {
        REQUIRE(b.simt.maps[m].name == b.cpu.maps[m].name);
        CHECK(b.simt.maps[m].unit == b.cpu.maps[m].unit);
        for (std::size_t p = 0; p < b.cpu.maps[m].data.size(); ++p) {
            const float x = b.simt.maps[m].data[p], y = b.cpu.maps[m].data[p];
            INFO(b.cpu.maps[m].name << " of spaxel " << p);
            REQUIRE(std::isnan(x) == std::isnan(y));
            // A mean velocity may vanish.
            if (!std::isnan(y)) REQUIRE(double(x) == Approx(double(y)).epsilon(1e-5).margin(1e-3));
        }
    }
}

}  // namespace

TEST_CASE("simt equals cpu", "[gpu]") {
    const Stars stars = randomStars(3000, 21, 1.2, 180);
    const SspLibrary coarse = syntheticLibrary(20, 0.4);
    Config c = smallConfig();
    SECTION("spectra alone") {
        compare(observeBoth(c, stars, coarse));
    }
    SECTION("a library as fine as the pixels") {
        // The CPU sums at the pixels, so that both only meet within what was asked for.
        c.spectra.accuracy = 1e-5;
        compare(observeBoth(c, stars, syntheticLibrary(0.9, 0.3)));
    }
    SECTION("logarithmic pixels, and a round aperture") {
        c.telescope = testTelescope(2, 0.2, 4800, 5550, 1e-4);
        c.telescope.log = true;
        c.telescope.aperture = Aperture::circle;
        compare(observeBoth(c, stars, coarse));
    }
    SECTION("line spread") {
        c.lsf = LsfConfig{};
        c.lsf->fwhm = 2.5;
        compare(observeBoth(c, stars, coarse));
    }
    SECTION("line spread that varies with wavelength, point spread of two Gaussians") {
        c.lsf = LsfConfig{};
        c.lsf->resolution = 1800;
        c.psf = PsfConfig{};
        c.psf->kind = PsfKind::doubleGaussian;
        c.psf->fwhm = 0.5;
        compare(observeBoth(c, stars, coarse));
    }
    SECTION("point spread that varies with wavelength, with line spread") {
        c.telescope.fov = 1.2;
        c.lsf = LsfConfig{};
        c.lsf->fwhm = 2.5;
        c.psf = PsfConfig{};
        c.psf->fwhm = 0.4;
        c.psf->referenceWavelength = 5000;
        c.psf->power = -0.3;
        compare(observeBoth(c, stars, coarse));
    }
    SECTION("centred and turned by the stars' own moments") {
        c.views[0].orientation = Orientation::faceOn;
        c.views[0].inclination = 40;
        c.views[0].systemicVelocity = SystemicVelocity::mean;
        const Both b = observeBoth(c, stars, coarse);
        compare(b);
        CHECK(b.simt.report.systemicVelocity.x == Approx(b.cpu.report.systemicVelocity.x).epsilon(1e-10));
        for (int k = 0; k < 3; ++k)
            CHECK(dot(b.simt.report.rotation.row[k], b.cpu.report.rotation.row[k]) == Approx(1).epsilon(1e-12));
    }
    SECTION("a Moffat") {
        c.telescope = testTelescope(2, 0.2, 4800, 4900, 1.25);
        c.psf = PsfConfig{};
        c.psf->kind = PsfKind::moffat;
        c.psf->fwhm = 0.4;
        compare(observeBoth(c, stars, coarse));
    }
    SECTION("wavelengths that the library does not cover") {
        c.telescope.wavelengthMin = 3200;
        c.telescope.wavelengthMax = 3600;
        c.spectra.outside = Outside::nan;
        compare(observeBoth(c, stars, coarse));
    }
}

TEST_CASE("noise on simt is that on cpu", "[gpu]") {
    const Stars stars = randomStars(2000, 22, 1.2, 180);
    const SspLibrary library = syntheticLibrary(20, 0.4);
    Config c = smallConfig();
    c.telescope.wavelengthMax = 5000;
    c.noise = NoiseConfig{};
    c.noise->seed = 77;
    SECTION("target signal-to-noise") {
        c.noise->signalToNoise = 30;
    }
    SECTION("exposure") {
        c.noise->exposureTime = 3600;
        c.noise->sky = 2;
        c.noise->readNoise = 3;
    }
    const Both b = observeBoth(c, stars, library);
    CHECK(difference(b.simt.variance, b.cpu.variance) < 1e-5);
    // Faint spaxels are all noise: their mean is of its size.
    CHECK(difference(b.simt.flux, b.cpu.flux) < 1e-4);
}

TEST_CASE("RUBIX's convention on simt is that on cpu", "[gpu]") {
    const Stars stars = randomStars(400, 23, 1.2, 180);
    const SspLibrary library = syntheticLibrary(20, 0.4);
    Config c = smallConfig();
    c.telescope.wavelengthMax = 5000;
    c.compat = Compat::rubix;
    c.output.unit = CubeUnit::luminosity;
    c.psf = PsfConfig{};
    c.psf->sigmaSpaxels = 0.6;
    c.psf->size = 5;
    c.lsf = LsfConfig{};
    c.lsf->sigma = 1.5;
    compare(observeBoth(c, stars, library));
}

TEST_CASE("a budget of the device's memory cuts the wavelengths into blocks, or is too small", "[gpu]") {
    const Stars stars = randomStars(1000, 25, 1.2, 180);
    const SspLibrary library = syntheticLibrary(20, 0.4);
    Config c = smallConfig();
    c.lsf = LsfConfig{};
    c.lsf->fwhm = 2.5;
    c.resources.deviceMemory = 2'000'000;
    compare(observeBoth(c, stars, library));
    c.resources.deviceMemory = 200'000;
    CHECK_THROWS_WITH(observeBoth(c, stars, library), Catch::Contains("resources.device_memory of 200000 bytes"));
}

TEST_CASE("an empty field is an error on simt as well", "[gpu]") {
    Config c = smallConfig();
    c.resources.backend = Backend::simt;
    Stars stars = randomStars(50, 24, 1, 100);
    for (auto& x : stars.position) x = {1000, 0, 0};
    CHECK_THROWS_AS(observe(Host{1}, stars, {}, c, 0, syntheticLibrary(20, 0.4), planck15()), EmptyField);
}
