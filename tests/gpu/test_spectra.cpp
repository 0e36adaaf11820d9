// Spectra of the spaxels against the exact average of each star's shifted spectrum, star by star in double precision.
#include <algorithm>

#include "gpu/device.hpp"
#include "gpu/library.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/project.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Case {
    const Library& library;
    const Window& window;
    float step;  // of the bins of shift
    std::uint32_t tilePixels;
    double scale = 2;
};

// Spectra of all rows; spaxels without stars have none.
struct Result {
    gpu::AccumulatePlan plan;
    std::vector<StarRecord> star;
    std::vector<std::uint32_t> first;
    std::vector<float> out;
};
Result spectra(const Case& c, const HostStars& h, const std::vector<std::uint32_t>& spaxel,
               const std::vector<float>& shift, std::size_t spaxels) {
    const Stream s;
    const gpu::DeviceStars d = onDevice(s, h);
    const auto dAges = onDevice(s, c.library.logAgeGyr), dZ = onDevice(s, c.library.zAxis);
    const auto dSpaxel = onDevice(s, spaxel);
    const auto dShift = onDevice(s, shift);
    gpu::OrderPlan order;
    order.spaxels = spaxels;
    order.kept = h.size();
    order.shiftMin = *std::min_element(shift.begin(), shift.end());
    order.shiftMax = *std::max_element(shift.begin(), shift.end());
    order.shiftStep = c.step;
    order.logAgeGyr = dAges.view();
    order.zAxis = dZ.view();
    const gpu::OrderedStars o = gpu::orderStars(s, order, d, dSpaxel, dShift);

    Result r;
    r.plan = gpu::planAccumulate(o.spaxelRun, o.firstOfRun);
    r.plan.items.push_back({0, 0, std::uint32_t(r.plan.rows++)});  // one without runs: dark
    r.star = onHost(s, o.star);
    r.first = onHost(s, o.spaxelStar);
    const auto tiles = tilesOf(c.library, c.window, c.tilePixels, order.shiftMin, order.shiftMax);
    const auto items = onDevice(s, r.plan.items);
    const auto dTiles = onDevice(s, tiles);
    const auto parts = onDevice(s, r.plan.parts);
    const auto flux = onDevice(s, c.library.flux);
    const auto position = onDevice(s, c.library.position), lnPosition = onDevice(s, c.library.lnPosition),
               inverseStep = onDevice(s, c.library.inverseStep), edge = onDevice(s, c.window.edge);
    const std::size_t pixels = c.window.edge.size() - 1, stride = pixels + 3;
    gpu::AccumulateArgs a;
    a.star = o.star.view();
    a.run = o.run.view();
    a.item = items.view();
    a.tile = dTiles.view();
    for (const auto& t : tiles) {
        a.mostPixels = std::max(a.mostPixels, t.pixels);
        a.mostKnots = std::max(a.mostKnots, t.knots);
    }
    a.flux = flux.view();
    a.fluxStride = c.library.stride;
    a.zStep = 4;
    a.ageStep = 1;
    a.position = position.view();
    a.lnPosition = lnPosition.view();
    a.inverseStep = inverseStep.view();
    a.edge = edge.view();
    a.log = c.window.log;
    a.inverseWidth = c.window.inverseWidth;
    a.scale = c.scale;
    a.stride = stride;
    r.out = underSeeds([&] {
        DeviceBuffer<float> out(r.plan.rows * stride, s);
        out.zero();
        a.out = out.view();
        gpu::accumulate(s, a);
        gpu::addParts(s, {parts.view(), out.view(), stride, pixels});
        return onHost(s, out);
    });
    // The same without rounding, but for that of the parts.
    DeviceBuffer<double> precise(r.plan.rows * stride, s);
    precise.zero();
    a.precise = precise.view();
    gpu::accumulate(s, a);
    gpu::addParts(s, {parts.view(), {}, stride, pixels, precise.view()});
    const std::vector<double> more = onHost(s, precise);
    for (std::size_t i = 0; i < more.size(); ++i)
        if (std::fabs(more[i] - double(r.out[i])) > 1e-6 * std::fabs(more[i])) FAIL("pixel " << i << " of the spectra");
    return r;
}

// Largest difference of a spaxel to the plain sum, relative to the spaxel's mean.
double worst(const Case& c, const Result& r) {
    const std::size_t pixels = c.window.edge.size() - 1, stride = pixels + 3;
    double largest = 0;
    for (std::size_t j = 0; j < pixels; ++j) REQUIRE(r.out[(r.plan.rows - 1) * stride + j] == 0);
    for (std::size_t row = 0; row < r.plan.lit.size(); ++row) {
        std::vector<double> expected(pixels, 0.0);
        const std::uint32_t spaxel = r.plan.lit[row];
        for (std::uint32_t k = r.first[spaxel]; k < r.first[spaxel + 1]; ++k) {
            const StarRecord& s = r.star[k];
            const std::vector<double> y = c.library.spectrum(s);
            const double back = std::exp(-double(s.shift));
            for (std::size_t j = 0; j < pixels; ++j) {
                const double a = c.window.edge[j] * back, b = c.window.edge[j + 1] * back;
                expected[j] += c.scale * double(s.mass) *
                               integratePiecewiseLinear(c.library.position.data(), y.data(), int(y.size()), a, b) /
                               (b - a);
            }
        }
        double mean = 0;
        for (const double e : expected) mean += e / double(pixels);
        REQUIRE(mean > 0);
        for (std::size_t j = 0; j < pixels; ++j)
            largest = std::max(largest, std::fabs(double(r.out[row * stride + j]) - expected[j]) / mean);
    }
    return largest;
}

// Stars of `counts` in the spaxels; velocities [km/s] normal of width sigma.
double worstOf(const Case& c, const std::vector<std::size_t>& counts, double sigma) {
    std::vector<std::uint32_t> spaxel;
    std::vector<float> shift;
    for (std::size_t p = 0; p < counts.size(); ++p) spaxel.insert(spaxel.end(), counts[p], std::uint32_t(p));
    std::mt19937_64 rng(6);
    std::shuffle(spaxel.begin(), spaxel.end(), rng);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < spaxel.size(); ++i) shift.push_back(float(dopplerShift(sigma * normal(rng))));
    const Result r = spectra(c, randomStars(spaxel.size()), spaxel, shift, counts.size());
    CHECK(r.plan.lit.size() == counts.size() - std::size_t(std::count(counts.begin(), counts.end(), std::size_t(0))));
    if (!racing && counts.back() > 8192) CHECK(!r.plan.parts.empty());
    return worst(c, r);
}

}  // namespace

TEST_CASE("spectra are sums of shifted templates, for spaxels of any number of stars", "[gpu]") {
    for (const bool log : {false, true}) {
        const Window w = window(log, racing ? 150 : 300);  // more pixels than threads a tile, or several tiles
        const Library coarse(20);
        // Bins so narrow that kinks hardly cross pixel edges inside.
        std::vector<std::size_t> counts = sizes();
        counts.push_back(0);
        const double difference = worstOf({coarse, w, 2e-6F, racing ? 200U : 128U}, counts, racing ? 1 : 150);
        CHECK(difference < 1e-5);
        CHECK(difference > 0);
    }
}

TEST_CASE("the moments of a bin of shifts hold", "[gpu]") {
    const Window w = window(false, racing ? 60 : 300);
    const Library coarse(20);
    // Without the first moment this is 2e-5. The second is compared with the CPU, see test_gpu_stages.
    CHECK(worstOf({coarse, w, 1.5e-5F, 200}, {racing ? std::size_t(60) : std::size_t(600)}, 4) < 1e-5);
}

TEST_CASE("giant spaxels are summed in parts", "[gpu]") {
    if (racing) return;
    const Window w = window(false, 100);
    const Library coarse(20);
    CHECK(worstOf({coarse, w, 2e-6F, 64}, {1, 0, 20000}, 3) < 1e-5);
}

TEST_CASE("libraries finer than the pixels have many knots a pixel", "[gpu]") {
    const Window w = window(false, racing ? 40 : 200);
    const Library fine(0.4);
    CHECK(worstOf({fine, w, 1e-6F, 64}, {racing ? std::size_t(3) : std::size_t(100), 0, 1}, 100) < 1e-5);
}
