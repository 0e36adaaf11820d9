#include "kernels/star_inputs.hpp"

#include "kernels/reduce.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;
constexpr unsigned starsPerBlock = 1024;

__global__ void __launch_bounds__(threads) starInputsKernel(StarInputsArgs a) {
    const std::size_t n = a.star.size(), first = std::size_t(blockIdx.x) * starsPerBlock;
    const std::size_t end = first + starsPerBlock < n ? first + starsPerBlock : n;
    SightSums sums;
    for (std::size_t k = first + threadIdx.x; k < end; k += threads) {
        const StarRecord r = a.star[k];
        const RecordSlope slope = a.slopes(r);
        if (slope.dark) continue;
        const StarRecordBar bar = a.bar[k];
        const VelocityBar v = velocityOfShiftBar(a.velocity[r.source], a.systemicVelocity, a.lineOfSight, a.doppler,
                                                 bar.shift, double(r.mass) * double(bar.mass));
        a.massBar[r.source] = bar.mass;
        a.logAgeBar[r.source] = bar.ageFraction * slope.age;
        a.metallicityBar[r.source] = bar.zFraction * slope.z;
        a.velocityBar[r.source] = v.velocity;
        sums += v.sums;
    }
    sums = blockSum<threads>(sums);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sums;
}

}  // namespace

unsigned starInputBlocks(std::size_t records) {
    return blocksFor(records, starsPerBlock);
}

void starInputs(const Stream& s, StarInputsArgs a) {
    a.slopes.age.slope = a.age.data();
    a.slopes.z.slope = a.z.data();
    launch(starInputBlocks(a.star.size()), threads, 0, s, starInputsKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
