// Noise and maps of observe() against their definitions.
#include <algorithm>
#include <numeric>

#include "observing.hpp"
#include "simd/kernels.hpp"
#include "tessera/physics/noise.hpp"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("normal numbers of whole runs of voxels are those of their definition", "[noise]") {
    for (const char* level : {"baseline", "avx2", "avx512"}) {
        const simd::Kernels* kernels = simd::kernelsOf(level);
        if (kernels == nullptr) continue;
        const std::uint64_t seed = 0x123456789ABULL;
        const std::int64_t galaxy = 0x7000000011LL;
        const std::uint32_t view = 3;
        const simd::NormalsKey key{view, std::uint32_t(std::uint64_t(galaxy) >> 32), std::uint32_t(seed),
                                   std::uint32_t(galaxy) ^ std::uint32_t(seed >> 32)};
        for (const std::uint64_t first : {std::uint64_t(0), std::uint64_t(7), std::uint64_t(0x3FFFFFFF9)})
            for (const std::size_t count : {1, 3, 4, 31, 255, 256, 257, 1000}) {
                std::vector<float> variance(count, 4.0F), flux(count + 1, 10.0F);
                kernels->addNormals(key, first, count, variance.data(), flux.data());
                double worst = 0;
                for (std::size_t i = 0; i < count; ++i) {
                    const float n = standardNormals(seed, galaxy, view, (first + i) / 4).n[(first + i) % 4];
                    worst = std::max(worst, std::fabs(double(flux[i]) - 10 - 2 * double(n)));
                }
                INFO(level << " from " << first << ", " << count);
                CHECK(worst < 4e-6);
                CHECK(flux[count] == 10);
            }
    }
}

TEST_CASE("noise: variance as defined, keyed by galaxy and voxel", "[pipeline][noise]") {
    const Stars stars = randomStars(3000, 31, 0.7, 100);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    const GalaxyCube clean = observe(Host{2}, stars, {}, c, 0, library, planck15());
    std::vector<double> means;
    for (std::size_t s = 0; s < 100; ++s) {
        double sum = 0;
        for (std::size_t j = 0; j < 600; ++j) sum += double(clean.flux.spectrum(s)[j]) / 600;
        if (sum > 0) means.push_back(sum);
    }
    std::sort(means.begin(), means.end());
    const std::size_t lit = means.size();
    std::erase_if(means, [faint = 0.01 * means.back()](double m) { return m <= faint; });
    CHECK(means.size() < lit);
    const double median =
        means.size() % 2 ? means[means.size() / 2] : 0.5 * (means[means.size() / 2 - 1] + means[means.size() / 2]);

    c.noise = NoiseConfig{};
    c.noise->signalToNoise = 30;
    GalaxyInput input;
    input.subhalo.id = 5;
    const GalaxyCube noisy = observe(Host{2}, stars, input, c, 0, library, planck15());
    double chi2 = 0, skew = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < clean.flux.data.size(); ++i) {
        const double f = double(clean.flux.data[i]), v = double(noisy.variance.data[i]);
        CHECK(v == Approx(median * std::max(f, 0.0) / 900).epsilon(1e-4).margin(1e-30));
        if (v == 0) continue;
        const double pull = (double(noisy.flux.data[i]) - f) / std::sqrt(v);
        chi2 += pull * pull;
        skew += pull;
        ++count;
    }
    CHECK(count > 20000);
    CHECK(chi2 / double(count) == Approx(1).margin(4 * std::sqrt(2.0 / double(count))));
    CHECK(std::fabs(skew) / double(count) < 4 / std::sqrt(double(count)));

    const GalaxyCube again = observe(Host{1}, stars, input, c, 0, library, planck15());
    CHECK(same(noisy.flux, again.flux));
    input.subhalo.id = 6;
    CHECK(!same(noisy.flux, observe(Host{1}, stars, input, c, 0, library, planck15()).flux));

    c.noise = NoiseConfig{};
    c.noise->exposureTime = 3600;
    c.noise->sky = 100;
    c.noise->readNoise = 3;
    c.noise->exposures = 4;
    const GalaxyCube exposed = observe(Host{2}, stars, input, c, 0, library, planck15());
    // By hand: electrons per flux unit at 5000 Angstrom, A = 4.85e5 cm2, 25 %, 3600 s, 1.25 Angstrom.
    const std::size_t j = 160, s = 55;
    const double lambda = exposed.wavelength.centre(double(j));
    const double gain = 1e-20 * 4.85e5 * 0.25 * 3600 * 1.25 * (lambda * 1e-8) / (6.62607015e-27 * 2.99792458e10);
    const double f = double(clean.flux.spectrum(s)[j]);
    CHECK(double(exposed.variance.spectrum(s)[j]) ==
          Approx((gain * (f + 100 * 0.04) + 4 * 9) / (gain * gain)).epsilon(1e-5));
}

TEST_CASE("maps are sums over the stars of a spaxel", "[pipeline][maps]") {
    const Stars stars = randomStars(2000, 32, 0.6, 120);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    const Config c = smallConfig();
    const GalaxyCube g = observe(Host{2}, stars, {}, c, 0, library, planck15());
    std::vector<double> n(100), mass(100), age(100), z(100), v(100);
    for (std::size_t i = 0; i < stars.size(); ++i) {
        const double ix = std::floor(stars.position[i].x / g.grid.spaxelKpc + 5),
                     iy = std::floor(stars.position[i].y / g.grid.spaxelKpc + 5);
        if (ix < 0 || iy < 0 || ix > 9 || iy > 9) continue;
        const std::size_t p = std::size_t(iy * 10 + ix);
        const double m = double(stars.mass[i]);
        n[p] += 1;
        mass[p] += m;
        age[p] += m * double(stars.age[i]);
        z[p] += m * double(stars.metallicity[i]);
        v[p] += m * double(stars.velocity[i].z);
    }
    std::size_t lit = 0;
    for (std::size_t p = 0; p < 100; ++p) {
        CHECK(mapOf(g, "stars").data[p] == float(n[p]));
        if (n[p] == 0) {
            CHECK(std::isnan(mapOf(g, "age_mass").data[p]));
            continue;
        }
        ++lit;
        CHECK(mapOf(g, "mass").data[p] == Approx(mass[p]).epsilon(1e-6));
        CHECK(mapOf(g, "age_mass").data[p] == Approx(age[p] / mass[p]).epsilon(1e-5));
        CHECK(mapOf(g, "metallicity_mass").data[p] == Approx(z[p] / mass[p]).epsilon(1e-5));
        CHECK(mapOf(g, "velocity_mass").data[p] == Approx(v[p] / mass[p]).epsilon(1e-4).margin(1e-2));
        double flux = 0;
        for (std::size_t j = 0; j < 600; ++j) flux += double(g.flux.spectrum(p)[j]) * 1.25;
        CHECK(mapOf(g, "flux").data[p] == Approx(flux).epsilon(1e-5));
        CHECK(mapOf(g, "dispersion_light").data[p] < 400);
    }
    CHECK(lit > 30);
    CHECK(std::accumulate(mass.begin(), mass.end(), 0.0) == Approx(g.report.massInField).epsilon(1e-6));
    // Light: stars of one template weigh by mass.
    const SspLibrary flat = syntheticLibrary(20, 0, 7, 1, 1);
    Stars cold = randomStars(500, 33, 0.6, 0);
    const GalaxyCube light = observe(Host{2}, cold, {}, c, 0, flat, planck15());
    for (std::size_t p = 0; p < 100; ++p)
        if (!std::isnan(mapOf(light, "age_mass").data[p]))
            CHECK(mapOf(light, "age_light").data[p] == Approx(mapOf(light, "age_mass").data[p]).epsilon(1e-5));
}
