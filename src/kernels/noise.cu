#include "kernels/noise.hpp"

#include "kernels/reduce.hpp"
#include "tessera/physics/noise.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

struct Mean {
    double sum = 0;
    std::uint64_t count = 0;
    __device__ Mean& operator+=(const Mean& o) {
        sum += o.sum;
        count += o.count;
        return *this;
    }
};

__global__ void __launch_bounds__(threads) meanKernel(MeanArgs a) {
    Mean mean;
    for (std::size_t j = threadIdx.x; j < a.pixels; j += threads)
        if (const float f = a.flux[blockIdx.x * a.pixels + j]; f == f) {
            mean.sum += double(f);
            ++mean.count;
        }
    mean = blockSum<threads>(mean);
    if (threadIdx.x == 0) a.mean[blockIdx.x] = mean.count > 0 ? mean.sum / double(mean.count) : 0;
}

// Four voxels a thread: what one draw makes.
__global__ void __launch_bounds__(threads) noiseKernel(NoiseArgs a) {
    const bool several = a.others.size() > 0;
    const NoiseDraw draw = several ? a.others[blockIdx.y] : a;
    const std::size_t voxels = several ? a.flux.size() / a.others.size() : a.flux.size(), first = blockIdx.y * voxels;
    const std::size_t block = std::size_t(blockIdx.x) * threads + threadIdx.x;
    if (4 * block >= voxels) return;
    const Normals4 normals = standardNormals(draw.seed, draw.galaxy, draw.view, block);
    for (std::size_t k = 0; k < 4 && 4 * block + k < voxels; ++k) {
        const std::size_t voxel = first + 4 * block + k;
        const float f = a.flux[voxel];
        float v = f;
        if (f == f)
            v = float(a.target
                          ? targetVariance(double(f), draw.reference, a.signalToNoise)
                          : exposureVariance(double(f), a.skyFlux, a.gain[voxel % a.pixels], a.readNoise, a.exposures));
        a.variance[voxel] = v;
        a.flux[voxel] = f + std::sqrt(v) * normals.n[k];
    }
}

}  // namespace

void spaxelMeans(const Stream& s, const MeanArgs& a) {
    launch(unsigned(a.mean.size()), threads, 0, s, meanKernel, a);
}

void addNoise(const Stream& s, const NoiseArgs& a) {
    const std::size_t galaxies = a.others.size() > 0 ? a.others.size() : 1;
    launch(dim3(blocksFor(a.flux.size() / galaxies, 4 * threads), unsigned(galaxies)), threads, 0, s, noiseKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
