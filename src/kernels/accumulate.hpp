// Spectra of the spaxels: stars are summed at the library's own wavelengths (knots), run by run, and the kinks of the sums
// placed on the pixels (docs/design.md). The same sums as src/simd/knots.cpp.
#pragma once

#include <cstdint>

#include "kernels/order.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A block sums one item in one tile of wavelengths. Items are runs of one spaxel: of all of them, or of a part, each of
// which has a row of its own.
struct AccumulateItem {
    std::uint32_t firstRun, runs, row;
};
// Pixels of the window, and the knots that they need under every shift.
struct AccumulateTile {
    std::uint32_t firstPixel, pixels, firstKnot, knots;
};

struct AccumulateArgs {
    View<const StarRecord> star;
    View<const StarRun> run;    // one without stars stands for the row `first` of nodeSum, at its shift
    View<const float> nodeSum;  // [rows][fluxStride] sums at the library's knots, of coefficients.hpp
    View<const AccumulateItem> item;
    View<const AccumulateTile> tile;
    std::uint32_t mostPixels = 0, mostKnots = 0;  // of a tile
    // The library, as in KnotTable.
    View<const float> flux;  // [template][fluxStride]
    std::size_t fluxStride = 0;
    int zStep = 0, ageStep = 0;  // templates to the neighbour in metallicity and in age
    View<const double> position, lnPosition, inverseStep;
    View<const double> edge;  // [window + 1]
    bool log = false;
    double inverseWidth = 0;  // pixel of x: floor((x - edge[0]) inverseWidth); where log of ln x
    double scale = 1;
    View<float> out;  // [rows][stride], from pixel outFirst of the window on
    std::size_t stride = 0, outFirst = 0;
    View<double> precise{};  // instead of out, where it is given
};
std::size_t accumulateSharedBytes(std::uint32_t pixels, std::uint32_t knots);
void accumulate(const Stream&, const AccumulateArgs&);

// Rows of parts are added to the rows of their spaxels, in order.
struct PartList {
    std::uint32_t row, firstPart, parts;
};
struct AddPartsArgs {
    View<const PartList> list;
    View<float> out;  // [rows][stride]
    std::size_t stride = 0, pixels = 0;
    View<double> precise{};  // instead of out, where it is given
};
void addParts(const Stream&, const AddPartsArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
