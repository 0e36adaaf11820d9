// Stars in the order of their spaxels, and in runs of like shift within.
//
//   orderKeys, sortPairs (gpu/sort.hpp)   order[k]: the k-th star
//   makeRecords                           what the later kernels read of a star, SSP weights included
//   markRuns, exclusiveSum, placeRuns     first star of every run
//   describeRuns                          their mean shifts
//   findSpaxels                           first star and first run of every spaxel
#pragma once

#include <cstdint>

#include "kernels/star_blocks.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Runs end at least here, so that float sums over one stay exact to about 1e-6.
constexpr std::uint32_t longestRun = 2048;

// Key of a star: spaxel << binBits | bin of shifts; ~0 of those outside the field, which come last. Spaxels of galaxy g, in the
// order of the blocks, are counted from g spaxelsPerGalaxy on.
struct KeyArgs {
    View<const StarBlock> block;
    std::uint32_t spaxelsPerGalaxy = 0;
    View<const std::uint32_t> spaxel;
    View<const float> shift;
    float shiftMin = 0, shiftStep = 0;  // bins: floor((shift - shiftMin) / shiftStep)
    int binBits = 0;
    View<std::uint64_t> key;  // of the blocks' stars
    View<std::uint32_t> order;
};
void orderKeys(const Stream&, const KeyArgs&);

struct RecordArgs {
    View<const std::uint32_t> order;
    View<const float> age, metallicity, mass, shift;
    View<const double> logAgeGyr, zAxis;  // of the SSP library; zAxis in log10 Z, or Z where rubix
    bool rubix = false;                   // linear in Z, and stars outside the library's grid are dark
    View<StarRecord> record;              // as many as stars are kept
};
void makeRecords(const Stream&, const RecordArgs&);

// Stars of one spaxel in one bin of shifts, or a part of them.
struct StarRun {
    std::uint32_t first, count;
    double centre;        // mass-weighted mean shift
    double secondMoment;  // mass-weighted mean of (shift - centre)^2
    double stretch;       // exp(centre)
};
struct MarkArgs {
    View<const std::uint64_t> key;  // sorted
    int binBits = 0;
    std::uint64_t before = 0;  // stars of other devices that come before these: runs end where they would end there
    std::uint64_t spaxelsPerGalaxy = 0;
    View<const std::uint64_t>
        galaxyFirst;           // first of these stars of each galaxy: runs end where they would end in it alone
    View<std::uint32_t> head;  // [stars kept + 1] 1 where a run begins; 0 behind the last star
};
void markRuns(const Stream&, const MarkArgs&);
struct PlaceArgs {
    View<const std::uint32_t> head, place;  // place: the exclusive sum of head
    View<std::uint32_t> first;              // [runs + 1] and one behind the last star
};
void placeRuns(const Stream&, const PlaceArgs&);
struct DescribeArgs {
    View<const StarRecord> star;
    View<const std::uint32_t> first;  // [runs + 1]
    View<StarRun> run;
};
void describeRuns(const Stream&, const DescribeArgs&);

struct SpaxelArgs {
    View<const std::uint64_t> key;  // of the stars kept, sorted
    View<const std::uint32_t> first;
    int binBits = 0;
    View<std::uint32_t> star, run;  // [spaxels + 1] first star and first run of each
};
void findSpaxels(const Stream&, const SpaxelArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
