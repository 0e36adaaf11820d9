// Noise and its variance, of the same numbers as on the CPU (physics/noise.hpp).
#pragma once

#include <cstdint>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Mean flux densities of the spaxels; NaN voxels are left out, 0 where there is no other.
struct MeanArgs {
    View<const float> flux;  // [spaxels][pixels]
    std::size_t pixels = 0;
    View<double> mean;  // [spaxels]
};
void spaxelMeans(const Stream&, const MeanArgs&);

// What is a galaxy's own.
struct NoiseDraw {
    std::uint64_t seed = 0;
    std::int64_t galaxy = 0;
    std::uint32_t view = 0;
    double reference = 0;  // of the target mode
};
struct NoiseArgs : NoiseDraw {
    View<float> flux, variance;    // [galaxies][spaxels][pixels]; NaN stays NaN
    View<const NoiseDraw> others;  // of several galaxies; empty: of the one above
    std::size_t pixels = 0;
    bool target = false;
    double signalToNoise = 1;  // of the target mode
    View<const double> gain;   // [pixels] electrons per flux density, of the exposure mode
    double skyFlux = 0, readNoise = 0;
    int exposures = 1;
};
void addNoise(const Stream&, const NoiseArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
