#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blas.hpp"
#include "stages/blocks.hpp"
#include "stages/nodes.hpp"

namespace tessera {

KnotWay::KnotWay(Host exec, const BinnedStars& stars, const KnotTable& table)
    : stars_(stars), table_(table), dense_(exec, stars, table) {}

void KnotWay::sum(Host exec, const WavelengthGrid& window, double scale, float* out, std::size_t stride) const {
    const std::size_t nSpaxels = stars_.start.size() - 1;
    std::vector<double> edges(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edges[j] = window.edge(double(j));
    const KnotRange knots = knotRange(table_, window);

    simd::SpectrumArgs common{};
    common.shiftStep = float(table_.shiftStep);
    common.shiftMin = table_.shiftMin;
    common.flux = table_.flux.data() + knots.first;
    common.fluxStride = table_.stride;
    common.nAge = table_.zStep();
    common.ageStep = table_.ageStep();
    common.position = table_.position.data() + knots.first;
    common.inverseStep = table_.inverseStep.data() + knots.first;
    common.knots = knots.count;
    common.lnPosition = window.log ? table_.lnPosition.data() + knots.first : nullptr;
    common.edges = edges.data();
    common.pixels = window.size;
    common.inverseWidth = 1 / (window.log ? window.step * std::log(10.0) : window.step);
    common.scale = scale;
    const auto& kernels = simd::kernels();
    const std::size_t templates = table_.templates(), sumStride = (knots.count + 15) / 16 * 16;

#pragma omp parallel num_threads(threadsOf(exec))
    {
        oneBlasThread();
        Buffer<double> scratch(simd::scratchDoubles(table_.size(), window.size));
        simd::SpectrumArgs args = common;
        args.scratch = scratch.data();
        Buffer<float> coefficients, sums;
        std::vector<double> shift;

        // One product a spaxel: in a common one a column would depend on where in the matrix it stands, and so on which
        // spaxels this rank has.
#pragma omp for schedule(dynamic, 4) nowait
        for (std::size_t d = 0; d < dense_.spaxels().size(); ++d) {
            const DenseRange& range = dense_.spaxels()[d].range;
            const std::size_t columns = paddedNodes(range), rowStride = columns + 16;  // not a power of two
            if (coefficients.size() < templates * rowStride) coefficients = Buffer<float>(templates * rowStride);
            if (sums.size() < columns * sumStride) sums = Buffer<float>(columns * sumStride);
            std::fill_n(coefficients.data(), templates * rowStride, 0.0F);
            dense_.add(d, coefficients.data(), rowStride);
            multiply(false, true, knots.count, columns, templates, common.flux, common.fluxStride, coefficients.data(),
                     rowStride, sums.data(), sumStride);
            shift.clear();
            for (int n = 0; n < range.nodes; ++n) shift.push_back(double(range.firstNode + n) * table_.nodeStep);
            args.out = out + dense_.spaxels()[d].spaxel * stride;
            kernels.spectrumOfNodes(args, {sums.data(), shift.size(), sumStride, shift.data()});
        }
#pragma omp for schedule(dynamic, 8)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            if (dense_.isDense(s)) continue;
            args.stars = stars_.stars.data() + stars_.start[s];
            args.count = stars_.start[s + 1] - stars_.start[s];
            args.out = out + s * stride;
            if (args.count == 0)
                std::memset(args.out, 0, window.size * sizeof(float));
            else
                kernels.spectrum(args);
        }
    }
}

}  // namespace tessera
