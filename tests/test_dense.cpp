// Spectra summed in coefficients and star by star, on libraries finer and coarser than the pixels, against the oracle.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>

#include "oracle.hpp"
#include "process.hpp"
#include "simd/kernels.hpp"
#include "support.hpp"
#include "temporary.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Scene {
    Stars stars;
    SspLibrary library;
    SpaxelGrid grid;
    WavelengthGrid window;
    double redshift = 0.1;

    std::size_t spaxels() const { return grid.n * grid.n; }
    std::vector<double> oracle() const {
        OracleView view;
        view.redshift = redshift;
        return oracleSpectra(stars, view, library, grid, window);
    }
};

struct Prepared {
    KnotTable table;
    BinnedStars stars;

    std::vector<float> spectra(const WavelengthGrid& window, int threads = 2) const {
        std::vector<float> out((stars.start.size() - 1) * window.size, -1.0F);
        accumulate(Host{threads}, stars, table, window, 1, out.data(), window.size);
        return out;
    }
};

constexpr double never = 1e30;

// Spaxels of starsPerNode stars or more for every node are summed in coefficients.
Prepared prepare(const Scene& s, double accuracy, double starsPerNode, int threads = 2) {
    Projected p = project(Host{threads}, s.stars, {{}, {}, Mat3d{}}, 0, s.grid, Doppler::relativistic);
    Prepared r{knots(s.library, s.redshift, "air", s.window, p.shiftMin, p.shiftMax, accuracy), {}};
    if (starsPerNode < never) {
        r.table.nodeStep = nodeSpacing(Host{threads}, r.table, s.window, nullptr, accuracy).step;
        r.table.starsPerNode = starsPerNode;
    }
    r.stars = bin(Host{threads}, s.stars, std::move(p), s.spaxels(), r.table);
    return r;
}

std::size_t litSpaxels(const BinnedStars& b) {
    std::size_t lit = 0;
    for (std::size_t s = 0; s + 1 < b.start.size(); ++s) lit += b.start[s + 1] > b.start[s];
    return lit;
}

// Largest relative error of a spaxel's flux, summed over the window.
double closure(const std::vector<float>& a, const std::vector<double>& b, const WavelengthGrid& window) {
    double worst = 0;
    for (std::size_t first = 0; first < b.size(); first += window.size) {
        double found = 0, expected = 0;
        for (std::size_t j = 0; j < window.size; ++j) {
            found += double(a[first + j]) * window.width(j);
            expected += b[first + j] * window.width(j);
        }
        if (expected > 0) worst = std::max(worst, std::fabs(found / expected - 1));
    }
    return worst;
}

void checkAgainstOracle(const Scene& s, const std::vector<double>& expected, double accuracy, double starsPerNode) {
    const Prepared p = prepare(s, accuracy, starsPerNode);
    const std::vector<float> found = p.spectra(s.window);
    const Difference d = compareSpectra(found.data(), s.window.size, expected, s.spaxels(), s.window.size);
    INFO("fine " << p.table.fine << ", log " << s.window.log << ", accuracy " << accuracy << ", node step "
                 << p.table.nodeStep << ", " << p.stars.dense.size() << " dense of " << litSpaxels(p.stars)
                 << ", worst " << d.worst << " at spaxel " << d.spaxel << " pixel " << d.pixel);
    CHECK(d.brightest > 0);
    CHECK(d.worst < std::max(accuracy, 4e-6));
    CHECK(closure(found, expected, s.window) < 1e-6);
    if (starsPerNode < never && p.table.nodeStep > 0) {
        CHECK(!p.stars.dense.empty());
        CHECK(p.stars.dense.size() < litSpaxels(p.stars));
    }
    if (starsPerNode < never && accuracy > 5e-6) CHECK(p.table.nodeStep > 0);
}

const WavelengthGrid linear{4900.15, 1.25, 300, false}, logarithmic{4900, 1e-4, 300, true};
const double coarse = 20, fine = 0.9;

// Crowded in the middle, single stars outside.
Scene scene(double step, const WavelengthGrid& window, std::size_t stars = 3000) {
    return {randomStars(stars, 51, 0.8, 150), lineLibrary(step), {6, 1, 1}, window};
}

}  // namespace

TEST_CASE("dense and sparse spaxels equal the oracle", "[dense]") {
    for (const double step : {coarse, fine})
        for (const WavelengthGrid& window : {linear, logarithmic}) {
            const Scene s = scene(step, window);
            const std::vector<double> expected = s.oracle();
            for (const double accuracy : {1e-4, 1e-5, 1e-6})
                for (const double starsPerNode : {never, accuracy < 5e-5 ? 0.3 : 2.0})
                    checkAgainstOracle(s, expected, accuracy, starsPerNode);
        }
}

TEST_CASE("dense spaxels of libraries of one age or one metallicity", "[dense]") {
    for (const double step : {coarse, fine})
        for (const auto& [ages, metallicities] : {std::pair{1, 3}, std::pair{5, 1}, std::pair{1, 1}, std::pair{2, 2}}) {
            Scene s = scene(step, {4900.15, 1.25, 130, false}, 2000);
            s.library = lineLibrary(step, std::size_t(ages), std::size_t(metallicities));
            INFO(ages << " x " << metallicities);
            checkAgainstOracle(s, s.oracle(), 1e-4, 2);
        }
}

TEST_CASE("windows give what the whole range gives", "[dense]") {
    for (const double step : {coarse, fine})
        for (const WavelengthGrid& all : {linear, logarithmic}) {
            const Prepared p = prepare(scene(step, all), 1e-4, 2);
            CHECK(p.table.fine == (step == fine));
            const std::size_t spaxels = p.stars.start.size() - 1;
            const std::vector<float> whole = p.spectra(all);
            const std::vector<double> expected(whole.begin(), whole.end());
            std::vector<float> parts(whole.size(), -1.0F);
            const Accumulator accumulator(Host{2}, p.stars, p.table);
            for (std::size_t first = 0, count = 1; first < all.size; first += count, count = 7 * count % 96 + 1)
                accumulator(all.window(std::ptrdiff_t(first), std::min(count, all.size - first)), 1,
                            parts.data() + first, all.size);
            CHECK(compareSpectra(parts.data(), all.size, expected, spaxels, all.size).worst < 2e-6);
        }
}

TEST_CASE("spaxels without stars may be left out before", "[dense]") {
    for (const double step : {coarse, fine}) {
        Prepared p = prepare(scene(step, linear), 1e-4, 2);
        const std::vector<float> all = p.spectra(linear);
        const std::size_t before = p.stars.start.size() - 1;
        keepLit(p.stars);
        const std::vector<std::uint32_t>& lit = p.stars.spaxel;
        REQUIRE(lit.size() < before);
        REQUIRE(!p.stars.dense.empty());
        const std::vector<float> kept = p.spectra(linear);
        std::size_t row = 0;
        for (std::size_t s = 0; s < before; ++s) {
            const float* found = all.data() + s * linear.size;
            if (row < lit.size() && lit[row] == s)
                CHECK(std::memcmp(found, kept.data() + row++ * linear.size, linear.size * sizeof(float)) == 0);
            else
                CHECK(std::all_of(found, found + linear.size, [](float v) { return v == 0; }));
        }
        CHECK(row == lit.size());
    }
}

TEST_CASE("nodes beyond the range of shifts have their knots", "[dense]") {
    // A table for a wider range of shifts holds more knots at its ends than the nodes can need.
    for (const double step : {3.0, fine}) {
        const WavelengthGrid window{4900.15, 1.25, 24, false};
        Scene s{randomStars(400, 52, 0.01, 0), syntheticLibrary(step, 0.9), {1, 1, 10}, window};
        for (std::size_t i = 0; i < s.stars.size(); ++i) s.stars.velocity[i].z = i % 2 ? 100.0F : 101.0F;
        std::vector<std::vector<float>> results;
        for (const float margin : {0.0F, 5e-3F}) {
            Projected p = project(Host{1}, s.stars, {{}, {}, Mat3d{}}, 0, s.grid, Doppler::relativistic);
            KnotTable table = knots(s.library, s.redshift, "air", window, p.shiftMin - margin, p.shiftMax + margin, 1);
            table.nodeStep = 5e-4;
            table.starsPerNode = 1;
            const BinnedStars stars = bin(Host{1}, s.stars, std::move(p), 1, table);
            REQUIRE(stars.dense.size() == 1);
            results.emplace_back(window.size);
            accumulate(Host{1}, stars, table, window, 1, results.back().data(), window.size);
        }
        const std::vector<double> expected(results[1].begin(), results[1].end());
        const Difference d = compareSpectra(results[0].data(), window.size, expected, 1, window.size);
        INFO("step " << step << ", worst " << d.worst << " at pixel " << d.pixel);
        CHECK(d.worst < 2e-6);
    }
}

TEST_CASE("a spaxel that all threads sum in parts", "[dense]") {
    const std::size_t third = 100'000, n = 3 * third;
    const WavelengthGrid window{4900.15, 1.25, 70, false};
    for (const double step : {coarse, fine}) {
        const Scene s{randomStars(n, 53, 0.01, 150), lineLibrary(step, 3, 2), {1, 1, 10}, window};
        Prepared p = prepare(s, 1e-4, 1);
        REQUIRE(p.stars.dense.size() == 1);
        const std::vector<float> one = p.spectra(window, 1);
        for (const int threads : {2, 3, 5}) CHECK(one == p.spectra(window, threads));

        // The same stars as three spaxels, each of which one thread sums.
        const DenseRange range = p.stars.dense.front();
        p.stars.start = Buffer<std::uint64_t>(4);
        p.stars.dense.clear();
        for (std::size_t k = 0; k < 4; ++k) p.stars.start[k] = k * third;
        for (std::size_t k = 0; k < 3; ++k)
            p.stars.dense.push_back({k * third, (k + 1) * third, range.firstNode, range.nodes});
        const std::vector<float> thirds = p.spectra(window);
        std::vector<double> sum(window.size, 0.0);
        for (std::size_t i = 0; i < thirds.size(); ++i) sum[i % window.size] += double(thirds[i]);
        CHECK(compareSpectra(one.data(), window.size, sum, 1, window.size).worst < 4e-6);

        // And star by star.
        p.stars.dense.clear();
        const Prepared direct = prepare(s, 1e-4, never);
        const std::vector<float> single = direct.spectra(window);
        const std::vector<double> expected(single.begin(), single.end());
        CHECK(compareSpectra(one.data(), window.size, expected, 1, window.size).worst < 1e-4);
    }
}

TEST_CASE("a hundred thousand equal stars add up", "[dense]") {
    // Equal summands round the same way again and again.
    const std::size_t n = 130'000;
    const WavelengthGrid window{4900.15, 1.25, 40, false};
    for (const double step : {coarse, fine})
        for (const double starsPerNode : {never, 1.0}) {
            Scene s{randomStars(1, 54, 0.01, 150), lineLibrary(step, 3, 2), {1, 1, 10}, window};
            std::vector<double> expected = s.oracle();
            for (double& v : expected) v *= double(n);
            Stars stars(n);
            for (std::size_t i = 0; i < n; ++i) {
                stars.position[i] = s.stars.position[0];
                stars.velocity[i] = s.stars.velocity[0];
                stars.mass[i] = s.stars.mass[0];
                stars.age[i] = s.stars.age[0];
                stars.metallicity[i] = s.stars.metallicity[0];
            }
            s.stars = std::move(stars);
            const Prepared p = prepare(s, 1e-4, starsPerNode);
            CHECK(p.stars.dense.size() == (starsPerNode < never ? 1 : 0));
            const std::vector<float> found = p.spectra(window);
            const Difference d = compareSpectra(found.data(), window.size, expected, 1, window.size);
            INFO("fine " << p.table.fine << ", in coefficients " << p.stars.dense.size() << ", worst " << d.worst);
            CHECK(d.worst < 5e-5);
        }
}

TEST_CASE("dense spaxels: bitwise the same for any number of threads", "[dense]") {
    for (const double step : {coarse, fine})
        for (const double starsPerNode : {never, 2.0}) {
            const Scene s = scene(step, linear, 20000);
            const Prepared one = prepare(s, 1e-4, starsPerNode, 1);
            const std::vector<float> expected = one.spectra(linear, 1);
            CHECK(*std::max_element(expected.begin(), expected.end()) > 0);
            for (const int threads : {2, 3, 5}) {
                const Prepared many = prepare(s, 1e-4, starsPerNode, threads);
                CHECK(one.table.nodeStep == many.table.nodeStep);
                const std::vector<float> found = many.spectra(linear, threads);
                CHECK(std::memcmp(expected.data(), found.data(), found.size() * sizeof(float)) == 0);
            }
        }
}

// Run in a process of its own for each instruction set, see below.
TEST_CASE("write spectra to the file that TESSERA_TEST_SPECTRA names", "[.]") {
    const char* path = std::getenv("TESSERA_TEST_SPECTRA");
    REQUIRE(path != nullptr);
    std::ofstream file(path, std::ios::binary);
    for (const double step : {coarse, fine})
        for (const double starsPerNode : {never, 2.0}) {
            const Scene s = scene(step, logarithmic);
            Prepared p = prepare(s, 1e-4, never);
            if (starsPerNode < never) {
                p.table.nodeStep = 5e-5;
                p.table.starsPerNode = starsPerNode;
                p.stars = bin(Host{2}, s.stars,
                              project(Host{2}, s.stars, {{}, {}, Mat3d{}}, 0, s.grid, Doppler::relativistic),
                              s.spaxels(), p.table);
                REQUIRE(!p.stars.dense.empty());
            }
            const std::vector<float> found = p.spectra(logarithmic);
            file.write(reinterpret_cast<const char*>(found.data()), std::streamsize(found.size() * sizeof(float)));
        }
    REQUIRE(file.flush());
}

TEST_CASE("every instruction set gives the same spectra from all that is around it", "[dense]") {
    const TemporaryDirectory folder;
    std::vector<std::vector<float>> results;
    for (const char* level : {"baseline", "avx2", "avx512"}) {
        if (simd::kernelsOf(level) == nullptr) continue;
        const std::string path = folder / level;
        const Outcome o = runProcess("/proc/self/exe", {"write spectra*"}, folder.path().string(),
                                     {"TESSERA_TEST_SPECTRA=" + path, std::string("TESSERA_SIMD=") + level});
        INFO(level << ": " << o.out << o.err);
        REQUIRE(o.code == 0);
        std::vector<float> spectra(std::filesystem::file_size(path) / sizeof(float));
        std::ifstream(path, std::ios::binary)
            .read(reinterpret_cast<char*>(spectra.data()), std::streamsize(spectra.size() * sizeof(float)));
        results.push_back(std::move(spectra));
    }
    REQUIRE(!results.empty());
    const std::vector<double> first(results[0].begin(), results[0].end());
    const std::size_t spaxels = first.size() / logarithmic.size;
    REQUIRE(spaxels == 4 * 36);
    for (const auto& r : results) {
        REQUIRE(r.size() == first.size());
        const Difference d = compareSpectra(r.data(), logarithmic.size, first, spaxels, logarithmic.size);
        CHECK(d.brightest > 0);
        CHECK(d.worst < 4e-6);
    }
}
