// The spacing of the nodes of shift, what is kept of it on disk, and galaxies whose dense spaxels use it.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "coefficients.hpp"
#include "instrumented.hpp"
#include "observing.hpp"
#include "oracle.hpp"
#include "simd/kernels.hpp"
#include "temporary.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr double redshift = 0.1;
const WavelengthGrid range{4900.15, 1.25, 200, false}, logRange{4900, 1e-4, 200, true};

WavelengthGrid extendedBy(const WavelengthGrid& g, std::size_t radius) {
    return g.window(-std::ptrdiff_t(radius), g.size + 2 * radius);
}

struct Instrument {
    const char* name;
    WavelengthGrid grid;
    std::optional<LsfConfig> config;
};

std::vector<Instrument> instruments() {
    LsfConfig constant, varying;
    constant.fwhm = 2.6;
    varying.fwhmPolynomial = {-46, 0.01};  // 3 to 5.5 Angstrom
    return {
        {"none", range, {}}, {"constant", range, constant}, {"varying", range, varying}, {"log", logRange, constant}};
}

struct Setting {
    KnotTable table;
    std::optional<Lsf> lsf;
    WavelengthGrid extended;

    Setting(const SspLibrary& library, const Instrument& i, double accuracy, float shiftMin = -1.5e-3F,
            float shiftMax = 1.5e-3F) {
        if (i.config) lsf = makeLsf(*i.config, nullptr, i.grid, library, redshift);
        extended = extendedBy(i.grid, lsf ? lsf->radius : 0);
        table = knots(library, redshift, "air", extended, shiftMin, shiftMax, accuracy);
    }
    const Lsf* lsfOrNull() const { return lsf ? &*lsf : nullptr; }
    NodeSpacing spacing(double accuracy, int threads = 2) const {
        return nodeSpacing(Host{threads}, table, extended, lsfOrNull(), accuracy);
    }
};

// All templates' averages over the pixels of the grid under one shift, less the wings, behind the LSF: [pixel][lanes].
std::vector<double> observedTemplates(const Setting& s, double shift) {
    std::vector<double> edges;
    for (std::size_t j = 0; j <= s.extended.size; ++j) edges.push_back(s.extended.edge(double(j)));
    const KnotTable& t = s.table;
    std::vector<float> average(s.extended.size * t.lanes);
    simd::kernels().pixelTemplates({t.byKnot.data(), t.lanes, t.position.data(), t.inverseStep.data(), t.size(), shift,
                                    edges.data(), s.extended.size, average.data(), nullptr});
    const std::size_t radius = s.lsf ? s.lsf->radius : 0, pixels = s.extended.size - 2 * radius, width = 2 * radius + 1;
    std::vector<double> out(pixels * t.lanes, 0.0);
    for (std::size_t j = 0; j < pixels; ++j)
        for (std::size_t d = 0; d < width; ++d) {
            const std::size_t stride = s.lsf ? s.lsf->taps.size() / width : 0;
            const double tap = !s.lsf ? 1 : double(s.lsf->taps[s.lsf->constant ? d : d * stride + j]);
            for (std::size_t i = 0; i < t.lanes; ++i)
                out[j * t.lanes + i] += tap * double(average[(j + d) * t.lanes + i]);
        }
    return out;
}

// Largest error of the cubic through nodes of this step at `shifts` random shifts, in units of the template's mean.
double worstError(const Setting& s, double step, int shifts) {
    std::mt19937_64 rng(3);
    std::uniform_real_distribution<double> uniform(double(s.table.shiftMin), double(s.table.shiftMax));
    double worst = 0;
    for (int k = 0; k < shifts; ++k) {
        const double shift = uniform(rng), u = shift / step, below = std::floor(u);
        std::vector<double> error = observedTemplates(s, shift), mean(s.table.lanes, 0.0);
        for (std::size_t i = 0; i < error.size(); ++i)
            mean[i % s.table.lanes] += error[i] * double(s.table.lanes) / double(error.size());
        for (int n = -1; n <= 2; ++n) {
            double lagrange = 1;
            for (int o = -1; o <= 2; ++o)
                if (o != n) lagrange *= (u - below - o) / (n - o);
            const std::vector<double> node = observedTemplates(s, (below + n) * step);
            for (std::size_t i = 0; i < error.size(); ++i) error[i] -= lagrange * node[i];
        }
        for (std::size_t i = 0; i < error.size(); ++i)
            if (i % s.table.lanes < s.table.templates())
                worst = std::max(worst, std::fabs(error[i]) / mean[i % s.table.lanes]);
    }
    return worst;
}

}  // namespace

TEST_CASE("the spacing of nodes keeps its promise at shifts that it did not sample", "[coefficients]") {
    for (const double step : {20.0, 0.9})
        for (const Instrument& i : instruments()) {
            const SspLibrary library = syntheticLibrary(step, 0.3, 7, 6, 3);
            double last = 1;
            for (const double accuracy : {1e-3, 1e-4, 2e-5}) {
                const Setting s(library, i, accuracy);
                const NodeSpacing found = s.spacing(accuracy);
                INFO("library " << step << ", lsf " << i.name << ", accuracy " << accuracy << ", step " << found.step
                                << ", error " << found.error);
                REQUIRE(found.step > 0);
                CHECK(found.step <= last);
                CHECK(found.error <= 0.7 * accuracy);
                const double worst = worstError(s, found.step, 40);
                INFO("worst " << worst);
                CHECK(worst < 0.9 * accuracy);
                CHECK(worst > 0.01 * found.error);
                last = found.step;
            }
        }
}

TEST_CASE("the spacing of nodes does not depend on the number of threads", "[coefficients]") {
    for (const double step : {20.0, 0.9})
        for (const Instrument& i : instruments()) {
            const Setting s(syntheticLibrary(step, 0.3, 7, 6, 3), i, 1e-4);
            const NodeSpacing one = s.spacing(1e-4, 1);
            for (const int threads : {2, 3, 5})
                for (int again = 0; again < 3; ++again) {
                    const NodeSpacing many = s.spacing(1e-4, threads);
                    CHECK(many.step == one.step);
                    CHECK(many.error == one.error);
                }
        }
}

TEST_CASE("no spacing of nodes where there is none", "[coefficients]") {
    const SspLibrary library = syntheticLibrary(20, 0.3, 7, 3, 2);
    Setting s(library, instruments()[0], 1e-4);
    CHECK(s.spacing(1e-12).step == 0);
    s.table.rubix = true;
    CHECK(s.spacing(1e-4).step == 0);
    s.table.rubix = false;
    s.table.nodeStep = 0;
    CHECK(std::isinf(measureStarsPerNode(s.table, s.extended)));
}

TEST_CASE("spectra in coefficients meet the accuracy behind the line spread", "[coefficients]") {
    for (const double step : {20.0, 0.9})
        for (const Instrument& i : instruments()) {
            if (!i.config) continue;
            const double accuracy = 1e-4;
            const Stars stars = randomStars(600, 61, 0.1, 120);
            const SspLibrary library = syntheticLibrary(step, 0.3, 7, 6, 3);
            const SpaxelGrid grid{1, 1, 10};
            Projected p = project(Host{2}, stars, {{}, {}, Mat3d{}}, 0, grid, Doppler::relativistic);
            Setting s(library, i, accuracy, p.shiftMin, p.shiftMax);
            s.table.nodeStep = s.spacing(accuracy).step;
            s.table.starsPerNode = 0.5;
            const BinnedStars binned = bin(Host{2}, stars, std::move(p), 1, s.table);
            REQUIRE(binned.dense.size() == 1);
            const std::size_t r = s.lsf->radius, n = s.extended.size;
            std::vector<float> found(n);
            accumulate(Host{2}, binned, s.table, s.extended, 1, found.data(), n);

            OracleView view;
            view.redshift = redshift;
            std::vector<double> sigma;
            for (std::size_t j = 0; j < n; ++j) {
                const double at = s.extended.centre(std::clamp(double(j), double(r), double(n - 1 - r)));
                sigma.push_back((i.config->fwhm ? *i.config->fwhm : 0.01 * at - 46) / units::fwhm_per_sigma);
            }
            const auto observed = [&](const std::vector<double>& spectrum) {
                const auto spread = oracleLineSpread(spectrum, s.extended, sigma);
                return std::vector<double>(spread.begin() + std::ptrdiff_t(r), spread.end() - std::ptrdiff_t(r));
            };
            const auto expected = observed(oracleSpectra(stars, view, library, grid, s.extended));
            const auto behind = observed({found.begin(), found.end()});
            const std::vector<float> floats(behind.begin(), behind.end());
            const Difference d = compareSpectra(floats.data(), floats.size(), expected, 1, floats.size());
            INFO("library " << step << ", lsf " << i.name << ", node step " << s.table.nodeStep << ", worst " << d.worst
                            << " at pixel " << d.pixel);
            CHECK(d.brightest > 0);
            CHECK(d.worst < accuracy);
        }
}

TEST_CASE("the break-even is a power of two, whatever the range of shifts", "[coefficients]") {
    for (const double step : {20.0, 0.9})
        for (const auto& [low, high] : {std::pair{-2e-3F, 2e-3F}, std::pair{1e-3F, 1e-3F}, std::pair{0.0F, 0.0F},
                                        std::pair{0x1p-10F, 0x1p-10F}, std::pair{-1e-3F, -0.9e-3F}}) {
            Setting s(syntheticLibrary(step, 0.3, 7, 6, 3), instruments()[1], 1e-4, low, high);
            for (const double nodeStep : {3e-4, 1e-5}) {
                s.table.nodeStep = nodeStep;
                const double found = measureStarsPerNode(s.table, s.extended);
                CHECK(found >= 1);
                // A busy machine may hide the gain.
                if (std::isfinite(found)) CHECK(std::exp2(std::round(std::log2(found))) == found);
            }
            if (instrumented) break;
        }
}

namespace {

// A cache of its own.
class Cache {
public:
    Cache() { ::setenv("TESSERA_CACHE", folder_.path().c_str(), 1); }
    ~Cache() { ::unsetenv("TESSERA_CACHE"); }
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;

    std::vector<std::filesystem::path> files() const {
        std::vector<std::filesystem::path> all;
        for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) all.push_back(entry.path());
        return all;
    }

private:
    TemporaryDirectory folder_;
};

}  // namespace

TEST_CASE("what is kept of the coefficients is kept for each setting", "[coefficients]") {
    const Cache cache;
    SspLibrary library = syntheticLibrary(20, 0.3, 7, 3, 2);
    library.sha256 = "a";
    Config c;
    c.lsf = LsfConfig{};
    c.lsf->fwhmPolynomial = {2.5};
    c.spectra.coefficientsFrom = 8;
    std::size_t settings = 0;
    const auto use = [&](double z = redshift, const WavelengthGrid& g = range, float high = 1e-3F) {
        std::optional<Lsf> lsf;
        if (c.lsf && c.lsf->table.empty()) lsf = makeLsf(*c.lsf, nullptr, g, library, z);
        const WavelengthGrid extended = extendedBy(g, lsf ? lsf->radius : 0);
        KnotTable t = knots(library, z, c.telescope.medium, extended, -1e-3F, high, c.spectra.accuracy);
        useCoefficients(Host{1}, c, library, z, extended, lsf ? &*lsf : nullptr, t);
        CHECK(t.nodeStep > 0);
        CHECK(t.starsPerNode == 8);
        return t.nodeStep;
    };
    const auto isNew = [&] {
        ++settings;
        CHECK(cache.files().size() == settings);
    };
    const double first = use();
    isNew();
    CHECK(use() == first);
    CHECK(cache.files().size() == settings);

    // Damaged: made anew, and kept again.
    const auto path = cache.files().front();
    const auto size = std::filesystem::file_size(path);
    for (const auto& length : {size / 2, size - 3, std::uintmax_t(0)}) {
        std::filesystem::resize_file(path, length);
        CHECK(use() == first);
        // Whole again; the break-even is measured, and its length may differ.
        std::ifstream file(path);
        std::string line;
        while (std::getline(file, line)) continue;
        CHECK((!line.empty() && line.back() == '}'));
    }
    std::string key;
    std::getline(std::ifstream(path), key);
    for (const char* text : {"[]", "7", "{\"node_step\": \"x\", \"error\": 0, \"stars_per_node\": 1}", "\xff\xfe",
                             "{\"node_step\": 0.5, \"error\": 0, \"stars_per_node\": 1}",
                             "{\"node_step\": -1, \"error\": 0, \"stars_per_node\": 1}"}) {
        std::ofstream(path) << key << '\n' << text;
        INFO(text);
        CHECK(use() == first);
    }

    // Everything that the spacing depends on.
    c.lsf->fwhmPolynomial = {2.5001};
    use();
    isNew();
    c.lsf->fwhmPolynomial = {2.5, 1e-6};
    use();
    isNew();
    c.lsf->fwhmPolynomial.clear();
    for (auto member : {&LsfConfig::fwhm, &LsfConfig::sigma, &LsfConfig::resolution}) {
        (*c.lsf).*member = member == &LsfConfig::resolution ? 2000.0 : 2.5;
        use();
        isNew();
        ((*c.lsf).*member).reset();
    }
    c.lsf->fwhm = 2.5;
    c.lsf->subtractLibrary = false;
    use();
    isNew();
    c.lsf.reset();
    use();
    isNew();
    use(0.2);
    isNew();
    use(redshift, {4900.15, 1.25, 201, false});
    isNew();
    use(redshift, {4900.15, 1.3, 200, false});
    isNew();
    use(redshift, {4901, 1.25, 200, false});
    isNew();
    use(redshift, logRange);
    isNew();
    use(redshift, range, 2e-3F);
    isNew();
    c.telescope.medium = "vacuum";
    use();
    isNew();
    c.spectra.accuracy = 5e-5;
    use();
    isNew();
    library.sha256 = "b";
    use();
    isNew();

    // A library that came from no file, and line widths from one that may change, are not kept.
    library.sha256.clear();
    use();
    library.sha256 = "b";
    c.lsf = LsfConfig{};
    c.lsf->table = "widths.txt";
    use();
    CHECK(cache.files().size() == settings);
}

TEST_CASE("a large galaxy is the same with and without coefficients", "[coefficients]") {
    const Cache cache;
    // All in the field or its padding, so that there are enough of them.
    const Stars stars = randomStars(1'010'000, 62, 0.5, 120);
    for (const double step : {20.0, 0.9}) {
        const SspLibrary library = syntheticLibrary(step, 0.3, 7, 5, 2);
        Config c = smallConfig();
        c.telescope = testTelescope(0.8, 0.2, 4800, 4950, 1.25);
        c.psf = PsfConfig{};
        c.psf->fwhm = 0.5;
        c.lsf = LsfConfig{};
        c.lsf->fwhm = 2.6;
        c.spectra.coefficientsFrom = 4;
        const GalaxyCube with = observe(Host{2}, stars, {}, c, 0, library, planck15());
        c.spectra.coefficientsFrom = 1e30;
        const GalaxyCube without = observe(Host{2}, stars, {}, c, 0, library, planck15());
        CHECK(!same(with.flux, without.flux));
        const std::vector<double> expected(without.flux.data.begin(), without.flux.data.end());
        const Difference d =
            compareSpectra(with.flux.data.data(), with.flux.nLambda, expected, with.flux.spaxels(), with.flux.nLambda);
        INFO("library " << step << ", worst " << d.worst << " at spaxel " << d.spaxel << " pixel " << d.pixel);
        CHECK(d.brightest > 0);
        CHECK(d.worst < 1e-4);
        CHECK(total(with) == Approx(total(without)).epsilon(1e-6));
        CHECK(with.report.luminosityInBand == Approx(without.report.luminosityInBand).epsilon(1e-9));
    }
}
