// The transposes of the kernels against plain loops in double precision.
#include <algorithm>

#include "gpu/cotangents.hpp"
#include "gpu/device.hpp"
#include "gpu/library.hpp"
#include "kernels/accumulate_adjoint.hpp"
#include "kernels/convolve_adjoint.hpp"
#include "kernels/noise_adjoint.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/noise.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

// Stars of `counts` in the spaxels, in runs of at most `most` stars whose shifts differ by up to `width`.
struct Binned {
    std::vector<StarRecord> star;
    std::vector<gpu::StarRun> run;
    std::vector<std::uint32_t> spaxelRun{0}, firstOfRun{0};
    std::vector<std::uint32_t> rowOf;  // of the stars: number of their spaxel among those with stars
    std::uint32_t rows = 0;
    float low = 1, high = -1;
};
Binned binned(const std::vector<std::size_t>& counts, std::size_t most, double width) {
    std::mt19937_64 rng(12);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    Binned b;
    for (std::size_t p = 0; p < counts.size(); ++p) {
        for (std::size_t left = counts[p]; left > 0;) {
            const std::size_t n = std::min(left, 1 + rng() % most);
            const double at = 5e-4 * normal(rng);
            for (std::size_t i = 0; i < n; ++i) {
                b.star.push_back(randomRecord(rng, float(at + width * uniform(rng))));
                b.rowOf.push_back(b.rows);
                const float shift = b.star.back().shift;
                b.low = std::min(b.low, shift);
                b.high = std::max(b.high, shift);
            }
            b.run.push_back({std::uint32_t(b.star.size() - n), std::uint32_t(n), 0, 0, 0});
            b.firstOfRun.push_back(std::uint32_t(b.star.size()));
            left -= n;
        }
        b.spaxelRun.push_back(std::uint32_t(b.run.size()));
        b.rows += counts[p] > 0;
    }
    return b;
}

// What the cotangent of one spectrum says of a star's record: by the exact pixel averages and their adjoint.
std::array<double, 4> ofRecord(const Library& l, const Window& w, const StarRecord& s, const float* bar, double scale) {
    const std::size_t n = l.position.size();
    std::vector<double> y = l.spectrum(s), yBar(n, 0.0);
    double shiftBar = 0;
    for (std::size_t j = 0; j + 1 < w.edge.size(); ++j)
        pixelAverageAdjoint(l.position.data(), y.data(), int(n), double(s.shift), w.edge[j], w.edge[j + 1], yBar.data(),
                            shiftBar, scale * double(bar[j]));
    SspWeights<double> wBar{};
    double massBar = 0;
    for (std::size_t m = 0; m < n; ++m) {
        const float* t = l.flux.data() + std::size_t(s.corner) * l.stride + m;
        massBar += yBar[m] * y[m];
        const std::size_t step[] = {0, 1, 4, 5};
        for (int c = 0; c < 4; ++c) wBar.w[c] += double(s.mass) * yBar[m] * double(t[step[c] * l.stride]);
    }
    double ageBar = 0, zBar = 0;
    sspWeightsAdjoint(double(s.ageFraction), double(s.zFraction), ageBar, zBar, wBar);
    return {massBar, ageBar, zBar, double(s.mass) * shiftBar};
}

void checkGather(const Library& l, const Window& w, const Binned& b, std::uint32_t tilePixels,
                 const std::array<double, 4>& tolerance, int seeds) {
    const std::size_t pixels = w.edge.size() - 1, stride = pixels + 5;
    const std::vector<float> spectraBar = cotangents(b.rows * stride, 4);
    const auto tiles = tilesOf(l, w, tilePixels, b.low, b.high);
    const std::vector<gpu::GatherItem> items = gpu::planGather(b.spaxelRun, b.firstOfRun);
    const Stream s;
    const auto star = onDevice(s, b.star);
    const auto run = onDevice(s, b.run);
    const auto item = onDevice(s, items);
    const auto tile = onDevice(s, tiles);
    const auto flux = onDevice(s, l.flux), dBar = onDevice(s, spectraBar);
    const auto position = onDevice(s, l.position), lnPosition = onDevice(s, l.lnPosition),
               inverseStep = onDevice(s, l.inverseStep), edge = onDevice(s, w.edge);
    gpu::GatherArgs g;
    g.sum.star = star.view();
    g.sum.run = run.view();
    g.sum.tile = tile.view();
    for (const auto& t : tiles) {
        g.sum.mostPixels = std::max(g.sum.mostPixels, t.pixels);
        g.sum.mostKnots = std::max(g.sum.mostKnots, t.knots);
    }
    g.sum.flux = flux.view();
    g.sum.fluxStride = l.stride;
    g.sum.zStep = 4;
    g.sum.ageStep = 1;
    g.sum.position = position.view();
    g.sum.lnPosition = lnPosition.view();
    g.sum.inverseStep = inverseStep.view();
    g.sum.edge = edge.view();
    g.sum.log = w.log;
    g.sum.inverseWidth = w.inverseWidth;
    g.sum.scale = 2;
    g.sum.stride = stride;
    g.item = item.view();
    g.spectraBar = dBar.view();
    const auto found = underSeeds(
        [&] {
            DeviceBuffer<StarRecordBar> bar(b.star.size(), s);
            bar.zero();
            g.bar = bar.view();
            gpu::gather(s, g);
            return onHost(s, bar);
        },
        seeds);
    std::vector<std::array<double, 4>> expected;
    for (std::size_t i = 0; i < b.star.size(); ++i)
        expected.push_back(ofRecord(l, w, b.star[i], spectraBar.data() + b.rowOf[i] * stride, 2));
    checkRecords(found, expected, tolerance);
}

}  // namespace

TEST_CASE("stars gather the spectra's cotangents, in spaxels of any number of stars", "[gpu][adjoint]") {
    std::vector<std::size_t> counts = sizes();
    counts.push_back(0);
    for (const bool log : {false, true}) {
        const Window w = window(log, racing ? 150 : 300);  // more pixels than threads a tile, or several tiles
        checkGather(Library(20), w, binned(counts, 1, 0), racing ? 200 : 128, {1e-5, 1e-5, 1e-5, 1e-5}, schedules);
    }
}

TEST_CASE("stars of one run share the cotangents at the knots and their derivatives", "[gpu][adjoint]") {
    const Window w = window(false, racing ? 60 : 300);
    const std::vector<std::size_t> counts{racing ? std::size_t(40) : std::size_t(600), 0, 1};
    // Kinks that cross a pixel's edge inside the run are in the slope only.
    checkGather(Library(20), w, binned(counts, 30, 2e-7), 200, {1e-5, 1e-5, 1e-5, 3e-4}, schedules);
}

TEST_CASE("a giant spaxel is gathered by several blocks", "[gpu][adjoint]") {
    if (racing) return;
    const Window w = window(false, 60);
    const Binned b = binned({1, 0, 5000}, 400, 0);
    CHECK(gpu::planGather(b.spaxelRun, b.firstOfRun).size() > 4);
    checkGather(Library(20), w, b, 64, {1e-5, 1e-5, 1e-5, 1e-5}, 20);
}

TEST_CASE("libraries finer than the pixels are gathered too", "[gpu][adjoint]") {
    const Window w = window(false, racing ? 40 : 200);
    checkGather(Library(0.4), w, binned({racing ? std::size_t(3) : std::size_t(60), 0, 1}, 1, 0), 64,
                {1e-5, 1e-5, 1e-5, 1e-5}, schedules);
}

TEST_CASE("the transpose of the line spread is a plain sum over the taps", "[gpu][adjoint]") {
    for (const std::size_t count : sizes())
        for (const bool varying : {false, true}) {
            if (count == 0) continue;  // there are no pixels to spread
            const std::size_t rows = 3, width = 9, wide = count + width - 1, inStride = count + 5, outStride = wide + 3;
            const std::size_t tapStride = count + 11;
            const std::vector<float> in = cotangents(rows * inStride), taps = cotangents(width * tapStride, 2);
            const std::vector<std::uint32_t> source{2, gpu::nowhere, 0, 1};
            std::vector<double> expected(source.size() * outStride, 0.0);
            for (std::size_t k = 0; k < source.size(); ++k)
                for (std::size_t j = 0; source[k] != gpu::nowhere && j < count; ++j)
                    for (std::size_t d = 0; d < width; ++d)
                        expected[k * outStride + 1 + j + d] += double(taps[varying ? d * tapStride + 3 + j : d]) *
                                                               double(in[source[k] * inStride + 2 + j]);
            const Stream s;
            const auto dIn = onDevice(s, in), dTaps = onDevice(s, taps);
            const auto dSource = onDevice(s, source);
            const auto found = underSeeds([&] {
                DeviceBuffer<float> out(source.size() * outStride, s);
                out.zero();
                gpu::spreadLinesTransposed(s, {{dIn.view(), inStride, 2},
                                               {out.view(), outStride, 1},
                                               dSource.view(),
                                               count,
                                               dTaps.view(),
                                               width,
                                               varying ? tapStride : 0,
                                               varying ? std::size_t(3) : 0});
                return onHost(s, out);
            });
            CHECK(worst(found, expected) < 1e-5);
        }
}

TEST_CASE("a change of the lines' widths is summed by its source pixel", "[gpu][adjoint]") {
    for (const std::size_t rows : sizes())
        for (const std::size_t before : {8, 3}) {  // targets that begin with the sources' reach, or later
            const std::size_t targets = 140, width = 9, sources = targets + before, barStride = targets + 4;
            const bool changed = before == 3;
            const std::size_t stride = sources + 5, tapStride = sources + 7;
            const std::vector<float> bar = cotangents(rows * barStride), f = cotangents(rows * stride, 2),
                                     t = cotangents(width * tapStride, 3), change = cotangents(rows * targets, 4);
            const std::vector<double> spectra(f.begin(), f.end()), taps(t.begin(), t.end());
            std::vector<double> seen(rows * stride, 0.0), expected = spectra;
            for (std::size_t k = 0; k < rows; ++k)
                for (std::size_t i = 0; i < sources; ++i) {
                    for (std::size_t d = 0; d < width; ++d)
                        if (const std::size_t target = i + d - before; i + d >= before && target < targets)
                            seen[k * stride + 1 + i] +=
                                taps[d * tapStride + 2 + i] * (double(bar[k * barStride + 3 + target]) +
                                                               changed * double(change[k * targets + target]));
                    expected[k * stride + 1 + i] *= seen[k * stride + 1 + i];
                }
            const Stream s;
            const auto dBar = onDevice(s, bar), dChange = onDevice(s, change);
            const auto dTaps = onDevice(s, taps);
            const auto found = underSeeds([&] {
                auto dSpectra = onDevice(s, spectra);
                gpu::seeLineSlopes(
                    s, {dBar.view(), barStride, 3, targets, changed ? dChange.view() : gpu::View<const float>(),
                        dSpectra.view(), stride, 1, sources, rows, dTaps.view(), width, tapStride, 2, before});
                return onHost(s, dSpectra);
            });
            CHECK(worst(found, expected) < 1e-12);
        }
}

TEST_CASE("products of spectra are summed spaxel by spaxel, and uncovered pixels are blank", "[gpu][adjoint]") {
    for (const std::size_t rows : sizes()) {
        const std::size_t pixels = 137, stride = 140;
        const std::vector<float> a = cotangents(rows * stride), values = cotangents(rows * stride, 2),
                                 weights = cotangents(pixels, 3);
        const std::vector<double> b(values.begin(), values.end()), weight(weights.begin(), weights.end());
        std::vector<double> expected(rows, 1.0), weighed(rows, 1.0);
        for (std::size_t k = 0; k < rows; ++k)
            for (std::size_t j = 0; j < pixels; ++j) {
                expected[k] += double(a[k * stride + j]) * b[k * stride + j];
                weighed[k] += weight[j] * b[k * stride + j];
            }
        const Stream s;
        const auto dA = onDevice(s, a);
        const auto dB = onDevice(s, b), dWeight = onDevice(s, weight);
        const std::vector<double> one(rows, 1.0);
        const auto dots = [&](gpu::View<const float> with, gpu::View<const double> weigh) {
            return underSeeds([&] {
                auto sums = onDevice(s, one);
                gpu::dotRows(s, {with, weigh, dB.view(), stride, pixels, sums.view()});
                return onHost(s, sums);
            });
        };
        CHECK(worst(dots(dA.view(), {}), expected) < 1e-12);
        CHECK(worst(dots({}, dWeight.view()), weighed) < 1e-12);
    }
    for (const std::size_t pixels : sizes()) {
        std::vector<float> cube = cotangents(3 * pixels);
        std::vector<std::uint8_t> covered(pixels, 1);
        for (std::size_t j = 0; j < pixels; j += 3) {
            covered[j] = 0;
            cube[pixels + j] = std::numeric_limits<float>::quiet_NaN();
        }
        const Stream s;
        const auto dCovered = onDevice(s, covered);
        const auto found = underSeeds([&] {
            auto d = onDevice(s, cube);
            gpu::blankUncovered(s, {d.view(), dCovered.view()});
            return onHost(s, d);
        });
        for (std::size_t i = 0; i < cube.size(); ++i) REQUIRE(found[i] == (i % pixels % 3 == 0 ? 0 : cube[i]));
    }
}

TEST_CASE("the noise's transpose is that of physics/noise.hpp, voxel by voxel", "[gpu][adjoint]") {
    for (const std::size_t pixels : sizes())
        for (const bool target : {true, false}) {
            const std::size_t spaxels = 3, voxels = spaxels * pixels;
            std::vector<float> flux = cotangents(voxels, 3);
            if (pixels > 1) flux[pixels + 1] = std::numeric_limits<float>::quiet_NaN();
            const std::vector<float> noisyBar = cotangents(voxels, 4), varianceBar = cotangents(voxels, 5);
            std::vector<double> gain(pixels), expected(voxels, 0.0);
            for (std::size_t j = 0; j < pixels; ++j) gain[j] = 50 + double(j);
            double referenceBar = 0;
            for (std::size_t i = 0; i < voxels; ++i) {
                const double f = double(flux[i]);
                if (std::isnan(f)) continue;
                const double v =
                    target ? targetVariance(f, 0.7, 30.0) : exposureVariance(f, 0.3, gain[i % pixels], 2.0, 3);
                double vBar = double(varianceBar[i]);
                noisyFluxAdjoint(f, v, double(standardNormals(9, 17, 2, i / 4).n[i % 4]), expected[i], vBar,
                                 double(noisyBar[i]));
                if (target)
                    targetVarianceAdjoint(f, 0.7, 30.0, expected[i], referenceBar, vBar);
                else
                    exposureVarianceAdjoint(f, gain[i % pixels], expected[i], vBar);
            }
            const Stream s;
            auto dFlux = onDevice(s, flux);
            const auto dNoisyBar = onDevice(s, noisyBar), dVarianceBar = onDevice(s, varianceBar);
            const auto dGain = onDevice(s, gain);
            std::vector<double> sums;
            const auto found = underSeeds([&] {
                DeviceBuffer<float> bar(voxels, s);
                DeviceBuffer<double> reference(gpu::noiseAdjointBlocks(voxels), s);
                gpu::NoiseAdjointArgs a;
                a.noise.flux = dFlux.view();
                a.noise.pixels = pixels;
                a.noise.seed = 9;
                a.noise.galaxy = 17;
                a.noise.view = 2;
                a.noise.target = target;
                a.noise.reference = 0.7;
                a.noise.signalToNoise = 30;
                a.noise.gain = dGain.view();
                a.noise.skyFlux = 0.3;
                a.noise.readNoise = 2;
                a.noise.exposures = 3;
                a.noisyBar = dNoisyBar.view();
                a.varianceBar = dVarianceBar.view();
                a.fluxBar = bar.view();
                a.referenceBar = reference.view();
                gpu::noiseAdjoint(s, a);
                if (voxels > 0) gpu::spaxelMeanAdjoint(s, {dFlux.view(), bar.view(), pixels, 1, 5.0});
                const auto again = onHost(s, reference);
                if (!sums.empty()) REQUIRE(sameBits(sums, again));
                sums = again;
                return onHost(s, bar);
            });
            const double counted = pixels > 1 ? double(pixels - 1) : double(pixels);
            for (std::size_t i = pixels; i < 2 * pixels; ++i)
                if (!std::isnan(flux[i])) expected[i] += 5.0 / counted;
            CHECK(worst(found, expected) < 1e-5);
            double sum = 0;
            for (const double x : sums) sum += x;
            CHECK(sum == Approx(referenceBar).epsilon(1e-12).margin(1e-12));
        }
}
