// compat "rubix": gradients against RUBIX's own reverse mode (tests/reference/make_rubix_extract.py). RUBIX computes them in
// single precision. TESSERA_RUBIX_REFERENCE names the whole reference file, where the extract has part of the cotangent.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "support.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/templates.hpp"

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
        // RUBIX interpolates at the pixels' centres: where one meets a sample of a star's shifted spectrum to the last bits
        // of single precision (0.5 mAngstrom), which of the two slopes it takes is rounding, and with it the derivative in
        // velocity. Stars have 220 samples among the pixels; one in ten meets a centre so closely.
        if (k < 3)
            CHECK(std::sqrt(differences[k] / squares[k]) < 1e-3);
        else
            CHECK(share(0.9) < 1e-3);
    }
}

TEST_CASE("RUBIX's convention has no tangent, and says so", "[rubix][adjoint]") {
    const SspLibrary l = library();
    const Reference r;
    const Config c = configuration();
    const GalaxyInput input{};
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const Linearisation at(Host{}, r.stars, input, c, 0, l, cosmology, tables);
    CHECK_THROWS_WITH(at.jvp({}), Catch::Contains("tangent"));
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
