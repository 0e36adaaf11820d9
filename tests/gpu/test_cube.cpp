// Line and point spread, noise and maps against plain loops.
#include <limits>

#include "gpu/device.hpp"
#include "kernels/convolve.hpp"
#include "kernels/maps.hpp"
#include "kernels/noise.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/noise.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

std::vector<float> randomFloats(std::size_t n, unsigned seed = 1) {
    std::mt19937_64 rng(seed);
    std::uniform_real_distribution<float> uniform;
    std::vector<float> v(n);
    for (float& x : v) x = uniform(rng);
    return v;
}

double worst(const std::vector<float>& a, const std::vector<double>& b) {
    double largest = 0, mean = 0;
    for (const double x : b) mean += std::fabs(x) / double(b.size());
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = std::fabs(double(a[i]) - b[i]);
        largest = d <= largest ? largest : d;  // NaN stays
    }
    return b.empty() ? 0 : largest / mean;
}

}  // namespace

TEST_CASE("line spread is a plain sum over the taps", "[gpu]") {
    for (const std::size_t count : sizes())
        for (const bool varying : {false, true}) {
            const std::size_t rows = 3, width = 9, inStride = count + width + 5, outStride = count + 7;
            const std::vector<float> in = randomFloats(rows * inStride), taps = randomFloats(width * (count + 11), 2);
            const std::vector<std::uint32_t> place{1, gpu::nowhere, 0};
            std::vector<double> expected(2 * outStride, 0.0);
            for (std::size_t k = 0; k < rows; ++k)
                for (std::size_t j = 0; place[k] != gpu::nowhere && j < count; ++j)
                    for (std::size_t d = 0; d < width; ++d)
                        expected[place[k] * outStride + 4 + j] +=
                            double(taps[varying ? d * (count + 11) + 3 + j : d]) * double(in[k * inStride + 2 + j + d]);
            const Stream s;
            const auto dIn = onDevice(s, in), dTaps = onDevice(s, taps);
            const auto dPlace = onDevice(s, place);
            const auto found = underSeeds([&] {
                DeviceBuffer<float> out(2 * outStride, s);
                out.zero();
                gpu::LsfArgs a;
                a.in = {dIn.view(), inStride, 2};
                a.out = {out.view(), outStride, 4};
                a.place = dPlace.view();
                a.count = count;
                a.taps = dTaps.view();
                a.width = width;
                a.tapStride = varying ? count + 11 : 0;
                a.firstTap = varying ? 3 : 0;
                gpu::spreadLines(s, a);
                return onHost(s, out);
            });
            if (count > 0) CHECK(worst(found, expected) < 1e-5);
        }
}

TEST_CASE("point spread is a plain sum over the taps", "[gpu]") {
    const std::size_t n = 5, pad = 3, side = n + 2 * pad, width = 5,
                      radius = 2;  // radius < pad: one of several kernels
    std::vector<std::uint32_t> slot(side * side, gpu::nowhere), place(n * n, gpu::nowhere);
    std::size_t lit = 0, wanted = 0;
    for (std::size_t i = 0; i < slot.size(); i += 3) slot[i] = std::uint32_t(lit++);
    for (std::size_t i = 0; i < place.size(); ++i)
        if (i % 4 != 1) place[i] = std::uint32_t(wanted++);
    for (const std::size_t components : {1, 2, 0})
        for (const std::size_t count : {std::size_t(1), std::size_t(33), std::size_t(racing ? 33 : 200)}) {
            const std::size_t inStride = count + 6, outStride = count + 2;
            const std::vector<float> in = randomFloats(lit * inStride),
                                     taps = randomFloats(components > 0 ? components * width : width * width, 2);
            std::vector<double> expected(wanted * outStride, 0.0);
            for (std::size_t p = 0; p < n * n; ++p) {
                if (place[p] == gpu::nowhere) continue;
                for (std::size_t dy = 0; dy < width; ++dy)
                    for (std::size_t dx = 0; dx < width; ++dx) {
                        const std::size_t y = p / n + pad - radius + dy, x = p % n + pad - radius + dx;
                        if (slot[y * side + x] == gpu::nowhere) continue;
                        double tap = 0;
                        for (std::size_t c = 0; c < components; ++c)
                            tap += double(taps[c * width + dy]) * double(taps[c * width + dx]);
                        if (components == 0) tap = double(taps[(width - 1 - dy) * width + width - 1 - dx]);
                        for (std::size_t j = 0; j < count; ++j)
                            expected[place[p] * outStride + 1 + j] +=
                                tap * double(in[slot[y * side + x] * inStride + 3 + j]);
                    }
            }
            const Stream s;
            const auto dIn = onDevice(s, in), dTaps = onDevice(s, taps);
            const auto dSlot = onDevice(s, slot), dPlace = onDevice(s, place);
            const auto found = underSeeds([&] {
                DeviceBuffer<float> out(wanted * outStride, s);
                out.zero();
                gpu::PsfArgs a;
                a.in = {dIn.view(), inStride, 3};
                a.out = {out.view(), outStride, 1};
                a.slot = dSlot.view();
                a.place = dPlace.view();
                a.n = n;
                a.pad = pad;
                a.radius = radius;
                a.count = count;
                a.taps = dTaps.view();
                a.components = components;
                DeviceBuffer<float> rows(gpu::psfRowFloats(a), s);
                a.rows = rows.view();
                gpu::blur(s, a);
                return onHost(s, out);
            });
            CHECK(worst(found, expected) < 1e-5);
            if (components > 0) continue;
            const auto fourier = underSeeds(
                [&] {
                    DeviceBuffer<float> out(wanted * outStride, s);
                    out.zero();
                    gpu::FftBlur fft(s, dTaps.view(), radius, side, count + 5);
                    gpu::PsfArgs a;
                    a.in = {dIn.view(), inStride, 3};
                    a.out = {out.view(), outStride, 1};
                    a.slot = dSlot.view();
                    a.place = dPlace.view();
                    a.n = n;
                    a.pad = pad;
                    a.count = count;
                    fft(s, a);
                    return onHost(s, out);
                },
                schedules);
            CHECK(worst(fourier, expected) < 1e-5);
        }
}

TEST_CASE("blank voxels are NaN and the flux map is their weighted sum", "[gpu]") {
    for (const std::size_t pixels : sizes()) {
        const std::size_t spaxels = 7;
        const std::vector<float> cube = randomFloats(spaxels * pixels), weight = randomFloats(pixels, 2);
        std::vector<std::uint8_t> mask(spaxels, 1), covered(pixels, 1);
        mask[2] = 0;
        if (pixels > 3) covered[3] = 0;
        const Stream s;
        const auto dMask = onDevice(s, mask), dCovered = onDevice(s, covered);
        const auto dWeight = onDevice(s, weight);
        std::vector<double> sums;
        const auto found = underSeeds([&] {
            auto d = onDevice(s, cube);
            DeviceBuffer<double> sum(spaxels, s);
            gpu::finishCube(s, {d.view(), dMask.view(), dCovered.view(), dWeight.view(), sum.view()});
            sums = onHost(s, sum);
            return onHost(s, d);
        });
        for (std::size_t p = 0; p < spaxels; ++p) {
            double sum = 0;
            for (std::size_t j = 0; j < pixels; ++j) {
                const std::size_t i = p * pixels + j;
                sum += double(weight[j]) * double(cube[i]);
                REQUIRE((mask[p] != 0 && covered[j] != 0 ? found[i] == cube[i] : std::isnan(found[i])));
            }
            CHECK(sums[p] == Approx(sum).epsilon(1e-12));
        }
    }
}

TEST_CASE("noise is that of physics/noise.hpp, voxel by voxel", "[gpu]") {
    for (const std::size_t pixels : sizes())
        for (const bool target : {true, false}) {
            const std::size_t spaxels = 3;
            std::vector<float> flux = randomFloats(spaxels * pixels);
            if (pixels > 1) flux[pixels + 1] = std::numeric_limits<float>::quiet_NaN();
            std::vector<double> gain(pixels);
            for (std::size_t j = 0; j < pixels; ++j) gain[j] = 50 + double(j);
            const Stream s;
            const auto dGain = onDevice(s, gain);
            gpu::NoiseArgs a;
            a.pixels = pixels;
            a.seed = 0x123456789abcU;
            a.galaxy = -5;
            a.view = 2;
            a.target = target;
            a.reference = 0.4;
            a.signalToNoise = 20;
            a.gain = dGain.view();
            a.skyFlux = 0.3;
            a.readNoise = 4;
            a.exposures = 3;
            std::vector<float> variance;
            std::vector<double> means;
            const auto noisy = underSeeds([&] {
                auto d = onDevice(s, flux);
                DeviceBuffer<float> v(flux.size(), s);
                DeviceBuffer<double> mean(spaxels, s);
                a.flux = d.view();
                a.variance = v.view();
                gpu::spaxelMeans(s, {a.flux, pixels, mean.view()});
                gpu::addNoise(s, a);
                variance = onHost(s, v);
                means = onHost(s, mean);
                return onHost(s, d);
            });
            for (std::size_t p = 0; p < spaxels; ++p) {
                double sum = 0, count = 0;
                for (std::size_t j = 0; j < pixels; ++j) {
                    const std::size_t i = p * pixels + j;
                    if (std::isnan(flux[i])) {
                        REQUIRE((std::isnan(noisy[i]) && std::isnan(variance[i])));
                        continue;
                    }
                    sum += double(flux[i]);
                    ++count;
                    const double v = target ? targetVariance(double(flux[i]), 0.4, 20)
                                            : exposureVariance(double(flux[i]), 0.3, gain[j], 4, 3);
                    const float normal = standardNormals(a.seed, a.galaxy, a.view, i / 4).n[i % 4];
                    REQUIRE(variance[i] == Approx(v).epsilon(1e-6));
                    REQUIRE(noisy[i] ==
                            Approx(double(flux[i]) + std::sqrt(v) * double(normal)).epsilon(1e-6).margin(1e-7));
                }
                CHECK(means[p] == Approx(count > 0 ? sum / count : 0).epsilon(1e-12));
            }
        }
}

TEST_CASE("maps are sums over the stars of each spaxel", "[gpu]") {
    const std::size_t n = 2, pad = 1, side = 4;
    BandLight band{-1e-3, 1e-4, 21, 1, 4};
    const std::vector<float> light = randomFloats(12 * band.nodes);
    const LibraryLimits limits{0.01, 10, 1e-3, 0.03};
    for (const std::size_t stars : sizes()) {
        std::mt19937_64 rng(8);
        std::uniform_real_distribution<float> uniform;
        std::vector<StarRecord> star;
        std::vector<std::uint32_t> first(side * side + 1, 0);
        for (std::size_t p = 0; p < side * side; ++p) {
            // Spaxel 5 has all, spaxel 6 none, the others three.
            const std::size_t here = p == 5 ? stars : (p == 6 ? 0 : 3);
            for (std::size_t k = 0; k < here; ++k)
                star.push_back({int(rng() % 2) * 4 + int(rng() % 3), uniform(rng), uniform(rng), 1e5F * uniform(rng),
                                1e-3F * (2 * uniform(rng) - 1), 15 * uniform(rng), 0.04F * uniform(rng), 0});
            first[p + 1] = std::uint32_t(star.size());
        }
        const std::vector<std::uint8_t> mask{1, 1, 0, 1};
        std::vector<SpaxelSums> expected(n * n);
        for (std::size_t p = 0; p < n * n; ++p) {
            const std::size_t s = (p / n + pad) * side + p % n + pad;
            for (std::uint32_t k = first[s]; mask[p] != 0 && k < first[s + 1]; ++k)
                expected[p].add(star[k], bandLight(band, light.data(), star[k]),
                                velocityOfShift(double(star[k].shift), Doppler::classical), limits);
        }
        const Stream s;
        const auto dStar = onDevice(s, star);
        const auto dFirst = onDevice(s, first);
        const auto dMask = onDevice(s, mask);
        const auto dLight = onDevice(s, light);
        const auto found = underSeeds([&] {
            DeviceBuffer<SpaxelSums> sums(n * n, s);
            gpu::sumSpaxels(s, {dStar.view(), dFirst.view(), n, pad, dMask.view(), band, dLight.view(), limits,
                                Doppler::classical, sums.view()});
            return onHost(s, sums);
        });
        for (std::size_t p = 0; p < n * n; ++p) {
            CHECK(found[p].stars == expected[p].stars);
            CHECK(found[p].clampedAge == expected[p].clampedAge);
            CHECK(found[p].clampedMetallicity == expected[p].clampedMetallicity);
            CHECK(found[p].light == Approx(expected[p].light).epsilon(1e-12));
            CHECK(found[p].massAge == Approx(expected[p].massAge).epsilon(1e-12));
            CHECK(found[p].lightV2 == Approx(expected[p].lightV2).epsilon(1e-12));
        }
        CHECK(found[0].stars == stars);
    }
}
