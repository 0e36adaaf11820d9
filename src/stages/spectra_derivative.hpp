// Transpose and tangent of summing the stars' spectra (accumulate() of stages.hpp). Derivation 15 of docs/adjoints.md.
#pragma once

#include <optional>
#include <vector>

#include "stages/accumulator.hpp"
#include "stages/pixel_gather.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// Width of the bins of shifts of derivatives: within a bin a spectrum is a polynomial of second degree in the shift, but for
// kinks that cross a pixel's edge. That is wrong in the first derivative by as much of the kink's part as the bin is of the
// pixel's width, which is why bins are narrower than those of spectra; narrower still for fine libraries (KnotTable::fine),
// where some kink is always crossing.
double derivativeShiftStep(double accuracy, bool fine);

// Sums for the templates' spectra at the table's knots, [template][table.stride], in a fixed number of parts that are added
// up in order.
class TemplatesBar {
public:
    explicit TemplatesBar(const KnotTable&);
    static constexpr std::size_t parts = 16;
    float* part(std::size_t i) { return sums_.data() + i * size_; }
    std::vector<double> total() const;

private:
    std::size_t size_;
    std::vector<float> sums_;
};

// Stars and table must outlive it. The stars of each spaxel must be in the order of their bins (table.shiftStep), and none
// dense. Gathers: nothing is added to from two threads, and the result is bitwise the same for any number of them.
class SpectraDerivative {
public:
    // pixels: of the cube.
    SpectraDerivative(const BinnedStars&, const KnotTable&, std::size_t pixels, const Gather& = {});

    // bar[star] += cotangent of the record, of spectra's cotangents [spaxel][stride] on the window's pixels; scale as in
    // accumulate(). templates: or nullptr; with them always at the knots.
    void adjoint(Host, const WavelengthGrid& window, double scale, const float* spectraBar, std::size_t stride,
                 StarRecordBar* bar, TemplatesBar* templates) const;
    // out[spaxel][stride]: tangent of accumulate() for tangents of the records.
    void tangent(Host, const WavelengthGrid& window, double scale, const StarRecordBar* dot, float* out,
                 std::size_t stride) const;

private:
    const BinnedStars& stars_;
    const KnotTable& table_;
    std::optional<PixelGather> pixels_;  // for many stars and a fine library
};

}  // namespace tessera
