// Adjoints with resources.backend simt against cpu: the whole transpose, array by array. The kernels by themselves: tests/gpu.
#include "adjoint_vectors.hpp"
#include "device_adjoint.hpp"
#include "stages/noise_adjoint.hpp"
#include "tessera/adjoint.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

using LsfKind = SceneOptions::Lsf;
const InstrumentTables noTables;

template <class Value>
void alike(const char* name, std::size_t n, Value value, double tolerance) {
    Vector found, expected;
    for (std::size_t i = 0; i < n; ++i) {
        const auto [f, e] = value(i);
        found.push_back(double(f));
        expected.push_back(double(e));
    }
    double worst = 0;
    for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::fabs(found[i] - expected[i]));
    const double rms = rmsOf(expected);
    INFO(name << ": rms " << rms << ", worst difference " << worst / rms);
    CHECK(rms > 0);
    CHECK(worst <= tolerance * rms);
}

struct Both {
    InputsBar cpu, simt;
    InputsBar
        sizes;  // of the sums over voxels behind the numbers that are one for the galaxy: root of the summed squares
};

// What the voxels say of a direction of the inputs, of either sign: what is left of the sum may be small.
double sizeOf(const Linearisation& at, const InputsBar& direction, const Cube& w) {
    const Cube change = at.jvp(direction);
    double sum = 0;
    for (std::size_t i = 0; i < change.data.size(); ++i)
        if (const double x = double(w.data[i]) * double(change.data[i]); !std::isnan(x)) sum += x * x;
    return std::sqrt(sum);
}

Both both(AdjointScene& s, const Stars& stars, const Cube& w, const GradientOptions& options = {}) {
    const GalaxyInput input{};
    const auto at = [&](Backend backend) {
        s.config.resources.backend = backend;
        return Linearisation(Host{2}, stars, input, s.config, 0, s.library, s.cosmology, noTables);
    };
    Both b;
    b.simt = at(Backend::simt).vjp(w, options);
    const Linearisation cpu = at(Backend::cpu);
    b.cpu = cpu.vjp(w, options);
    b.sizes.lsf.resize(b.cpu.lsf.size());
    for (std::size_t k = 0; k < b.cpu.lsf.size(); ++k) {
        InputsBar unit;
        unit.lsf.assign(b.cpu.lsf.size(), 0.0);
        unit.lsf[k] = 1;
        b.sizes.lsf[k] = sizeOf(cpu, unit, w);
    }
    if (b.cpu.inclination != 0) {
        InputsBar unit;
        unit.inclination = 1;
        b.sizes.inclination = sizeOf(cpu, unit, w);
    }
    return b;
}

void alike(const Both& b) {
    constexpr double tolerance = 1e-5;
    const InputsBar &f = b.simt, &e = b.cpu;
    const std::size_t n = e.stars.size();
    REQUIRE(f.stars.size() == n);
    alike(
        "mass", n, [&](std::size_t i) { return std::pair(f.stars.mass[i], e.stars.mass[i]); }, tolerance);
    alike(
        "log age", n, [&](std::size_t i) { return std::pair(f.stars.logAge[i], e.stars.logAge[i]); }, tolerance);
    alike(
        "metallicity", n, [&](std::size_t i) { return std::pair(f.stars.metallicity[i], e.stars.metallicity[i]); },
        tolerance);
    for (int k = 0; k < 3; ++k)
        alike(
            "velocity", n, [&](std::size_t i) { return std::pair(f.stars.velocity[i][k], e.stars.velocity[i][k]); },
            tolerance);
    if (!e.stars.position.empty())
        for (int k = 0; k < 3; ++k)
            alike(
                "position", n, [&](std::size_t i) { return std::pair(f.stars.position[i][k], e.stars.position[i][k]); },
                tolerance);
    REQUIRE(f.stars.smoothing.size() == e.stars.smoothing.size());
    if (!e.stars.smoothing.empty())
        alike(
            "smoothing", n, [&](std::size_t i) { return std::pair(f.stars.smoothing[i], e.stars.smoothing[i]); },
            tolerance);
    const auto scalar = [&](const char* name, double a, double expected, double size, double limit) {
        INFO(name << ": " << a << " and " << expected << ", of a size of " << size);
        CHECK(std::fabs(a - expected) <= limit * std::max(size, std::fabs(expected)));
    };
    for (int k = 0; k < 3; ++k) scalar("systemic velocity", f.systemicVelocity[k], e.systemicVelocity[k], 0, tolerance);
    const double centre = norm(e.centre);
    for (int k = 0; k < 3; ++k) scalar("centre", f.centre[k], e.centre[k], centre, tolerance);
    scalar("redshift", f.redshiftShift, e.redshiftShift, 0, tolerance);
    scalar("distance", f.redshiftDistance, e.redshiftDistance, 0, tolerance);
    scalar("inclination", f.inclination, e.inclination, b.sizes.inclination, tolerance);
    scalar("PSF FWHM", f.psfFwhm, e.psfFwhm, 0, tolerance);
    scalar("PSF beta", f.psfBeta, e.psfBeta, 0, tolerance);
    REQUIRE(f.lsf.size() == e.lsf.size());
    for (std::size_t k = 0; k < e.lsf.size(); ++k) scalar("LSF", f.lsf[k], e.lsf[k], b.sizes.lsf[k], tolerance);
}

}  // namespace

TEST_CASE("the adjoint on simt is that on cpu", "[gpu][adjoint]") {
    SceneOptions o;
    bool varying = false;
    SECTION("Gaussian PSF, constant LSF") {}
    SECTION("logarithmic pixels, two Gaussians, an LSF that varies") {
        o.log = true;
        o.lsf = LsfKind::resolution;
        o.psf = PsfKind::doubleGaussian;
    }
    SECTION("a Moffat, a polynomial LSF") {
        o.lsf = LsfKind::polynomial;
        o.psf = PsfKind::moffat;
        o.doppler = Doppler::classical;
    }
    SECTION("no PSF, luminosities") {
        o.psf.reset();
        o.lsf = LsfKind::sigma;
        o.libraryResolution = true;
        o.doppler = Doppler::exponential;
        o.unit = CubeUnit::luminosity;
    }
    SECTION("no LSF") {
        o.lsf = LsfKind::none;
    }
    SECTION("a library as fine as the pixels") {
        o.libraryStep = 0.9;
    }
    SECTION("a PSF that varies with wavelength, and acts first") {
        varying = true;
    }
    SECTION("a Moffat that varies") {
        varying = true;
        o.psf = PsfKind::moffat;
        o.lsf = LsfKind::polynomial;
    }
    AdjointScene s = makeScene(o);
    if (varying) {
        s.config.psf->referenceWavelength = 4800;
        s.config.psf->power = -1;
    }
    s.config.telescope.aperture = Aperture::circle;
    const Stars stars = sceneStars(700);
    sceneInputs(s, stars);
    Cube w = cubeOf(s, randomCotangent(s, 5));
    w.spectrum(0)[3] = std::numeric_limits<float>::quiet_NaN();  // outside the circle: not looked at
    const Both b = both(s, stars, w);
    alike(b);
}

// A width changes a smooth spectrum by a thousandth and less of it, which single precision would not carry.
TEST_CASE("the gradient in the LSF's parameters is the double oracle's", "[gpu][adjoint]") {
    for (const LsfKind kind : {LsfKind::fwhm, LsfKind::sigma, LsfKind::resolution, LsfKind::polynomial})
        for (const std::size_t n : {1, 400}) {
            SceneOptions o;
            o.lsf = kind;
            o.log = kind == LsfKind::resolution;
            if (kind == LsfKind::sigma) o.psf.reset();
            if (kind == LsfKind::polynomial) o.libraryStep = 0.9;
            AdjointScene s = makeScene(o);
            const Stars stars = sceneStars(n);
            const Vector x = sceneInputs(s, stars);
            for (const std::uint64_t seed : {5, 6, 7}) {
                const Vector w = randomCotangent(s, seed);
                const Vector exact = oracleAdjoint(s, x, w);
                const Both b = both(s, stars, cubeOf(s, w));
                for (std::size_t k = 0; k < s.lsfSize(); ++k) {
                    const double expected = exact[s.lsf(k)], size = std::max(b.sizes.lsf[k], std::fabs(expected));
                    INFO("kind " << int(kind) << ", " << n << " stars, seed " << seed << ": " << expected << ", cpu "
                                 << b.cpu.lsf[k] << ", simt " << b.simt.lsf[k] << ", of a size of " << size);
                    CHECK(std::fabs(b.cpu.lsf[k] - expected) <= 1e-5 * size);
                    CHECK(std::fabs(b.simt.lsf[k] - expected) <= 1e-5 * size);
                }
            }
        }
}

TEST_CASE("galaxies of one star and of many have their adjoint on simt", "[gpu][adjoint]") {
    for (const std::size_t n : {1, 2, 33, 3000}) {
        AdjointScene s = makeScene({});
        Stars stars = randomStars(n, 3, n == 3000 ? 0.05 : 0.4, n == 3000 ? 5 : 150);  // most in one spaxel
        sceneInputs(s, stars);
        const Both b = both(s, stars, cubeOf(s, randomCotangent(s, 5)), {false, false});
        INFO(n << " stars");
        alike(b);
    }
}

TEST_CASE("stars with footprints have their adjoint on simt", "[gpu][adjoint]") {
    for (const FootprintKind kind : {FootprintKind::cloudInCell, FootprintKind::sph})
        for (const std::size_t n : {1, 300}) {
            SceneOptions o;
            o.pixels = 30;
            o.footprint = kind;
            AdjointScene s = makeScene(o);
            const Stars stars = sceneStars(n);
            sceneInputs(s, stars);
            const Both b = both(s, stars, cubeOf(s, randomCotangent(s, 5)));
            INFO("footprint " << int(kind) << ", " << n << " stars");
            alike(b);
        }
}

TEST_CASE("wavelengths that the library does not cover have no cotangent on simt", "[gpu][adjoint]") {
    AdjointScene s = makeScene({});
    s.config.spectra.outside = Outside::nan;
    s.config.telescope.wavelengthMax += 150;
    const Stars stars = sceneStars(300);
    sceneInputs(s, stars);
    Cube w = cubeOf(s, randomCotangent(s, 5));
    for (std::size_t p = 0; p < w.spaxels(); ++p)
        w.spectrum(p)[w.nLambda - 1] = std::numeric_limits<float>::quiet_NaN();
    const Both b = both(s, stars, w);
    alike(b);
}

TEST_CASE("a budget of the device's memory cuts the adjoint into blocks, or is too small", "[gpu][adjoint]") {
    SceneOptions o;
    o.pixels = 300;
    AdjointScene s = makeScene(o);
    const Stars stars = sceneStars(200);
    sceneInputs(s, stars);
    const Cube w = cubeOf(s, randomCotangent(s, 5));
    s.config.resources.deviceMemory = 700'000;
    const Both b = both(s, stars, w);
    alike(b);
    s.config.resources.deviceMemory = 50'000;
    CHECK_THROWS_WITH(both(s, stars, w), Catch::Contains("resources.device_memory of 50000 bytes"));
}

TEST_CASE("the templates' gradient is the CPU's whatever the backend", "[gpu][adjoint]") {
    AdjointScene s = makeScene({});
    const Stars stars = sceneStars(100);
    sceneInputs(s, stars);
    const Both b = both(s, stars, cubeOf(s, randomCotangent(s, 5)), {false, true});
    alike(
        "templates", b.cpu.templates.size(),
        [&](std::size_t i) { return std::pair(b.simt.templates.at(i), b.cpu.templates[i]); }, 1e-5);
}

TEST_CASE("RUBIX's adjoint on simt is that on cpu", "[gpu][adjoint]") {
    AdjointScene s = makeScene({});
    Config& c = s.config;
    c.compat = Compat::rubix;
    c.output.unit = CubeUnit::luminosity;
    c.psf = PsfConfig{};
    c.psf->sigmaSpaxels = 0.6;
    c.psf->size = 5;
    c.lsf = LsfConfig{};
    c.lsf->sigma = 1.5;
    const Stars stars = sceneStars(300);
    const Both b = both(s, stars, cubeOf(s, randomCotangent(s, 5)));
    alike(b);
    CHECK(b.simt.psfSigmaSpaxels == Approx(b.cpu.psfSigmaSpaxels).epsilon(1e-5));
}

TEST_CASE("the noise's adjoint on simt is that on cpu", "[gpu][adjoint]") {
    AdjointScene s = makeScene({});
    const std::size_t n = s.config.telescope.spaxels();
    const WavelengthGrid grid = s.config.telescope.wavelengths();
    const SpaxelGrid spaxels{n, 0.25, 0.5};
    Cube flux = cubeOf(s, randomCotangent(s, 8));
    for (float& f : flux.data) f = std::fabs(f);
    flux.spectrum(2)[5] = std::numeric_limits<float>::quiet_NaN();
    const Cube w = cubeOf(s, randomCotangent(s, 9));
    NoiseConfig c;
    c.seed = 77;
    SECTION("target signal-to-noise") {
        c.signalToNoise = 3;
    }
    SECTION("exposure") {
        c.exposureTime = 3600;
        c.sky = 2;
        c.readNoise = 3;
    }
    const Cube cpu = noiseAdjoint(Host{2}, c, grid, spaxels, 4, 1, flux, w, nullptr);
    const Cube simt = makeDeviceAdjoint(Backend::simt, 0)->noise({c, grid, spaxels, 4, 1}, flux, w);
    alike(
        "noise", cpu.data.size(), [&](std::size_t i) { return std::pair(simt.data[i], cpu.data[i]); }, 1e-5);
}
