// Transpose of addNoise() for its fixed realisation. Derivation 13 of docs/adjoints.md.
#pragma once

#include <cstdint>

#include "kernels/noise.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct NoiseAdjointArgs {
    NoiseArgs noise;                // as given to addNoise(), but for its variance; flux: before the noise
    View<const float> noisyBar;     // of the cube with noise
    View<const float> varianceBar;  // of its variance; empty: none
    View<float> fluxBar;            // 0 where the flux is NaN
    View<double> referenceBar;      // [noiseAdjointBlocks(voxels)] their sum is that of the reference flux
};
unsigned noiseAdjointBlocks(std::size_t voxels);
void noiseAdjoint(const Stream&, const NoiseAdjointArgs&);

// Through the mean of a spaxel: fluxBar += meanBar / n for its n voxels that are not NaN.
struct MeanAdjointArgs {
    View<const float> flux;
    View<float> fluxBar;
    std::size_t pixels = 0, spaxel = 0;
    double meanBar = 0;
};
void spaxelMeanAdjoint(const Stream&, const MeanAdjointArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
