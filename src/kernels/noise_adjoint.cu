#include "kernels/noise_adjoint.hpp"

#include "kernels/reduce.hpp"
#include "tessera/physics/noise.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// Four voxels a thread: what one draw makes.
__global__ void __launch_bounds__(threads) noiseAdjointKernel(NoiseAdjointArgs a) {
    const NoiseArgs& n = a.noise;
    const std::size_t block = std::size_t(blockIdx.x) * threads + threadIdx.x, voxels = n.flux.size();
    double referenceBar = 0;
    if (4 * block < voxels) {
        const Normals4 normals = standardNormals(n.seed, n.galaxy, n.view, block);
        for (std::size_t k = 0; k < 4; ++k) {
            const std::size_t voxel = 4 * block + k;
            if (voxel >= voxels) break;
            const double f = double(n.flux[voxel]);
            double fluxBar = 0;
            if (f == f) {
                double varianceBar = a.varianceBar.size() > 0 ? double(a.varianceBar[voxel]) : 0;
                const double gain = n.target ? 1 : n.gain[voxel % n.pixels];
                const double variance = n.target ? targetVariance(f, n.reference, n.signalToNoise)
                                                 : exposureVariance(f, n.skyFlux, gain, n.readNoise, n.exposures);
                noisyFluxAdjoint(f, variance, double(normals.n[k]), fluxBar, varianceBar, double(a.noisyBar[voxel]));
                if (n.target)
                    targetVarianceAdjoint(f, n.reference, n.signalToNoise, fluxBar, referenceBar, varianceBar);
                else
                    exposureVarianceAdjoint(f, gain, fluxBar, varianceBar);
            }
            a.fluxBar[voxel] = float(fluxBar);
        }
    }
    referenceBar = blockSum<threads>(referenceBar);
    if (threadIdx.x == 0) a.referenceBar[blockIdx.x] = referenceBar;
}

// One block.
__global__ void __launch_bounds__(threads) meanAdjointKernel(MeanAdjointArgs a) {
    TESSERA_SHARED(double, share, [1]);
    const std::size_t first = a.spaxel * a.pixels;
    double count = 0;
    for (std::size_t j = threadIdx.x; j < a.pixels; j += threads)
        if (const float f = a.flux[first + j]; f == f) count += 1;
    count = blockSum<threads>(count);
    if (threadIdx.x == 0) share[0] = a.meanBar / count;
    __syncthreads();
    for (std::size_t j = threadIdx.x; j < a.pixels; j += threads)
        if (const float f = a.flux[first + j]; f == f) a.fluxBar[first + j] += float(share[0]);
}

}  // namespace

unsigned noiseAdjointBlocks(std::size_t voxels) {
    return blocksFor(voxels, 4 * threads);
}

void noiseAdjoint(const Stream& s, const NoiseAdjointArgs& a) {
    launch(noiseAdjointBlocks(a.noise.flux.size()), threads, 0, s, noiseAdjointKernel, a);
}

void spaxelMeanAdjoint(const Stream& s, const MeanAdjointArgs& a) {
    launch(1, threads, 0, s, meanAdjointKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
