#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "tessera/stages.hpp"

namespace tessera {

void accumulate(Host exec, const BinnedStars& b, const KnotTable& table, const WavelengthGrid& window, double scale,
                float* out, std::size_t stride) {
    const std::size_t nSpaxels = b.start.size() - 1;
    std::vector<double> edges(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edges[j] = window.edge(double(j));

    simd::SpectrumArgs common{};
    common.shiftStep = float(table.shiftStep);
    common.shiftMin = table.shiftMin;
    // Of the table's knots those that this window needs under every shift.
    const auto& x = table.position;
    const double left = edges.front() * std::exp(-double(table.shiftMax)),
                 right = edges.back() * std::exp(-double(table.shiftMin));
    std::size_t firstKnot = std::size_t(std::upper_bound(x.begin(), x.end(), left) - x.begin());
    firstKnot = firstKnot > 0 ? firstKnot - 1 : 0;
    const std::size_t lastKnot =
        std::min(std::size_t(std::lower_bound(x.begin(), x.end(), right) - x.begin()), x.size() - 1);
    common.flux = table.flux.data() + firstKnot;
    common.fluxStride = table.stride;
    common.nAge = table.nZ > 1 ? table.nAge : 0;
    common.ageStep = table.nAge > 1 ? 1 : 0;
    common.position = x.data() + firstKnot;
    common.inverseStep = table.inverseStep.data() + firstKnot;
    common.knots = lastKnot - firstKnot + 1;
    common.lnPosition = window.log ? table.lnPosition.data() + firstKnot : nullptr;
    common.edges = edges.data();
    common.pixels = window.size;
    common.inverseWidth = 1 / (window.log ? window.step * std::log(10.0) : window.step);
    common.scale = scale;
    const auto& kernels = simd::kernels();

#pragma omp parallel num_threads(threadsOf(exec))
    {
        Buffer<double> scratch(simd::scratchDoubles(table.size(), window.size));
        simd::SpectrumArgs args = common;
        args.scratch = scratch.data();
#pragma omp for schedule(dynamic, 8)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            args.stars = b.stars.data() + b.start[s];
            args.count = b.start[s + 1] - b.start[s];
            args.out = out + s * stride;
            if (args.count == 0)
                std::memset(args.out, 0, window.size * sizeof(float));
            else
                kernels.spectrum(args);
        }
    }
}

}  // namespace tessera
