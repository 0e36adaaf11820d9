#include <algorithm>
#include <cmath>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blas.hpp"
#include "stages/blocks.hpp"
#include "stages/nodes.hpp"

namespace tessera {

simd::SpectrumArgs spectrumArgs(const KnotTable& table, const KnotRange& knots, const WavelengthGrid& window,
                                const std::vector<double>& edges, double scale) {
    simd::SpectrumArgs a{};
    a.shiftStep = float(table.shiftStep);
    a.shiftMin = table.shiftMin;
    a.flux = table.flux.data() + knots.first;
    a.fluxStride = table.stride;
    a.nAge = table.zStep();
    a.ageStep = table.ageStep();
    a.position = table.position.data() + knots.first;
    a.inverseStep = table.inverseStep.data() + knots.first;
    a.knots = knots.count;
    a.lnPosition = window.log ? table.lnPosition.data() + knots.first : nullptr;
    a.edges = edges.data();
    a.pixels = window.size;
    a.inverseWidth = 1 / (window.log ? window.step * std::log(10.0) : window.step);
    a.scale = scale;
    return a;
}

namespace {

void to(simd::SpectrumArgs& a, float* out) {
    a.out = out;
}
void to(simd::SpectrumArgs& a, double* out) {
    a.precise = out;
}

}  // namespace

std::vector<double> edgesOf(const WavelengthGrid& window) {
    std::vector<double> edges(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edges[j] = window.edge(double(j));
    return edges;
}

KnotWay::KnotWay(Host exec, const BinnedStars& stars, const KnotTable& table)
    : stars_(stars), table_(table), dense_(exec, stars, table) {}

template <class Real>
void KnotWay::sumTo(Host exec, const WavelengthGrid& window, double scale, Real* out, std::size_t stride) const {
    const std::size_t nSpaxels = stars_.start.size() - 1;
    const std::vector<double> edges = edgesOf(window);
    const KnotRange knots = knotRange(table_, window);
    const simd::SpectrumArgs common = spectrumArgs(table_, knots, window, edges, scale);
    const auto& kernels = simd::kernels();
    const std::size_t sumStride = (knots.count + 15) / 16 * 16;

#pragma omp parallel num_threads(threadsOf(exec))
    {
        oneBlasThread();
        Buffer<double> scratch(simd::scratchDoubles(table_.size(), window.size));
        simd::SpectrumArgs args = common;
        args.scratch = scratch.data();
        CoefficientSum coefficientSum(table_);
        Buffer<float> sums;
        std::vector<double> shift;

        // Products of its own for every spaxel: in a common one a column would depend on where in the matrix it stands, and
        // so on which spaxels this rank has. One for each range of templates that its stars have.
#pragma omp for schedule(dynamic, 4) nowait
        for (std::size_t d = 0; d < dense_.spaxels().size(); ++d) {
            const DenseRange& range = dense_.spaxels()[d].range;
            const CoefficientRows& rows = dense_.rows(d, coefficientSum);
            const std::size_t nodes = std::size_t(range.nodes);
            if (sums.size() < nodes * sumStride) sums = Buffer<float>(nodes * sumStride);
            const float* row = rows.value.data();
            for (const auto& [first, count] : rows.ranges) {
                multiply(false, true, knots.count, nodes, count, common.flux + first * common.fluxStride,
                         common.fluxStride, row, rows.stride, sums.data(), sumStride, row != rows.value.data());
                row += count * rows.stride;
            }
            shift.clear();
            for (int n = 0; n < range.nodes; ++n) shift.push_back(double(range.firstNode + n) * table_.nodeStep);
            to(args, out + dense_.spaxels()[d].spaxel * stride);
            kernels.spectrumOfNodes(args, {sums.data(), shift.size(), sumStride, shift.data()});
        }
#pragma omp for schedule(dynamic, 8)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            if (dense_.isDense(s)) continue;
            args.stars = stars_.stars.data() + stars_.start[s];
            args.count = stars_.start[s + 1] - stars_.start[s];
            to(args, out + s * stride);
            if (args.count == 0)
                std::fill_n(out + s * stride, window.size, Real(0));
            else
                kernels.spectrum(args);
        }
    }
}

template void KnotWay::sumTo(Host, const WavelengthGrid&, double, float*, std::size_t) const;
template void KnotWay::sumTo(Host, const WavelengthGrid&, double, double*, std::size_t) const;

}  // namespace tessera
