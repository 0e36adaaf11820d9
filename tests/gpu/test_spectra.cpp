// Spectra of the spaxels against the exact average of each star's shifted spectrum, star by star in double precision.
#include <algorithm>

#include "gpu/device.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/project.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

// A library of 3 x 4 templates at uneven knots.
struct Library {
    std::vector<double> logAgeGyr{-3, -1, 0, 1.2}, zAxis{-4, -2.5, -1.3};
    std::vector<double> position, lnPosition, inverseStep;
    std::size_t stride = 0;
    std::vector<float> flux;

    explicit Library(double spacing) {
        std::mt19937_64 rng(9);
        std::uniform_real_distribution<double> uniform;
        for (double x = 4600; x < 5450; x += spacing * (0.5 + uniform(rng))) position.push_back(x);
        for (std::size_t m = 0; m < position.size(); ++m) {
            lnPosition.push_back(std::log(position[m]));
            inverseStep.push_back(m + 1 < position.size() ? 1 / (position[m + 1] - position[m]) : 0);
        }
        stride = (position.size() + 15) / 16 * 16;
        flux.resize(12 * stride);
        for (std::size_t t = 0; t < 12; ++t)
            for (std::size_t m = 0; m < position.size(); ++m)
                flux[t * stride + m] = float((1 + double(t)) * 1e-4 * (0.7 + 0.6 * uniform(rng)));
    }
    // Of 1 Msun, at the knots.
    std::vector<double> spectrum(const StarRecord& s) const {
        std::vector<double> y(position.size());
        const double fz = double(s.zFraction), fa = double(s.ageFraction);
        const float* t = flux.data() + std::size_t(s.corner) * stride;
        for (std::size_t m = 0; m < y.size(); ++m) {
            const auto at = [&](std::size_t k) { return double(t[k * stride + m]); };
            y[m] = (1 - fz) * ((1 - fa) * at(0) + fa * at(1)) + fz * ((1 - fa) * at(4) + fa * at(5));
        }
        return y;
    }
};

struct Window {
    std::vector<double> edge;
    bool log;
    double inverseWidth;
};
Window window(bool log, std::size_t pixels) {
    Window w{{}, log, 0};
    const double step = log ? 1e-4 : 1.25;
    for (std::size_t j = 0; j <= pixels; ++j)
        w.edge.push_back(log ? 4750 * std::pow(10, step * double(j)) : 4750 + step * double(j));
    w.inverseWidth = 1 / (log ? step * std::log(10.0) : step);
    return w;
}

struct Case {
    const Library& library;
    const Window& window;
    float step;  // of the bins of shift
    std::uint32_t tilePixels;
    double scale = 2;
};

std::vector<gpu::AccumulateTile> tilesOf(const Case& c, float low, float high) {
    std::vector<gpu::AccumulateTile> tiles;
    const auto& x = c.library.position;
    const auto pixels = std::uint32_t(c.window.edge.size() - 1);
    for (std::uint32_t first = 0; first < pixels; first += c.tilePixels) {
        const std::uint32_t count = std::min(c.tilePixels, pixels - first);
        const double left = c.window.edge[first] * std::exp(-double(high)),
                     right = c.window.edge[first + count] * std::exp(-double(low));
        const auto begin = std::upper_bound(x.begin(), x.end(), left) - x.begin() - 1,
                   end = std::lower_bound(x.begin(), x.end(), right) - x.begin();
        tiles.push_back({first, count, std::uint32_t(begin), std::uint32_t(end - begin + 1)});
    }
    return tiles;
}

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
    const auto tiles = tilesOf(c, order.shiftMin, order.shiftMax);
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
