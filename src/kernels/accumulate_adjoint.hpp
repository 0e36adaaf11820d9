// Transpose of accumulate(): every star gathers what the spectra's cotangents say of its record (derivation 15 of
// docs/adjoints.md). The same sums as src/simd/adjoint.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/accumulate.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A block gathers for one item, tile of wavelengths by tile; its warps take the runs in turns. The stars of a run share the
// cotangents at the knots and their two derivatives in the middle of their shifts.
struct GatherItem {
    std::uint32_t firstRun, runs, row;  // row: of the spaxel's cotangent
};
// The cut depends on the stars alone. spaxelRun, firstOfRun: as OrderedStars; there is a row for every spaxel with stars.
std::vector<GatherItem> planGather(std::span<const std::uint32_t> spaxelRun, std::span<const std::uint32_t> firstOfRun);

struct GatherArgs {
    // Whose transpose is wanted; of its runs first and count alone are looked at, its items and output are not.
    AccumulateArgs sum;
    View<const GatherItem> item;
    View<const float> spectraBar;  // [rows][sum.stride]
    View<StarRecordBar> bar;       // [stars] +=
};
std::size_t gatherSharedBytes(std::uint32_t pixels, std::uint32_t knots);
void gather(const Stream&, const GatherArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
