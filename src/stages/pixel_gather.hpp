// The transpose of summing stars' spectra for libraries as fine as the pixels: tile of pixels by tile, bin of shifts by bin,
// from tables of all templates' pixel averages. Derivation 15 of docs/adjoints.md.
#pragma once

#include <vector>

#include "tessera/stages.hpp"

namespace tessera {

class PixelGather {
public:
    // Stars in the order of their bins within each spaxel.
    PixelGather(const BinnedStars&, const KnotTable&);

    // Whether there are enough stars a bin for its tables, over all processes that share the galaxy.
    bool pays(const Gather& = {}) const;

    // As SpectraDerivative::adjoint().
    void operator()(Host, const WavelengthGrid& window, double scale, const float* spectraBar, std::size_t stride,
                    StarRecordBar* bar) const;

private:
    // Stars of one spaxel in one bin.
    struct Run {
        std::uint32_t bin, spaxel, count;
        std::uint64_t first;
    };
    class Tables;

    const BinnedStars& stars_;
    const KnotTable& table_;
    std::vector<Run> runs_;              // by bin, then by spaxel
    std::vector<std::size_t> binStart_;  // [occupied bins + 1] runs
};

}  // namespace tessera
