#include "kernels/project.hpp"

#include "kernels/reduce.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/physics/project.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

struct Sum : ProjectTotal {
    __device__ Sum() : ProjectTotal{INFINITY, -INFINITY, 0, 0, 0} {}
    __device__ Sum& operator+=(const Sum& o) {
        shiftMin = o.shiftMin < shiftMin ? o.shiftMin : shiftMin;
        shiftMax = o.shiftMax > shiftMax ? o.shiftMax : shiftMax;
        onGrid += o.onGrid;
        kept += o.kept;
        inMask += o.inMask;
        return *this;
    }
};

__global__ void __launch_bounds__(threads) projectKernel(ProjectArgs a) {
    const StarBlock block = a.block[blockIdx.x];
    const ProjectGalaxy& g = a.galaxy[block.galaxy];
    Sum sum;
    for (std::size_t i = block.first + threadIdx.x; i < block.first + block.count; i += threads) {
        const Vec3d x = g.rotation * nearestImage(a.position[i] - g.centre, g.boxSize);
        const double v = dot(g.rotation.row[2], a.velocity[i].to<double>() - g.meanVelocity);
        const float shift = float(dopplerShift(v, a.doppler));
        std::uint32_t spaxel = spaxelOf(x.x, x.y, a.grid);
        a.shift[i] = shift;
        if (spaxel != outsideField) {
            Sum one;
            one.shiftMin = one.shiftMax = shift;
            one.onGrid = 1;
            const std::uint8_t use = a.use[spaxel];
            if (use == unused) spaxel = outsideField;
            one.kept = use != unused;
            one.inMask = use == insideMask;
            sum += one;
        }
        a.spaxel[i] = spaxel;
    }
    sum = blockSum<threads>(sum);
    if (threadIdx.x == 0) a.total[blockIdx.x] = sum;
}

}  // namespace

void project(const Stream& s, const ProjectArgs& a) {
    launch(unsigned(a.block.size()), threads, 0, s, projectKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
