// The stars of a galaxy, or of several, on the device, as read and as ordered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/accumulate.hpp"
#include "kernels/order.hpp"
#include "kernels/star_blocks.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct DeviceStars {
    DeviceBuffer<Vec3d> position;
    DeviceBuffer<Vec3f> velocity;
    DeviceBuffer<float> mass, age, metallicity;
};

// What the order depends on.
struct OrderPlan {
    std::size_t spaxels = 0, kept = 0;  // kept: stars that are not outsideField
    // Of several galaxies, which share the spaxels equally: their stars, and how many come before each of those kept.
    std::vector<GalaxyRows> galaxies;
    std::vector<std::uint64_t> keptBefore;
    float shiftMin = 0, shiftMax = 0;  // of the stars kept
    float shiftStep = 1;               // of the bins
    View<const double> logAgeGyr, zAxis;
    bool rubix = false;
};

// Of the keys, for the bins.
int binBits(const OrderPlan&);

// By spaxel, by bin of shifts, as read.
struct SortedStars {
    DeviceBuffer<StarRecord> star;    // [kept]
    DeviceBuffer<std::uint64_t> key;  // of these, then of those outside the field
    int binBits = 0;
    // Must live until the stream is synchronised.
    std::vector<StarBlock> blocks;
    std::vector<std::uint32_t> firsts;
};
SortedStars sortStars(const Stream&, const OrderPlan&, const DeviceStars&, const DeviceBuffer<std::uint32_t>& spaxel,
                      const DeviceBuffer<float>& shift);

// Of stars of the spaxels [firstSpaxel, firstSpaxel + spaxels) that arrived part after part, each in its order: as if they had been
// sorted together. each: [parts][spaxels] stars.
SortedStars mergeStars(const Stream&, const OrderPlan&, DeviceBuffer<StarRecord>&& arrived,
                       std::span<const std::uint32_t> each, std::uint32_t spaxels, std::uint32_t firstSpaxel,
                       int binBits);

struct OrderedStars {
    DeviceBuffer<StarRecord> star;  // [kept] by spaxel, by bin of shifts, as read
    DeviceBuffer<StarRun> run;
    DeviceBuffer<std::uint32_t> spaxelStar;            // [spaxels + 1] first star of each
    std::vector<std::uint32_t> spaxelRun, firstOfRun;  // on the host: [spaxels + 1], [runs + 1]
};
// before: stars of other devices that come before these. Waits for the device.
OrderedStars describeStars(const Stream&, const OrderPlan&, SortedStars&&, std::uint64_t before = 0);
// Both.
OrderedStars orderStars(const Stream&, const OrderPlan&, const DeviceStars&, const DeviceBuffer<std::uint32_t>& spaxel,
                        const DeviceBuffer<float>& shift);

// Runs that stand for all stars of a spaxel.
struct DenseRuns {
    std::uint32_t spaxel, firstRun, runs;
};

// The blocks of accumulate(): spaxels of many stars are summed in parts, whose rows follow those of the lit spaxels. The
// cut depends on the stars alone. dense: spaxels that have other runs, ascending.
struct AccumulatePlan {
    std::vector<std::uint32_t> lit;  // spaxels with stars, one row each
    std::vector<AccumulateItem> items;
    std::vector<PartList> parts;
    std::size_t rows = 0;
};
AccumulatePlan planAccumulate(std::span<const std::uint32_t> spaxelRun, std::span<const std::uint32_t> firstOfRun,
                              std::span<const DenseRuns> dense = {});

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
