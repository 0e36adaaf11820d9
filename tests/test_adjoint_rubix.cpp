// compat "rubix": gradients against RUBIX's own reverse mode (tests/reference/make_rubix_extract.py). RUBIX computes them in
// single precision. TESSERA_RUBIX_REFERENCE names the whole reference file, where the extract has part of the cotangent.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "stages/optics_transpose.hpp"
#include "support.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/physics/ssp.hpp"

using namespace tessera;

namespace {

SspLibrary library() {
    if (!std::filesystem::exists(dataDirectory() + "/ssp/bc03lr.hdf5"))
        test::skip("the SSP library bc03lr is not in " + dataDirectory() + " (jobs/fetch-ssp.sh gets it)");
    return loadSsp("bc03lr");
}

Config configuration() {
    Config c;
    c.telescope = test::testTelescope(5, 0.2, 4700.15, 9351.4, 1.25);
    c.views[0].redshift = 0.1;
    c.views[0].orientation = Orientation::euler;
    c.views[0].eulerDeg = {30, 0, 20};
    c.views[0].systemicVelocity = SystemicVelocity::none;
    c.compat = Compat::rubix;
    c.output.unit = CubeUnit::luminosity;
    c.psf = PsfConfig{};
    c.psf->sigmaSpaxels = 0.6;
    c.psf->size = 5;
    c.lsf = LsfConfig{};
    c.lsf->sigma = 0.5;
    return c;
}

struct Reference {
    std::string whole = std::getenv("TESSERA_RUBIX_REFERENCE") ? std::getenv("TESSERA_RUBIX_REFERENCE") : "";
    h5::File file =
        h5::File::openRead(whole.empty() ? TESSERA_REFERENCE_DIR "/rubix_disc_2000_muse.extract.h5" : whole);
    Stars stars;
    Cube cotangent{25, 25, 3721};
    std::size_t first = 0, last = 24;  // rows and columns of spaxels whose stars' gradients it determines

    std::vector<float> read(const std::string& name) const { return file.root().dataset(name).readAll<float>(); }
    Reference() {
        const auto coords = read("particles/stars/coords"), velocity = read("particles/stars/velocity"),
                   mass = read("particles/stars/mass"), age = read("particles/stars/age"),
                   metallicity = read("particles/stars/metallicity");
        stars = Stars(mass.size());
        for (std::size_t i = 0; i < mass.size(); ++i) {
            stars.position[i] = Vec3f{coords[3 * i], coords[3 * i + 1], coords[3 * i + 2]}.to<double>();
            stars.velocity[i] = {velocity[3 * i], velocity[3 * i + 1], velocity[3 * i + 2]};
            stars.mass[i] = mass[i];
            stars.age[i] = age[i];
            stars.metallicity[i] = metallicity[i];
        }
        std::fill(cotangent.data.begin(), cotangent.data.end(), 0.0F);
        if (!whole.empty()) {
            const auto all = read("expected/cotangent");
            std::copy(all.begin(), all.end(), cotangent.data.begin());
            return;
        }
        const h5::Dataset block = file.root().dataset("expected/cotangent_block");
        const auto values = block.readAll<float>();
        const std::size_t begin = std::size_t(*block.attribute<std::int64_t>("first")), n = block.shape()[0];
        for (std::size_t y = 0; y < n; ++y)
            for (std::size_t x = 0; x < n; ++x)
                std::copy_n(values.begin() + std::ptrdiff_t((y * n + x) * 3721), 3721,
                            cotangent.spectrum(begin + y, begin + x));
        first = begin + 2;
        last = begin + n - 3;
    }
};

// The derivative in the line-of-sight velocity of one star in double precision, and what it becomes where samples of the star's
// shifted spectrum lie on the other side of a pixel's centre.
struct VelocitySlope {
    double value = 0, lowest = 0, highest = 0;
    int close = 0;  // samples so near a centre that single precision does not tell the side
};

// RUBIX's wavelengths are products of three floats, lambda (1 + z) exp(v/c), each rounded, and its centres are floats: a sample and
// a centre that are no more than two units in the last place of single precision apart may change sides.
bool sideUnknown(double sample, double centre) {
    const float at = float(centre);
    return std::fabs(sample - centre) <= 2 * double(std::nextafter(at, INFINITY) - at);
}

// Equations of derivation 18 for one star. bar: cotangent of its spaxel's spectrum before the optics.
VelocitySlope velocitySlope(const SspLibrary& l, const Stars& stars, std::size_t i, double velocity, double z,
                            const WavelengthGrid& grid, const float* bar) {
    const double stretch = (1 + z) * std::exp(velocity / units::c_km_s);
    const auto age = locate(l.logAge.data(), int(l.nAge()), std::log10(double(stars.age[i]) * 1e9)),
               metal = locate(l.metallicity.data(), int(l.nZ()), double(stars.metallicity[i]));
    const SspWeights<double> w = sspWeights(age.fraction, metal.fraction);
    const std::size_t corner = std::size_t(metal.lower) * l.nAge() + std::size_t(age.lower), n = l.nLambda();
    std::vector<double> x(n), y(n);
    double total = 0, resampled = 0, product = 0;
    const double first = grid.centre(0), last = grid.centre(double(grid.size - 1));
    for (std::size_t m = 0; m < n; ++m) {
        x[m] = l.wavelength[m] * stretch;
        y[m] = w.w[0] * l.spectrum(corner)[m] + w.w[1] * l.spectrum(corner + 1)[m] +
               w.w[2] * l.spectrum(corner + l.nAge())[m] + w.w[3] * l.spectrum(corner + l.nAge() + 1)[m];
        if (m > 0 && x[m] >= first && x[m] <= last) total += y[m] * (x[m] - x[m - 1]);
    }
    const auto slope = [&](std::size_t m) { return (y[m + 1] - y[m]) / (x[m + 1] - x[m]); };
    std::vector<std::size_t> interval(grid.size);
    std::vector<double> g(grid.size);
    std::size_t m = 0;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double centre = grid.centre(double(j));
        while (m + 2 < n && x[m + 1] <= centre) ++m;
        interval[j] = m;
        g[j] = y[m] + slope(m) * (centre - x[m]);
        if (j > 0) resampled += g[j] * grid.step;
        product += double(bar[j]) * g[j];
    }
    const double mass = double(stars.mass[i]), factor = total / resampled;
    VelocitySlope v;
    v.value = mass * product / resampled * total;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double centre = grid.centre(double(j)),
                     gBar = mass * factor * (double(bar[j]) - (j > 0 ? product / resampled * grid.step : 0));
        const std::size_t k = interval[j];
        v.value -= gBar * slope(k) * centre;
        // The sample below the centre, or the one above it.
        for (const std::ptrdiff_t side : {-1, 1}) {
            if (!sideUnknown(x[side < 0 ? k : k + 1], centre)) continue;
            const double change = -gBar * (slope(std::size_t(std::ptrdiff_t(k) + side)) - slope(k)) * centre;
            ++v.close;
            (change < 0 ? v.lowest : v.highest) += change;
        }
    }
    v.lowest += v.value;
    v.highest += v.value;
    for (double* d : {&v.value, &v.lowest, &v.highest}) *d /= units::c_km_s;
    return v;
}

}  // namespace

TEST_CASE("gradients are RUBIX's", "[rubix][adjoint]") {
    const SspLibrary l = library();
    const Reference r;
    const Config c = configuration();
    const GalaxyInput input{};
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const Linearisation at(Host{}, r.stars, input, c, 0, l, cosmology, tables);
    const InputsBar g = at.vjp(r.cotangent);
    const auto mass = r.read("expected/grad_mass"), age = r.read("expected/grad_log10age_yr"),
               metallicity = r.read("expected/grad_metallicity"), velocity = r.read("expected/grad_velocity");
    const auto pixel = r.file.root().dataset("expected/pixel").readAll<std::int32_t>();
    const auto inside = r.file.root().dataset("expected/inside").readAll<std::int8_t>();
    const Vec3d sight = at.report().rotation.row[2];

    double squares[4] = {}, differences[4] = {};
    std::vector<double> errors[4];
    std::size_t compared = 0;
    for (std::size_t i = 0; i < r.stars.size(); ++i) {
        const std::size_t x = std::size_t(pixel[i]) % 25, y = std::size_t(pixel[i]) / 25;
        if (!inside[i]) {
            CHECK(g.stars.mass[i] == 0);
            continue;
        }
        if (x < r.first || x > r.last || y < r.first || y > r.last || std::isnan(velocity[3 * i])) continue;
        ++compared;
        const Vec3d v{double(velocity[3 * i]), double(velocity[3 * i + 1]), double(velocity[3 * i + 2])};
        const double expected[] = {double(mass[i]), double(age[i]), double(metallicity[i]), dot(v, sight)};
        const double found[] = {double(g.stars.mass[i]), double(g.stars.logAge[i]), double(g.stars.metallicity[i]),
                                dot(g.stars.velocity[i].to<double>(), sight)};
        for (int k = 0; k < 4; ++k) {
            squares[k] += sq(expected[k]);
            differences[k] += sq(found[k] - expected[k]);
            errors[k].push_back(std::fabs(found[k] - expected[k]));
        }
    }
    REQUIRE(compared > 80);
    static const char* const names[] = {"mass", "log10 age", "metallicity", "line-of-sight velocity"};
    for (int k = 0; k < 4; ++k) {
        const double rms = std::sqrt(squares[k] / double(compared));
        std::sort(errors[k].begin(), errors[k].end());
        const auto share = [&](double f) { return errors[k][std::size_t(f * double(compared - 1))] / rms; };
        std::printf(
            "%s: %zu stars, rms %.3e, difference / rms: median %.1e, 90%% %.1e, 95%% %.1e, largest %.1e, rms %.1e\n",
            names[k], compared, rms, share(0.5), share(0.9), share(0.95), share(1),
            std::sqrt(differences[k] / squares[k]));
        // Of velocity see the next test.
        if (k < 3)
            CHECK(std::sqrt(differences[k] / squares[k]) < 1e-3);
        else
            CHECK(share(0.9) < 1e-3);
    }
}

// RUBIX interpolates at the pixels' centres, so that the derivative in velocity jumps where a sample of a star's shifted
// spectrum meets a centre. Where they meet to the last bits of single precision, which side RUBIX is on is its rounding.
TEST_CASE("where RUBIX's velocity gradient differs, single precision decides", "[rubix][adjoint]") {
    const SspLibrary l = library();
    const Reference r;
    const Config c = configuration();
    const WavelengthGrid grid = c.telescope.wavelengths();
    Psf psf = makePsf(*c.psf, nullptr, grid, c.telescope.spaxel);
    psf.padded = false;
    const Optics optics(psf, makeRubixLsf(*c.lsf->sigma, grid.step), 25, grid);
    std::vector<std::uint32_t> field;
    const std::size_t side = optics.side(), pad = optics.pad(), wings = optics.wings();
    for (std::size_t s = 0; s < 625; ++s) field.push_back(std::uint32_t((s / 25 + pad) * side + s % 25 + pad));
    const std::size_t stride = (grid.size + 2 * wings + spectrumPadding + 15) / 16 * 16;
    std::vector<float> spectra(field.size() * stride, 0.0F);
    OpticsTranspose(optics, optics.psf(), optics.lsf())(Host{}, r.cotangent, std::vector<std::uint8_t>(grid.size, 1),
                                                        std::vector<std::uint8_t>(625, 1), field, 0, grid.size,
                                                        spectra.data(), stride);

    const GalaxyInput input{};
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const Linearisation at(Host{}, r.stars, input, c, 0, l, cosmology, tables);
    const InputsBar ours = at.vjp(r.cotangent, {false, false});
    const Vec3d sight = at.report().rotation.row[2];
    const auto rubix = r.read("expected/grad_velocity");
    const auto pixel = r.file.root().dataset("expected/pixel").readAll<std::int32_t>();
    const auto inside = r.file.root().dataset("expected/inside").readAll<std::int8_t>();
    double square = 0, clearSquare = 0, apart = 0, clearApart = 0, outside = 0, ourApart = 0;
    std::size_t compared = 0, clear = 0;
    for (std::size_t i = 0; i < r.stars.size(); ++i) {
        const std::size_t x = std::size_t(pixel[i]) % 25, y = std::size_t(pixel[i]) / 25;
        if (!inside[i] || x < r.first || x > r.last || y < r.first || y > r.last || std::isnan(rubix[3 * i])) continue;
        if (ours.stars.mass[i] == 0) continue;  // outside the library's grid
        const double expected =
            dot(Vec3d{double(rubix[3 * i]), double(rubix[3 * i + 1]), double(rubix[3 * i + 2])}, sight);
        const VelocitySlope v = velocitySlope(l, r.stars, i, dot(r.stars.velocity[i].to<double>(), sight), 0.1, grid,
                                              spectra.data() + std::size_t(pixel[i]) * stride + wings);
        ++compared;
        square += sq(expected);
        apart += sq(expected - v.value);
        ourApart += sq(v.value - dot(ours.stars.velocity[i].to<double>(), sight));
        outside += sq(expected - std::clamp(expected, v.lowest, v.highest));
        if (v.close > 0) continue;
        ++clear;
        clearSquare += sq(expected);
        clearApart += sq(expected - v.value);
    }
    const double all = std::sqrt(apart / square), sure = std::sqrt(clearApart / clearSquare),
                 beyond = std::sqrt(outside / square), own = std::sqrt(ourApart / square);
    std::printf(
        "line-of-sight velocity: %zu stars, rms difference / rms %.1e; of the %zu without a sample within 2 ulp of a "
        "centre %.1e; of all, beyond what such samples' sides allow %.1e; our own rounding %.1e\n",
        compared, all, clear, sure, beyond, own);
    REQUIRE(compared > 80);
    CHECK(double(clear) > 0.5 * double(compared));
    CHECK(sure < 1e-3);
    CHECK(beyond < 1e-3);
    CHECK(own < 1e-4);
}

TEST_CASE("the tangent of RUBIX's convention is the transpose of its adjoint", "[rubix][adjoint]") {
    const SspLibrary l = library();
    const Reference r;
    const Config c = configuration();
    const GalaxyInput input{};
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const Linearisation at(Host{}, r.stars, input, c, 0, l, cosmology, tables);
    InputsBar v;
    v.stars = StarsBar(r.stars.size());
    std::mt19937_64 rng(5);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < r.stars.size(); ++i) {
        v.stars.mass[i] = float(0.1 * normal(rng)) * r.stars.mass[i];
        v.stars.logAge[i] = float(0.1 * normal(rng));
        v.stars.metallicity[i] = float(0.1 * normal(rng)) * r.stars.metallicity[i];
        v.stars.velocity[i] = Vec3d{30 * normal(rng), 30 * normal(rng), 30 * normal(rng)}.to<float>();
    }
    v.redshiftShift = 1e-4;
    v.psfSigmaSpaxels = 0.03;
    v.lsf = {0.02};
    const Cube d = at.jvp(v);
    const InputsBar g = at.vjp(r.cotangent);
    double a = 0, size = 0,
           b = g.redshiftShift * v.redshiftShift + g.psfSigmaSpaxels * v.psfSigmaSpaxels + g.lsf.at(0) * v.lsf[0];
    for (std::size_t i = 0; i < d.data.size(); ++i) {
        a += double(d.data[i]) * double(r.cotangent.data[i]);
        size += std::fabs(double(d.data[i]) * double(r.cotangent.data[i]));
    }
    for (std::size_t i = 0; i < r.stars.size(); ++i)
        b += double(g.stars.mass[i]) * double(v.stars.mass[i]) + double(g.stars.logAge[i]) * double(v.stars.logAge[i]) +
             double(g.stars.metallicity[i]) * double(v.stars.metallicity[i]) +
             dot(g.stars.velocity[i].to<double>(), v.stars.velocity[i].to<double>());
    INFO("<Jv, w> " << a << ", <v, J^T w> " << b << ", sum of sizes " << size);
    CHECK(a != 0);
    CHECK(std::fabs(a - b) < 1e-5 * size);
    v.templates = {1};
    CHECK_THROWS_WITH(at.jvp(v), Catch::Contains("templates"));
    CHECK_THROWS_WITH(at.vjp(r.cotangent, {false, true}), Catch::Contains("templates"));
}

TEST_CASE("the widths of RUBIX's PSF and LSF", "[rubix][adjoint]") {
    const SspLibrary l = library();
    const Reference r;
    const Config c = configuration();
    const GalaxyInput input{};
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    // A cotangent that is smooth in wavelength and brighter on one side: differences in single precision stay small.
    Cube bar(25, 25, 3721);
    for (std::size_t s = 0; s < 625; ++s)
        for (std::size_t j = 0; j < 3721; ++j)
            bar.spectrum(s)[j] = float(1 + 0.1 * double(s % 25) + std::sin(double(j)));
    const Linearisation at(Host{}, r.stars, input, c, 0, l, cosmology, tables);
    const InputsBar g = at.vjp(bar);
    CHECK(at.lsfNames() == std::vector<std::string>{"sigma"});
    const auto loss = [&](const Config& moved) {
        const GalaxyCube cube = observe(Host{}, r.stars, input, moved, 0, l, cosmology);
        double sum = 0;
        for (std::size_t i = 0; i < cube.flux.data.size(); ++i) sum += double(cube.flux.data[i]) * double(bar.data[i]);
        return sum;
    };
    const auto slope = [&](auto set, double x, double step) {
        const auto central = [&](double h) {
            Config low = c, high = c;
            set(low, x - h);
            set(high, x + h);
            return (loss(high) - loss(low)) / (2 * h);
        };
        return (4 * central(step / 2) - central(step)) / 3;
    };
    CHECK(g.psfSigmaSpaxels != 0);
    CHECK(slope([](Config& m, double x) { m.psf->sigmaSpaxels = x; }, 0.6, 0.05) ==
          Approx(g.psfSigmaSpaxels).epsilon(5e-3));
    CHECK(slope([](Config& m, double x) { m.lsf->sigma = x; }, 0.5, 0.05) == Approx(g.lsf.at(0)).epsilon(2e-2));
}
