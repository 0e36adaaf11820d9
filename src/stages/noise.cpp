#include "tessera/physics/noise.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "stages/noise_parts.hpp"
#include "tessera/stages.hpp"

namespace tessera {

std::vector<double> spaxelMeans(Host exec, const Cube& flux) {
    std::vector<double> mean(flux.spaxels(), 0);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < flux.spaxels(); ++s) {
        constexpr std::size_t lanes = 8;  // sums side by side: they vectorise
        double sums[lanes] = {};
        std::uint32_t counts[lanes] = {};
        const float* spectrum = flux.spectrum(s);
        const auto add = [&](std::size_t k, float v) {
            const bool there = v == v;
            sums[k] += there ? double(v) : 0;
            counts[k] += there;
        };
        std::size_t j = 0;
        for (; j + lanes <= flux.nLambda; j += lanes)
            for (std::size_t k = 0; k < lanes; ++k) add(k, spectrum[j + k]);
        for (; j < flux.nLambda; ++j) add(j % lanes, spectrum[j]);
        const double sum = std::accumulate(sums, sums + lanes, 0.0);
        const std::uint32_t count = std::accumulate(counts, counts + lanes, 0U);
        if (count > 0) mean[s] = sum / double(count);
    }
    return mean;
}

simd::NormalsKey normalsKey(std::uint64_t seed, std::int64_t galaxy, std::uint32_t view) {
    return {view, std::uint32_t(std::uint64_t(galaxy) >> 32), std::uint32_t(seed),
            std::uint32_t(galaxy) ^ std::uint32_t(seed >> 32)};
}

ReferenceFlux referenceFlux(const std::vector<double>& mean) {
    const double faint = 0.01 * *std::max_element(mean.begin(), mean.end());
    std::vector<std::size_t> bright;
    for (std::size_t s = 0; s < mean.size(); ++s)
        if (mean[s] > faint) bright.push_back(s);
    if (bright.empty()) return {};
    // The upper middle and, of an even number, the largest below it; equal ones in the order of the spaxels.
    const auto less = [&](std::size_t a, std::size_t b) { return mean[a] != mean[b] ? mean[a] < mean[b] : a < b; };
    const auto middle = bright.begin() + std::ptrdiff_t(bright.size() / 2);
    std::nth_element(bright.begin(), middle, bright.end(), less);
    if (bright.size() % 2 == 1) return {mean[*middle], {*middle, *middle}};
    const std::size_t below = *std::max_element(bright.begin(), middle, less);
    return {0.5 * (mean[*middle] + mean[below]), {below, *middle}};
}

std::vector<double> electronsPerPixel(const NoiseConfig& c, const WavelengthGrid& grid) {
    std::vector<double> gain(grid.size, 0);
    if (c.exposureTime)
        for (std::size_t j = 0; j < grid.size; ++j)
            gain[j] = electronsPerFlux(grid.centre(double(j)), grid.width(j), c.area, c.throughput, *c.exposureTime);
    return gain;
}

void addNoise(Host exec, const NoiseConfig& c, const WavelengthGrid& grid, const SpaxelGrid& spaxels,
              std::int64_t galaxy, std::uint32_t view, Cube& flux, Cube& variance) {
    if (variance.data.size() != flux.data.size()) variance = Cube(flux.ny, flux.nx, flux.nLambda);
    const double reference = c.signalToNoise ? referenceFlux(spaxelMeans(exec, flux)).value : 0;
    const double skyFlux = c.sky * sq(spaxels.spaxelArcsec);
    const std::vector<double> gain = electronsPerPixel(c, grid);
    const simd::NormalsKey key = normalsKey(c.seed, galaxy, view);
    const auto addTo = [&](std::size_t s, auto varianceOf) {
        float *f = flux.spectrum(s), *v = variance.spectrum(s);
        unsigned noisy = 0;
        for (std::size_t j = 0; j < flux.nLambda; ++j) {
            const float value = float(varianceOf(double(f[j]), j));
            v[j] = f[j] == f[j] ? value : f[j];
            noisy |= unsigned(v[j] > 0);
        }
        if (noisy)  // else dark or blank
            simd::kernels().addNormals(key, std::uint64_t(s) * flux.nLambda, flux.nLambda, v, f);
    };
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 16)
    for (std::size_t s = 0; s < flux.spaxels(); ++s) {
        if (c.signalToNoise)
            addTo(s, [&](double f, std::size_t) { return targetVariance(f, reference, *c.signalToNoise); });
        else
            addTo(s, [&](double f, std::size_t j) {
                return exposureVariance(f, skyFlux, gain[j], c.readNoise, c.exposures);
            });
    }
}

}  // namespace tessera
