// The adjoint of addNoise() against dual numbers through a dull form of it, and against addNoise() itself.
#include <algorithm>

#include "gradcheck.hpp"
#include "stages/noise_adjoint.hpp"
#include "support.hpp"
#include "tessera/physics/noise.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr std::size_t side = 3, pixels = 10;
const WavelengthGrid wavelengths{5000, 1.25, pixels, false};
const SpaxelGrid spaxels{side, 0.2, 0.4};

// Flux with noise, then its variance.
template <class T>
std::vector<T> noisy(const NoiseConfig& c, const std::vector<T>& flux, std::int64_t galaxy) {
    T reference(0);
    if (c.signalToNoise) {
        std::vector<T> means;
        for (std::size_t s = 0; s < side * side; ++s) {
            T sum(0);
            for (std::size_t j = 0; j < pixels; ++j) sum += flux[s * pixels + j];
            means.push_back(sum / double(pixels));
        }
        std::sort(means.begin(), means.end(), [](const T& a, const T& b) { return valueOf(a) < valueOf(b); });
        std::erase_if(means, [top = valueOf(means.back())](const T& m) { return valueOf(m) <= 0.01 * top; });
        const std::size_t n = means.size();
        reference = n % 2 ? means[n / 2] : 0.5 * (means[n / 2 - 1] + means[n / 2]);
    }
    std::vector<T> out, variances;
    for (std::size_t i = 0; i < flux.size(); ++i) {
        const std::size_t j = i % pixels;
        const double gain = c.exposureTime ? electronsPerFlux(wavelengths.centre(double(j)), wavelengths.width(j),
                                                              c.area, c.throughput, *c.exposureTime)
                                           : 0;
        const T variance = c.signalToNoise ? targetVariance(flux[i], reference, *c.signalToNoise)
                                           : exposureVariance(flux[i], c.sky * sq(0.2), gain, c.readNoise, c.exposures);
        const double normal = double(standardNormals(c.seed, galaxy, 1, i / 4).n[i % 4]);
        out.push_back(noisyFlux(flux[i], variance, normal));
        variances.push_back(variance);
    }
    out.insert(out.end(), variances.begin(), variances.end());
    return out;
}

}  // namespace

TEST_CASE("the noise's adjoint", "[adjoint]") {
    NoiseConfig target, exposure;
    target.signalToNoise = 15;
    exposure.exposureTime = 600;
    exposure.sky = 40;
    exposure.readNoise = 3;
    for (const NoiseConfig& c : {target, exposure})
        for (const bool dark : {false, true}) {  // an odd number of spaxels counts, or an even one
            std::mt19937_64 rng(5);
            std::uniform_real_distribution<double> uniform(0.5, 2);
            std::normal_distribution<double> normal;
            std::vector<double> flux, v, weights;
            std::vector<Dual<double>> moved;
            Cube f(side, side, pixels), bar(side, side, pixels), varianceBar(side, side, pixels);
            for (std::size_t i = 0; i < f.data.size(); ++i) {
                flux.push_back(
                    double(float(dark && i / pixels == 4 ? 0 : 100 * (1 + double(i / pixels)) * uniform(rng))));
                v.push_back(flux[i] > 0 ? 10 * normal(rng) : 0);
                moved.emplace_back(flux[i], v[i]);
                f.data[i] = float(flux[i]);
                bar.data[i] = float(normal(rng));
                varianceBar.data[i] = float(0.01 * normal(rng));
            }
            for (const Cube* w : {&bar, &varianceBar}) weights.insert(weights.end(), w->data.begin(), w->data.end());
            const auto adjoint = [&](int threads, const Cube& at, const Cube* variances) {
                return noiseAdjoint(Host{threads}, c, wavelengths, spaxels, 7, 1, at, bar, variances);
            };
            const Cube both = adjoint(2, f, &varianceBar), fluxOnly = adjoint(2, f, nullptr);
            const std::vector<Dual<double>> out = noisy(c, moved, 7);
            double forward[2] = {}, backward[2] = {}, size = 0;
            for (std::size_t k = 0; k < out.size(); ++k) {
                forward[0] += out[k].d * weights[k];
                forward[1] += k < flux.size() ? out[k].d * weights[k] : 0;
                size += std::fabs(out[k].d * weights[k]);
            }
            for (std::size_t i = 0; i < v.size(); ++i) {
                backward[0] += double(both.data[i]) * v[i];
                backward[1] += double(fluxOnly.data[i]) * v[i];
            }
            for (int k = 0; k < 2; ++k) {
                INFO("target " << c.signalToNoise.has_value() << ", dark " << dark << ": " << forward[k] << " "
                               << backward[k]);
                CHECK(forward[k] != 0);
                CHECK(std::fabs(forward[k] - backward[k]) < 1e-6 * size);
            }
            // The dull form is addNoise().
            Cube with(side, side, pixels), variance, blank(side, side, pixels);
            std::copy(f.data.begin(), f.data.end(), with.data.begin());
            addNoise(Host{2}, c, wavelengths, spaxels, 7, 1, with, variance);
            for (std::size_t i = 0; i < flux.size(); ++i) {
                CHECK(double(with.data[i]) == Approx(out[i].v).epsilon(1e-5).margin(1e-6));
                CHECK(double(variance.data[i]) == Approx(out[flux.size() + i].v).epsilon(1e-5).margin(1e-6));
            }
            // Bitwise the same for any number of threads, and blank voxels stay out of it.
            const Cube one = adjoint(1, f, &varianceBar);
            CHECK(std::equal(one.data.begin(), one.data.end(), both.data.begin()));
            std::copy(f.data.begin(), f.data.end(), blank.data.begin());
            blank.data[3] = NAN;
            CHECK(adjoint(1, blank, nullptr).data[3] == 0);
        }
}
