#include "stages/noise_adjoint.hpp"

#include <algorithm>
#include <cmath>

#include "stages/blocks.hpp"
#include "stages/noise_parts.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/noise.hpp"

namespace tessera {

Cube noiseAdjoint(Host exec, const NoiseConfig& c, const WavelengthGrid& grid, const SpaxelGrid& spaxels,
                  std::int64_t galaxy, std::uint32_t view, const Cube& flux, const Cube& noisyBar,
                  const Cube* varianceBar) {
    const std::size_t pixels = flux.nLambda;
    expects(noisyBar.data.size() == flux.data.size() &&
                (varianceBar == nullptr || varianceBar->data.size() == flux.data.size()),
            "cotangents of the cube's shape");
    const ReferenceFlux reference = c.signalToNoise ? referenceFlux(spaxelMeans(exec, flux)) : ReferenceFlux{};
    const double skyFlux = c.sky * sq(spaxels.spaxelArcsec);
    const std::vector<double> gain = electronsPerPixel(c, grid);
    const simd::NormalsKey key = normalsKey(c.seed, galaxy, view);

    Cube bar(flux.ny, flux.nx, pixels);
    std::vector<double> referenceBars(flux.spaxels(), 0.0);  // added up in order
#pragma omp parallel num_threads(threadsOf(exec))
    {
        std::vector<float> normal(pixels);
        const std::vector<float> one(pixels, 1.0F);
#pragma omp for schedule(dynamic, 16)
        for (std::size_t s = 0; s < flux.spaxels(); ++s) {
            const float* f = flux.spectrum(s);
            std::fill(normal.begin(), normal.end(), 0.0F);
            simd::kernels().addNormals(key, std::uint64_t(s) * pixels, pixels, one.data(), normal.data());
            for (std::size_t j = 0; j < pixels; ++j) {
                const double value = f[j];
                double fluxBar = 0;
                if (value == value) {
                    double ofVariance = varianceBar ? double(varianceBar->spectrum(s)[j]) : 0;
                    const double variance = c.signalToNoise
                                                ? targetVariance(value, reference.value, *c.signalToNoise)
                                                : exposureVariance(value, skyFlux, gain[j], c.readNoise, c.exposures);
                    noisyFluxAdjoint(value, variance, double(normal[j]), fluxBar, ofVariance,
                                     double(noisyBar.spectrum(s)[j]));
                    if (c.signalToNoise)
                        targetVarianceAdjoint(value, reference.value, *c.signalToNoise, fluxBar, referenceBars[s],
                                              ofVariance);
                    else
                        exposureVarianceAdjoint(value, gain[j], fluxBar, ofVariance);
                }
                bar.spectrum(s)[j] = float(fluxBar);
            }
        }
    }
    double referenceBar = 0;
    for (const double b : referenceBars) referenceBar += b;
    if (!(reference.value > 0)) return bar;
    // Through the means of the spaxels in the middle.
    for (const std::size_t s : reference.spaxels) {
        const float* f = flux.spectrum(s);
        const auto count = std::count_if(f, f + pixels, [](float v) { return v == v; });
        for (std::size_t j = 0; j < pixels; ++j)
            if (f[j] == f[j]) bar.spectrum(s)[j] += float(0.5 * referenceBar / double(count));
    }
    return bar;
}

}  // namespace tessera
