// Ordered stars of several parts become one order: as if they had been read by one.
//
//   countStars            stars of each spaxel, of one part
//   mergeKeys, sortPairs  order[k]: the k-th star, of those that arrived
//   gatherStars
#pragma once

#include <cstdint>

#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct CountArgs {
    View<const std::uint64_t> key;  // of the stars kept, sorted
    int binBits = 0;
    View<std::uint32_t> count;  // [spaxels]
};
void countStars(const Stream&, const CountArgs&);

struct MergeArgs {
    View<const StarRecord> star;      // part after part, each in the order of its spaxels
    View<const std::uint32_t> first;  // [parts][spaxels] first star of each spaxel of each part
    std::uint32_t spaxels = 0, firstSpaxel = 0;
    float shiftMin = 0, shiftStep = 0;
    int binBits = 0;
    View<std::uint64_t> key;  // as KeyArgs::key
    View<std::uint32_t> order;
};
void mergeKeys(const Stream&, const MergeArgs&);

struct StarGatherArgs {
    View<const StarRecord> from;
    View<const std::uint32_t> order;
    View<StarRecord> to;
};
void gatherStars(const Stream&, const StarGatherArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
