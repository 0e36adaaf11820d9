#include "kernels/order.hpp"

#include "kernels/reduce.hpp"
#include "kernels/search.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

__device__ std::size_t thisThread() {
    return std::size_t(blockIdx.x) * threads + threadIdx.x;
}

__global__ void __launch_bounds__(threads) keyKernel(KeyArgs a) {
    const StarBlock block = a.block[blockIdx.x];
    const std::uint32_t firstSpaxel = block.galaxy * a.spaxelsPerGalaxy;
    for (std::uint32_t j = threadIdx.x; j < block.count; j += threads) {
        const std::uint32_t i = block.first + j, k = block.place + j, spaxel = a.spaxel[i];
        a.key[k] = spaxel == outsideField ? ~std::uint64_t(0)
                                          : keyOf(firstSpaxel + spaxel, a.shift[i], a.shiftMin, a.shiftStep, a.binBits);
        a.order[k] = i;
    }
}

__global__ void __launch_bounds__(threads) recordKernel(RecordArgs a) {
    const std::size_t k = thisThread();
    if (k >= a.record.size()) return;
    const std::uint32_t i = a.order[k];
    const float age = a.age[i], metallicity = a.metallicity[i];
    const float logAge = float(std::log10(double(age)));
    const float z = a.rubix ? metallicity : float(std::log10(double(metallicity)));
    const int nAge = int(a.logAgeGyr.size());
    const AxisPosition<float> onAges = locate(a.logAgeGyr.data(), nAge, logAge),
                              onZ = locate(a.zAxis.data(), int(a.zAxis.size()), z);
    const bool dark = a.rubix && (onAges.clamped || onZ.clamped);
    a.record[k] = {onZ.lower * nAge + onAges.lower,
                   onAges.fraction,
                   onZ.fraction,
                   dark ? 0.0F : a.mass[i],
                   a.shift[i],
                   age,
                   metallicity,
                   i};
}

__global__ void __launch_bounds__(threads) markKernel(MarkArgs a) {
    const std::size_t k = thisThread();
    if (k >= a.head.size()) return;
    const bool behind = k + 1 == a.head.size();
    bool head = !behind;
    if (!behind && k > 0 && a.key[k] == a.key[k - 1]) {
        const std::uint64_t galaxy = (a.key[k] >> a.binBits) / a.spaxelsPerGalaxy;
        head = (a.before + k - a.galaxyFirst[galaxy]) % longestRun == 0;
    }
    a.head[k] = head;
}

__global__ void __launch_bounds__(threads) placeKernel(PlaceArgs a) {
    const std::size_t k = thisThread();
    if (k >= a.head.size()) return;
    if (a.head[k] != 0 || k + 1 == a.head.size()) a.first[a.place[k]] = std::uint32_t(k);
}

// A warp a run.
__global__ void __launch_bounds__(threads) describeKernel(DescribeArgs a) {
    const std::size_t r = thisThread() / 32, lane = threadIdx.x % 32;
    if (r >= a.run.size()) return;
    const std::uint32_t first = a.first[r], end = a.first[r + 1];
    double mass = 0, moment = 0;
    for (std::size_t k = first + lane; k < end; k += 32) {
        const double m = double(a.star[k].mass);
        mass += m;
        moment += m * double(a.star[k].shift);
    }
    mass = warpSum(mass);
    moment = warpSum(moment);
    const double centre = mass > 0 ? moment / mass : double(a.star[first].shift);
    double second = 0;
    for (std::size_t k = first + lane; k < end; k += 32)
        second += double(a.star[k].mass) * sq(double(a.star[k].shift) - centre);
    second = warpSum(second);
    if (lane == 0) a.run[r] = {first, end - first, centre, mass > 0 ? second / mass : 0, std::exp(centre)};
}

__global__ void __launch_bounds__(threads) spaxelKernel(SpaxelArgs a) {
    const std::size_t s = thisThread();
    if (s >= a.star.size()) return;
    const std::uint32_t star = lowerBound(a.key, std::uint64_t(s) << a.binBits);
    a.star[s] = star;
    a.run[s] = lowerBound(a.first, star);
}

}  // namespace

void orderKeys(const Stream& s, const KeyArgs& a) {
    launch(unsigned(a.block.size()), threads, 0, s, keyKernel, a);
}
void makeRecords(const Stream& s, const RecordArgs& a) {
    launch(blocksFor(a.record.size(), threads), threads, 0, s, recordKernel, a);
}
void markRuns(const Stream& s, const MarkArgs& a) {
    launch(blocksFor(a.head.size(), threads), threads, 0, s, markKernel, a);
}
void placeRuns(const Stream& s, const PlaceArgs& a) {
    launch(blocksFor(a.head.size(), threads), threads, 0, s, placeKernel, a);
}
void describeRuns(const Stream& s, const DescribeArgs& a) {
    launch(blocksFor(a.run.size(), threads / 32), threads, 0, s, describeKernel, a);
}
void findSpaxels(const Stream& s, const SpaxelArgs& a) {
    launch(blocksFor(a.star.size(), threads), threads, 0, s, spaxelKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
