#include "stages/pixel_templates.hpp"

#include <algorithm>
#include <cmath>

#include "simd/kernels.hpp"

namespace tessera {

void pixelTemplates(const KnotTable& table, double shift, const double* edges, std::size_t pixels, float* average,
                    float* slope, std::span<const std::uint16_t> blocks) {
    const auto& x = table.position;
    const std::size_t above =
        std::size_t(std::upper_bound(x.begin(), x.end(), edges[0] * std::exp(-shift)) - x.begin());
    const std::size_t first = above > 1 ? above - 2 : 0;  // one more than needed, whatever the rounding
    simd::PixelTemplateArgs a{};
    a.flux = table.byKnot.data() + first * table.lanes;
    a.lanes = table.lanes;
    a.position = x.data() + first;
    a.inverseStep = table.inverseStep.data() + first;
    a.knots = x.size() - first;
    a.shift = shift;
    a.edges = edges;
    a.pixels = pixels;
    a.average = average;
    a.slope = slope;
    if (!blocks.empty()) {
        a.blocks = blocks.data();
        a.blockCount = blocks.size();
    }
    simd::kernels().pixelTemplates(a);
}

}  // namespace tessera
