#include "tessera/physics/noise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stages/blocks.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// f_ref of physics/noise.hpp; NaN voxels are left out.
double referenceFlux(Host exec, const Cube& flux) {
    std::vector<double> mean(flux.spaxels(), 0);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < flux.spaxels(); ++s) {
        double sum = 0;
        std::size_t count = 0;
        for (std::size_t j = 0; j < flux.nLambda; ++j)
            if (const float v = flux.spectrum(s)[j]; !std::isnan(v)) {
                sum += double(v);
                ++count;
            }
        if (count > 0) mean[s] = sum / double(count);
    }
    const double faint = 0.01 * *std::max_element(mean.begin(), mean.end());
    std::erase_if(mean, [&](double m) { return !(m > faint); });
    if (mean.empty()) return 0;
    const auto middle = mean.begin() + std::ptrdiff_t(mean.size() / 2);
    std::nth_element(mean.begin(), middle, mean.end());
    if (mean.size() % 2 == 1) return *middle;
    return 0.5 * (*middle + *std::max_element(mean.begin(), middle));
}

}  // namespace

void addNoise(Host exec, const NoiseConfig& c, const WavelengthGrid& grid, const SpaxelGrid& spaxels,
              std::int64_t galaxy, std::uint32_t view, Cube& flux, Cube& variance) {
    if (variance.data.size() != flux.data.size()) variance = Cube(flux.ny, flux.nx, flux.nLambda);
    const double reference = c.signalToNoise ? referenceFlux(exec, flux) : 0;
    const double skyFlux = c.sky * sq(spaxels.spaxelArcsec);
    std::vector<double> gain(grid.size, 0);
    if (c.exposureTime)
        for (std::size_t j = 0; j < grid.size; ++j)
            gain[j] = electronsPerFlux(grid.centre(double(j)), grid.width(j), c.area, c.throughput, *c.exposureTime);

#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < flux.spaxels(); ++s) {
        Normals4 normals{};
        std::uint64_t block = ~std::uint64_t(0);
        for (std::size_t j = 0; j < flux.nLambda; ++j) {
            float& f = flux.spectrum(s)[j];
            float& v = variance.spectrum(s)[j];
            if (std::isnan(f)) {
                v = f;
                continue;
            }
            const double value = c.signalToNoise
                                     ? targetVariance(double(f), reference, *c.signalToNoise)
                                     : exposureVariance(double(f), skyFlux, gain[j], c.readNoise, c.exposures);
            const std::uint64_t voxel = std::uint64_t(s) * flux.nLambda + j;
            if (voxel / 4 != block) {
                block = voxel / 4;
                normals = standardNormals(c.seed, galaxy, view, block);
            }
            f = float(double(f) + std::sqrt(value) * double(normals.n[voxel % 4]));
            v = float(value);
        }
    }
}

}  // namespace tessera
