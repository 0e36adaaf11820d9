// Transpose of accumulate(): every star gathers what the spectra's cotangents say of its record (derivation 15 of
// docs/adjoints.md). The same sums as src/simd/adjoint.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/accumulate.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Stars of one spaxel in one narrow bin of shifts, or a part of them. They share the cotangents at the knots and their two
// derivatives at the mean shift of the bin.
struct ShiftBin {
    std::uint32_t first, count;
    double centre;  // mean shift
};
// A block gathers for one item, tile of wavelengths by tile; its warps take the bins in turns.
struct GatherItem {
    std::uint32_t firstBin, bins, row;  // row: of the spaxel's cotangent
};
// The cut depends on the stars alone. spaxelBin: [rows + 1] first bin of each spaxel.
std::vector<GatherItem> planGather(std::span<const std::uint32_t> spaxelBin, std::span<const ShiftBin> bins);

struct GatherArgs {
    AccumulateArgs sum;  // whose transpose is wanted; its runs, items and output are not looked at
    View<const ShiftBin> bin;
    View<const GatherItem> item;
    View<const float> spectraBar;  // [rows][sum.stride]
    View<StarRecordBar> bar;       // [stars] +=
};
std::size_t gatherSharedBytes(std::uint32_t pixels, std::uint32_t knots);
void gather(const Stream&, const GatherArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
