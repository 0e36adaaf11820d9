// Dark spaxels, apertures, blocks and reused memory: the fast path of the cube against one that knows none of them.
#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "observing.hpp"
#include "oracle.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr float untouched = -7;

// A padded field of which only some spaxels shine, and the dull convolution of all of it.
struct SparseField {
    const Optics& optics;
    std::vector<std::uint32_t> lit;
    std::size_t pixels, extended, stride;  // pixels of the block, and with the wings
    Buffer<float> spectra;
    std::vector<double> dense;  // [side side][extended]

    SparseField(const Optics& o, const std::vector<std::uint32_t>& lit_, std::size_t count)
        : optics(o),
          lit(lit_),
          pixels(count),
          extended(count + 2 * o.wings()),
          stride((extended + spectrumPadding + 15) / 16 * 16),
          spectra(lit.size() * stride + spectrumPadding, 0.0F),
          dense(o.side() * o.side() * extended, 0.0) {
        std::mt19937_64 rng(5);
        std::uniform_real_distribution<float> uniform;
        for (std::size_t k = 0; k < lit.size(); ++k)
            for (std::size_t j = 0; j < extended; ++j)
                dense[lit[k] * extended + j] = double(spectra[k * stride + j] = uniform(rng));
    }

    Cube run(const std::vector<std::uint8_t>& wanted, int threads, std::vector<double>& bandFlux) const {
        const std::size_t n = optics.n();
        Cube out(n, n, optics.grid().size);
        std::fill(out.data.begin(), out.data.end(), untouched);
        Buffer<float> used = spectra.clone();
        const std::vector<float> weight(optics.grid().size, 2.0F);
        bandFlux.assign(n * n, 1.0);
        convolve(Host{threads}, optics, {lit, used.data(), stride, 0, pixels}, wanted, weight, out, bandFlux);
        return out;
    }
};

std::vector<std::uint32_t> scattered(std::size_t side, std::size_t count) {
    std::vector<std::uint32_t> all(side * side);
    std::iota(all.begin(), all.end(), 0U);
    std::shuffle(all.begin(), all.end(), std::mt19937_64(6));
    all.resize(count);
    std::sort(all.begin(), all.end());
    return all;
}

}  // namespace

TEST_CASE("a few lit spaxels blur as a field of zeros with them in it", "[dark]") {
    const WavelengthGrid grid{5000, 1.25, 69, false};
    const SspLibrary library = syntheticLibrary(20, 0.2, 1, 2, 2);
    LsfConfig width;
    width.fwhm = 4;
    const Lsf lsf = makeLsf(width, nullptr, grid, library, 0.1);
    // More than one band of rows; kernels narrower and wider than a band.
    for (const std::size_t n : {1, 5, 37, 70}) {
        for (const double fwhm : {0.3, 1.1, 4.0}) {
            for (const PsfKind kind : {PsfKind::gaussian, PsfKind::doubleGaussian, PsfKind::moffat}) {
                if (fwhm > 1.2 && (n != 37 || kind == PsfKind::moffat)) continue;
                if (n == 70 && kind != PsfKind::gaussian) continue;
                PsfConfig c;
                c.kind = kind;
                c.beta = 4.5;
                c.fwhm = fwhm;
                const Psf psf = makePsf(c, nullptr, grid, 0.2);
                const Optics optics(psf, lsf, n, grid);
                const std::size_t side = optics.side();
                for (const std::size_t count : {std::size_t(1), std::size_t(9)}) {
                    const SparseField f(optics, scattered(side, std::min(count, side * side)), grid.size);
                    const std::vector<std::uint8_t> wanted = reached(optics, f.lit);
                    std::vector<double> bandFlux, again;
                    const Cube found = f.run(wanted, 2, bandFlux);
                    CHECK(same(found, f.run(wanted, 1, again)));
                    CHECK(bandFlux == again);

                    // Line spread of each lit spaxel, then a sum over all pairs of spaxels.
                    const PsfKernel& k = psf.kernels.front();
                    const std::ptrdiff_t r = std::ptrdiff_t(k.radius), w = 2 * r + 1;
                    const auto tap = [&](std::ptrdiff_t dx, std::ptrdiff_t dy) {
                        if (k.separable.empty()) return double(k.full[std::size_t((r - dy) * w + r - dx)]);
                        double sum = 0;
                        for (const auto& t : k.separable)
                            sum += double(t[std::size_t(r - dx)]) * double(t[std::size_t(r - dy)]);
                        return sum;
                    };
                    std::vector<double> expected(n * n * grid.size, 0.0);
                    std::vector<std::uint8_t> near(n * n, 0);
                    for (std::size_t i = 0; i < f.lit.size(); ++i) {
                        std::vector<double> s(grid.size, 0.0);
                        for (std::size_t j = 0; j < grid.size; ++j)
                            for (std::size_t d = 0; d < lsf.taps.size(); ++d)
                                s[j] += double(lsf.taps[d]) * f.dense[f.lit[i] * f.extended + j + d];
                        for (std::size_t p = 0; p < n * n; ++p) {
                            const std::ptrdiff_t dx = std::ptrdiff_t(p % n + optics.pad()) -
                                                      std::ptrdiff_t(f.lit[i] % side),
                                                 dy = std::ptrdiff_t(p / n + optics.pad()) -
                                                      std::ptrdiff_t(f.lit[i] / side);
                            if (std::abs(dx) > r || std::abs(dy) > r) continue;
                            near[p] = 1;
                            for (std::size_t j = 0; j < grid.size; ++j)
                                expected[p * grid.size + j] += tap(dx, dy) * s[j];
                        }
                    }
                    CHECK(near == wanted);
                    double worst = 0, worstSum = 0;
                    for (std::size_t p = 0; p < n * n; ++p) {
                        double sum = 0;
                        for (std::size_t j = 0; j < grid.size; ++j) {
                            const double v = double(found.spectrum(p)[j]), e = expected[p * grid.size + j];
                            if (!wanted[p]) REQUIRE(found.spectrum(p)[j] == untouched);
                            if (wanted[p]) worst = std::max(worst, std::fabs(v - e));
                            sum += 2 * e;
                        }
                        worstSum = std::max(worstSum, std::fabs(bandFlux[p] - 1 - sum));
                    }
                    INFO("n " << n << " fwhm " << fwhm << " kind " << int(kind) << " lit " << count);
                    CHECK(worst < 2e-6);
                    CHECK(worstSum < 1e-4);
                }
            }
        }
    }
}

TEST_CASE("only wanted spaxels are written, and no other changes them", "[dark]") {
    const WavelengthGrid grid{4000, 40, 50, false};
    const SspLibrary library = syntheticLibrary(20, 0.2, 1, 2, 2);
    LsfConfig width;
    width.fwhm = 100;
    const Lsf lsf = makeLsf(width, nullptr, grid, library, 0.1);
    PsfConfig c;
    c.fwhm = 0.6;
    c.referenceWavelength = 6000;
    for (const double power : {0.0, -0.3})  // LSF before the PSF, and after it
        for (const PsfKind kind : {PsfKind::gaussian, PsfKind::moffat}) {
            c.kind = kind;
            c.power = power;
            const Optics optics(makePsf(c, nullptr, grid, 0.2), lsf, 40, grid);
            CHECK(optics.lsfFirst() == (power == 0));
            const SparseField f(optics, scattered(optics.side(), 60), grid.size);
            const std::vector<std::uint8_t> all(1600, 1);
            std::vector<std::uint8_t> some(1600);
            std::mt19937_64 rng(8);
            for (auto& w : some) w = rng() % 3 == 0;
            std::vector<double> allFlux, someFlux;
            const Cube whole = f.run(all, 2, allFlux), part = f.run(some, 1, someFlux);
            for (std::size_t s = 0; s < 1600; ++s) {
                for (std::size_t j = 0; j < grid.size; ++j)
                    REQUIRE(part.spectrum(s)[j] == (some[s] ? whole.spectrum(s)[j] : untouched));
                CHECK(someFlux[s] == (some[s] ? allFlux[s] : 1));
            }
            CHECK(*std::max_element(whole.data.begin(), whole.data.end()) > 0);
        }
}

TEST_CASE("spaxels without stars are left out", "[dark]") {
    BinnedStars b;
    b.start = Buffer<std::uint64_t>(6);
    std::copy_n(std::array<std::uint64_t, 6>{0, 0, 3, 3, 3, 4}.begin(), 6, b.start.begin());
    keepLit(b);
    CHECK(b.spaxel == std::vector<std::uint32_t>{1, 4});
    CHECK(std::vector<std::uint64_t>(b.start.begin(), b.start.end()) == std::vector<std::uint64_t>{0, 3, 4});
}

TEST_CASE("a cube of few stars: dark inside the aperture, blank outside it", "[dark]") {
    Stars stars = randomStars(3, 51, 0, 0);
    const double kpc = kpcPerArcsec(planck15(), 0.1);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.telescope.fov = 12;  // 60 spaxels
    c.telescope.aperture = Aperture::hexagon;
    c.psf = PsfConfig{};
    c.psf->fwhm = 0.6;
    c.lsf = LsfConfig{};
    c.lsf->fwhm = 2.5;
    stars.position[0] = {1.05 * kpc, -0.95 * kpc, 0};
    stars.position[1] = {-2.05 * kpc, 1.05 * kpc, 0};
    stars.position[2] = {5.9 * kpc, 5.9 * kpc, 0};  // outside the hexagon
    const GalaxyCube g = observe(Host{2}, stars, {}, c, 0, library, planck15());
    CHECK(g.report.nStarsInField == 2);
    const auto& flux = mapOf(g, "flux").data;
    std::size_t blank = 0, dark = 0, lit = 0;
    double sum = 0;
    for (std::size_t s = 0; s < 3600; ++s) {
        const float* v = g.flux.spectrum(s);
        double band = 0;
        for (std::size_t j = 0; j < 600; ++j) band += double(v[j]) * 1.25;
        if (std::isnan(band)) {
            CHECK(std::all_of(v, v + 600, [](float x) { return std::isnan(x); }));
            CHECK(std::isnan(flux[s]));
            ++blank;
        } else {
            CHECK(double(flux[s]) == Approx(band).epsilon(1e-6));
            (band > 0 ? lit : dark) += 1;
            sum += band;
        }
    }
    CHECK(blank > 900);
    CHECK(dark > 1000);
    CHECK(lit == 2 * 15 * 15);  // 5 sigma are 6.4 spaxels
    const double distance = g.report.luminosityDistanceMpc * units::Mpc_cm;
    CHECK(sum * 1e-20 * 4 * units::pi * distance * distance / units::Lsun_erg_s ==
          Approx(g.report.luminosityInBand).epsilon(1e-3));
}

TEST_CASE("what an observer has seen before leaves no trace", "[dark]") {
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.telescope.aperture = Aperture::circle;
    c.psf = PsfConfig{};
    c.lsf = LsfConfig{};
    c.lsf->resolution = 1800;
    c.noise = NoiseConfig{};
    c.noise->signalToNoise = 20;
    c.views.push_back(c.views.front());
    c.views[1].redshift = 0.12;
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{2}, c, library, cosmology, tables);
    // Wide and narrow, fast and slow, dense and sparse.
    const std::vector<Stars> galaxies = [] {
        std::vector<Stars> s;
        s.push_back(randomStars(3000, 61, 2, 400));
        s.push_back(randomStars(5, 62, 0.1, 20));
        s.push_back(randomStars(300, 63, 0.4, 1200));
        return s;
    }();
    for (const std::size_t k : {0, 1, 2, 1, 0, 2, 2, 1})
        for (const std::size_t view : {0, 1}) {
            GalaxyCube found = observer.observe(galaxies[k], {}, view);
            const GalaxyCube fresh = observe(Host{1}, galaxies[k], {}, c, view, library, cosmology);
            CHECK(same(found.flux, fresh.flux));
            CHECK(same(found.variance, fresh.variance));
            for (std::size_t m = 0; m < fresh.maps.size(); ++m)
                CHECK(std::memcmp(found.maps[m].data.data(), fresh.maps[m].data.data(),
                                  fresh.maps[m].data.size() * sizeof(float)) == 0);
            CHECK(found.report.luminosityInBand == fresh.report.luminosityInBand);
            observer.recycle(std::move(found));
        }
}

TEST_CASE("more redshifts than an observer keeps", "[dark]") {
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.lsf = LsfConfig{};
    c.lsf->resolution = 1800;
    c.noise = NoiseConfig{};
    c.noise->signalToNoise = 20;
    c.views.clear();
    for (int v = 0; v < 20; ++v) {
        c.views.push_back(smallConfig().views.front());
        c.views.back().redshift = 0.1 + 0.001 * (v % 18);
        c.views.back().inclination = v;
    }
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const Stars stars = randomStars(300, 65, 0.4, 200);
    Observer observer(Host{2}, c, library, cosmology, tables);
    for (const int round : {0, 1})
        for (std::size_t view = 0; view < c.views.size(); ++view) {
            const GalaxyCube found = observer.observe(stars, {}, view);
            CHECK(found.report.view == int(view));
            CHECK(found.report.redshift == c.views[view].redshift);
            if (round == 0 && view % 5 != 4) continue;
            CHECK(same(found.flux, observe(Host{1}, stars, {}, c, view, library, cosmology).flux));
        }
    // Another number and seed change the noise alone.
    const GalaxyCube a = observer.observe(stars, {}, 3), b = observer.observe(stars, {}, 3, {c.noise->seed, 7}),
                     other = observer.observe(stars, {}, 3, {c.noise->seed + 1, 3});
    CHECK(b.report.view == 7);
    CHECK(same(a.variance, b.variance));
    CHECK_FALSE(same(a.flux, b.flux));
    CHECK(same(a.variance, other.variance));
    CHECK_FALSE(same(a.flux, other.flux));
}

TEST_CASE("wavelengths that the library does not reach are blank in blocks of any size", "[dark]") {
    const Stars stars = randomStars(400, 64, 0.8, 100);
    const SspLibrary library = syntheticLibrary(20, 0.3);
    Config c = smallConfig();
    c.spectra.outside = Outside::nan;
    c.telescope.wavelengthMin = 3200;  // the library begins at 3300
    c.telescope.wavelengthMax = 4000;
    c.psf = PsfConfig{};
    const GalaxyCube whole = observe(Host{2}, stars, {}, c, 0, library, planck15());
    c.resources.memoryPerRank = 1;  // the narrowest blocks
    const GalaxyCube blocks = observe(Host{1}, stars, {}, c, 0, library, planck15());
    std::size_t blank = 0;
    double worst = 0, mean = 0;
    for (std::size_t i = 0; i < whole.flux.data.size(); ++i) {
        const float a = whole.flux.data[i], b = blocks.flux.data[i];
        REQUIRE(std::isnan(a) == std::isnan(b));
        blank += std::isnan(a);
        if (std::isnan(a)) continue;
        worst = std::max(worst, std::fabs(double(a) - double(b)));
        mean += double(a);
    }
    mean /= double(whole.flux.data.size() - blank);
    CHECK(blank > 100 * 70);
    CHECK(blank <= 100 * 80);
    CHECK(worst < 2e-5 * mean);
    CHECK(
        total(whole) ==
        Approx(std::accumulate(mapOf(whole, "flux").data.begin(), mapOf(whole, "flux").data.end(), 0.0)).epsilon(1e-6));
}
