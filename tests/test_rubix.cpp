// compat "rubix" against a run of astro-rubix 0.0.5: rotated coordinates, spaxels, cube, cube after PSF, after PSF +
// LSF. TESSERA_RUBIX_REFERENCE names the whole reference file (tests/reference/make_rubix_extract.py makes the extract
// that is used otherwise).
#include <cstdlib>
#include <filesystem>

#include "support.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/pipeline.hpp"
#include "tessera/stages.hpp"

using namespace tessera;

namespace {

SspLibrary library() {
    if (!std::filesystem::exists(dataDirectory() + "/ssp/bc03lr.hdf5"))
        test::skip("the SSP library bc03lr is not in " + dataDirectory() + " (jobs/fetch-ssp.sh gets it)");
    return loadSsp("bc03lr");
}

struct Reference {
    h5::File file = h5::File::openRead(TESSERA_REFERENCE_DIR "/rubix_disc_2000_muse.extract.h5");
    Stars stars;

    Reference() {
        const auto column = [&](const char* name) {
            return file.root().dataset(std::string("particles/stars/") + name).readAll<float>();
        };
        const auto coords = column("coords"), velocity = column("velocity"), mass = column("mass"), age = column("age"),
                   metallicity = column("metallicity");
        stars = Stars(mass.size());
        for (std::size_t i = 0; i < mass.size(); ++i) {
            stars.position[i] = Vec3f{coords[3 * i], coords[3 * i + 1], coords[3 * i + 2]}.to<double>();
            stars.velocity[i] = {velocity[3 * i], velocity[3 * i + 1], velocity[3 * i + 2]};
            stars.mass[i] = mass[i];
            stars.age[i] = age[i];
            stars.metallicity[i] = metallicity[i];
        }
    }
    template <class T = double>
    std::vector<T> expected(const std::string& name) const {
        return file.root().dataset("expected/" + name).template readAll<T>();
    }
};

Config configuration() {
    Config c;
    c.telescope = test::testTelescope(5, 0.2, 4700.15, 9351.4, 1.25);
    c.views[0].redshift = 0.1;
    c.views[0].orientation = Orientation::euler;
    c.views[0].eulerDeg = {30, 0, 20};
    c.views[0].systemicVelocity = SystemicVelocity::none;
    c.compat = Compat::rubix;
    c.output.unit = CubeUnit::luminosity;
    return c;
}

// Largest difference relative to the spaxel's mean, over sampled wavelengths of all spaxels and whole spectra of some.
double worst(const Reference& r, const Cube& cube, const std::string& name) {
    const auto mean = r.expected(name + "_mean"), sampled = r.expected(name + "_sampled"),
               spectra = r.expected(name + "_spectra");
    const auto spaxels = r.expected<std::int32_t>("spaxels");
    const auto stride = *r.file.root().group("expected").attribute<std::int64_t>("wavelength_stride");
    const std::size_t samples = sampled.size() / cube.spaxels();
    double result = 0;
    std::size_t lit = 0;
    for (std::size_t s = 0; s < cube.spaxels(); ++s)
        for (std::size_t k = 0; k < samples; ++k) {
            const double difference =
                std::fabs(double(cube.spectrum(s)[k * std::size_t(stride)]) - sampled[s * samples + k]);
            lit += mean[s] > 0;
            if (difference > 0) result = std::max(result, difference / mean[s]);
        }
    for (std::size_t i = 0; i < spaxels.size() / 2; ++i) {
        const std::size_t s = std::size_t(spaxels[2 * i] * 25 + spaxels[2 * i + 1]);
        for (std::size_t j = 0; j < cube.nLambda; ++j)
            result = std::max(result, std::fabs(double(cube.spectrum(s)[j]) - spectra[i * cube.nLambda + j]) / mean[s]);
    }
    REQUIRE(lit > 10000);
    return result;
}

}  // namespace

TEST_CASE("rotation and spaxels are RUBIX's", "[rubix]") {
    const Reference r;
    const Config c = configuration();
    const GalaxyFrame f = frame(Host{}, r.stars, Subhalo{}, {}, 0, c.views[0]);
    const auto rotated = r.expected("coords_rotated"), velocity = r.expected("velocity_rotated");
    const auto pixel = r.expected<std::int32_t>("pixel");
    const auto inside = r.expected<std::int8_t>("inside");
    const auto edges = r.expected("spatial_bin_edges");
    const double kpc = rubixComovingDistanceMpc(planck15(), 0.1) / 1.1 * 1e3 * units::arcsec_rad;
    CHECK(-2.5 * kpc == Approx(edges.front()).epsilon(1e-6));
    const SpaxelGrid grid{25, 0.2, 0.2 * kpc};
    double worstCoordinate = 0, worstVelocity = 0;
    std::size_t outside = 0;
    for (std::size_t i = 0; i < r.stars.size(); ++i) {
        const Vec3d x = f.rotation * r.stars.position[i], v = f.rotation * r.stars.velocity[i].to<double>();
        for (int k = 0; k < 3; ++k) {
            worstCoordinate = std::max(worstCoordinate, std::fabs(x[k] - rotated[3 * i + std::size_t(k)]));
            worstVelocity = std::max(worstVelocity, std::fabs(v[k] - velocity[3 * i + std::size_t(k)]));
        }
        const std::uint32_t s = spaxelOf(x.x, x.y, grid);
        if (s == outsideField) {
            ++outside;
            CHECK(!inside[i]);
        } else {
            CHECK(inside[i]);
            CHECK(int(s) == pixel[i]);
        }
    }
    CHECK(outside > 100);
    CHECK(worstCoordinate < 1e-5);  // kpc
    CHECK(worstVelocity < 1e-4);    // km/s, float32 on RUBIX's side
}

TEST_CASE("cubes are RUBIX's", "[rubix]") {
#ifdef TESSERA_HAS_SIMT
    const Backend backend = GENERATE(Backend::cpu, Backend::simt);
#else
    const Backend backend = Backend::cpu;
#endif
    const SspLibrary l = library();
    const Reference r;
    Config c = configuration();
    c.resources.backend = backend;
    const GalaxyInput input{};
    const auto cube = [&] { return observe(Host{}, r.stars, input, c, 0, l, planck15()).flux; };

    const double bare = worst(r, cube(), "cube");
    c.psf = PsfConfig{};
    c.psf->sigmaSpaxels = 0.6;
    c.psf->size = 5;
    const double psf = worst(r, cube(), "cube_psf");
    c.lsf = LsfConfig{};
    c.lsf->sigma = 0.5;
    c.resources.memoryPerRank = 1 << 20;  // RUBIX's conventions know no blocks of wavelengths
    const double lsf = worst(r, cube(), "cube_psf_lsf");
    std::printf("difference from RUBIX / spaxel mean: cube %.2e, after PSF %.2e, after PSF and LSF %.2e\n", bare, psf,
                lsf);
    CHECK(bare < 2e-5);
    CHECK(psf < 2e-5);
    CHECK(lsf < 2e-5);
}
