// The transpose of summing stars' spectra for libraries as fine as the pixels: tile of pixels by tile, bin of shifts by bin,
// from tables of the templates' pixel averages. Derivation 15 of docs/adjoints.md.
#pragma once

#include <vector>

#include "simd/kernels.hpp"
#include "tessera/stages.hpp"

namespace tessera {

class PixelGather {
public:
    // Stars in the order of their bins within each spaxel.
    PixelGather(const BinnedStars&, const KnotTable&);

    // Whether this is faster than the gather at the knots, for a cube of so many pixels, over all processes that share the
    // galaxy.
    bool pays(std::size_t pixels, const Gather& = {}) const;

    // As SpectraDerivative::adjoint().
    void operator()(Host, const WavelengthGrid& window, double scale, const float* spectraBar, std::size_t stride,
                    StarRecordBar* bar) const;

private:
    class Tables;
    void findItems();
    void findBlocks();

    const BinnedStars& stars_;
    const KnotTable& table_;
    Buffer<simd::GatherItem> items_;       // by bin, then by their templates
    std::vector<std::uint32_t> bins_;      // those that have stars
    std::vector<std::size_t> binStart_;    // [bins + 1] items
    std::vector<std::uint16_t> blocks_;    // sixteen templates each, that a bin's stars have
    std::vector<std::size_t> blockStart_;  // [bins + 1]
    std::size_t runs_ = 0;                 // stars of one spaxel and one bin are one
};

}  // namespace tessera
