// The fast sum of spectra against the dull oracle.
#include <algorithm>
#include <cstring>

#include "oracle.hpp"
#include "simd/kernels.hpp"
#include "support.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Case {
    Stars stars;
    SspLibrary library;
    SpaxelGrid grid;
    WavelengthGrid window;
    double accuracy = 1e-4;
    double redshift = 0.1;
};

std::vector<float> fast(const Case& c, int threads = 2) {
    const GalaxyFrame f{{}, {}, Mat3d{}};
    Projected p = project(Host{threads}, c.stars, f, 0, c.grid, Doppler::relativistic);
    const KnotTable t = knots(c.library, c.redshift, "air", c.window, p.shiftMin, p.shiftMax, c.accuracy);
    const BinnedStars b = bin(Host{threads}, c.stars, std::move(p), c.grid.n * c.grid.n, t);
    std::vector<float> out(c.grid.n * c.grid.n * c.window.size, -1.0F);
    accumulate(Host{threads}, b, t, c.window, 1, out.data(), c.window.size);
    return out;
}

Difference compare(const Case& c) {
    OracleView view;
    view.redshift = c.redshift;
    const std::vector<float> a = fast(c);
    return compareSpectra(a.data(), c.window.size, oracleSpectra(c.stars, view, c.library, c.grid, c.window),
                          c.grid.n * c.grid.n, c.window.size);
}

const WavelengthGrid museLike{4700.15, 1.25, 600, false};

}  // namespace

TEST_CASE("a spectrum of one star is exact", "[accumulate]") {
    // One star a spaxel has no approximation but float rounding.
    Case c{randomStars(12, 1, 2, 200), syntheticLibrary(20, 0.4), {4, 1, 3}, museLike};
    const Difference d = compare(c);
    CHECK(d.brightest > 0);
    CHECK(d.worst < 3e-6);
}

TEST_CASE("crowded spaxels keep the accuracy asked for", "[accumulate]") {
    for (const double accuracy : {1e-4, 1e-6})
        for (const double velocity : {5.0, 60.0, 300.0}) {
            Case c{randomStars(3000, 2, 1, velocity), syntheticLibrary(20, 0.4), {2, 1, 3}, museLike, accuracy};
            const Difference d = compare(c);
            INFO("accuracy " << accuracy << " velocity " << velocity << " worst " << d.worst);
            CHECK(d.brightest > 0);
            CHECK(d.worst < std::max(accuracy, 4e-6));
        }
}

TEST_CASE("libraries finer and coarser than the pixels", "[accumulate]") {
    for (const double step : {0.9, 3.0, 137.0}) {
        Case c{randomStars(400, 3, 1, 150), syntheticLibrary(step, 0.2, 7, 4, 2), {2, 1, 3}, museLike};
        const Difference d = compare(c);
        INFO("step " << step << " worst " << d.worst);
        CHECK(d.brightest > 0);
        CHECK(d.worst < 1e-4);
    }
}

TEST_CASE("logarithmic and coarse wavelength grids", "[accumulate]") {
    for (const WavelengthGrid& window :
         {WavelengthGrid{3621.6, 1e-4, 4000, true}, WavelengthGrid{6000, 114.36, 30, false},
          WavelengthGrid{5000, 0.1, 333, false}, WavelengthGrid{5000, 1.25, 1, false}}) {
        Case c{randomStars(300, 4, 1, 150), syntheticLibrary(20, 0.3, 7, 5, 3), {2, 1, 3}, window};
        const Difference d = compare(c);
        INFO("pixels " << window.size << " log " << window.log << " worst " << d.worst);
        CHECK(d.brightest > 0);
        CHECK(d.worst < 1e-4);
    }
}

TEST_CASE("the window reaches beyond the library: its end values are held", "[accumulate]") {
    Case c{randomStars(50, 5, 1, 150), syntheticLibrary(20, 0.3), {1, 1, 30}, {3100, 10, 950, false}};
    CHECK(compare(c).worst < 1e-4);
}

TEST_CASE("libraries of one age or one metallicity", "[accumulate]") {
    for (const auto& [ages, metallicities] : {std::pair{1, 4}, std::pair{5, 1}, std::pair{1, 1}, std::pair{2, 2}}) {
        Case c{randomStars(100, 6, 1, 150),
               syntheticLibrary(20, 0.3, 7, std::size_t(ages), std::size_t(metallicities)),
               {2, 1, 3},
               museLike};
        INFO(ages << " x " << metallicities);
        CHECK(compare(c).worst < 1e-4);
    }
}

TEST_CASE("numbers of stars and pixels around the vector and run lengths", "[accumulate]") {
    for (const std::size_t n : {0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 2047, 2048, 2049, 4097}) {
        // All in one spaxel and, on odd counts, all at one velocity: the longest runs.
        Case c{randomStars(n, 7 + n, 1, n % 2 ? 0 : 20),
               syntheticLibrary(20, 0.3),
               {1, 1, 1000},
               {5000, 1.25, 60 + n % 9, false}};
        const Difference d = compare(c);
        INFO(n << " stars, worst " << d.worst);
        CHECK((n == 0 || d.brightest > 0));
        CHECK(d.worst < 1e-4);
    }
}

TEST_CASE("every instruction set gives the same spectra", "[accumulate]") {
    Case c{randomStars(3000, 8, 2, 200), syntheticLibrary(20, 0.4), {6, 1, 2}, museLike};
    const GalaxyFrame f{{}, {}, Mat3d{}};
    Projected p = project(Host{1}, c.stars, f, 0, c.grid, Doppler::relativistic);
    const KnotTable t = knots(c.library, c.redshift, "air", c.window, p.shiftMin, p.shiftMax, c.accuracy);
    const BinnedStars b = bin(Host{1}, c.stars, std::move(p), 36, t);
    std::vector<double> edges;
    for (std::size_t j = 0; j <= c.window.size; ++j) edges.push_back(c.window.edge(double(j)));
    std::vector<std::vector<float>> results;
    for (const char* level : {"baseline", "avx2", "avx512"}) {
        const simd::Kernels* k = simd::kernelsOf(level);
        if (k == nullptr) continue;
        CHECK(std::string(k->name) == level);
        Buffer<double> scratch(simd::scratchDoubles(t.size(), c.window.size));
        simd::SpectrumArgs a{};
        a.shiftStep = float(t.shiftStep);
        a.shiftMin = t.shiftMin;
        a.flux = t.flux.data();
        a.fluxStride = t.stride;
        a.nAge = t.nAge;
        a.ageStep = 1;
        a.position = t.position.data();
        a.inverseStep = t.inverseStep.data();
        a.knots = t.size();
        a.edges = edges.data();
        a.pixels = c.window.size;
        a.inverseWidth = 1 / c.window.step;
        a.scale = 1;
        a.scratch = scratch.data();
        std::vector<float> out(36 * c.window.size, 0.0F);
        for (std::size_t s = 0; s < 36; ++s) {
            a.stars = b.stars.data() + b.start[s];
            a.count = b.start[s + 1] - b.start[s];
            a.out = out.data() + s * c.window.size;
            if (a.count > 0) k->spectrum(a);
        }
        results.push_back(out);
    }
    REQUIRE(!results.empty());
    const std::vector<double> first(results[0].begin(), results[0].end());
    for (const auto& r : results) CHECK(compareSpectra(r.data(), c.window.size, first, 36, c.window.size).worst < 2e-6);
}

TEST_CASE("bitwise the same for any number of threads", "[accumulate]") {
    Case c{randomStars(20000, 9, 2, 200), syntheticLibrary(20, 0.4), {8, 1, 1.5}, museLike};
    const std::vector<float> one = fast(c, 1);
    for (const int threads : {2, 3, 7}) {
        const std::vector<float> many = fast(c, threads);
        CHECK(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)) == 0);
    }
    CHECK(*std::max_element(one.begin(), one.end()) > 0);
}
