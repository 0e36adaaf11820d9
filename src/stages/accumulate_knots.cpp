#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blas.hpp"
#include "stages/blocks.hpp"
#include "stages/nodes.hpp"

namespace tessera {

namespace {

// Nodes of dense spaxels that are expanded by one product: enough for it to run at full speed, few enough for their
// coefficients to stay in the cache.
constexpr std::size_t batchNodes = 128;

}  // namespace

KnotRange knotsOf(const KnotTable& table, const WavelengthGrid& window) {
    const auto& x = table.position;
    const double margin = nodesBeyond * table.nodeStep,
                 left = window.edge(0) * std::exp(-double(table.shiftMax) - margin),
                 right = window.edge(double(window.size)) * std::exp(margin - double(table.shiftMin));
    std::size_t first = std::size_t(std::upper_bound(x.begin(), x.end(), left) - x.begin());
    first = first > 0 ? first - 1 : 0;
    const std::size_t last =
        std::min(std::size_t(std::lower_bound(x.begin(), x.end(), right) - x.begin()), x.size() - 1);
    return {first, last - first + 1};
}

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

std::vector<double> edgesOf(const WavelengthGrid& window) {
    std::vector<double> edges(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edges[j] = window.edge(double(j));
    return edges;
}

KnotWay::KnotWay(Host exec, const BinnedStars& stars, const KnotTable& table)
    : stars_(stars), table_(table), dense_(exec, stars, table) {
    std::size_t nodes = batchNodes;
    for (std::size_t d = 0; d < dense_.spaxels().size(); ++d) {
        const std::size_t more = paddedNodes(dense_.spaxels()[d].range);
        if (nodes + more > batchNodes) {
            batches_.push_back(d);
            nodes = 0;
        }
        nodes += more;
    }
    batches_.push_back(dense_.spaxels().size());
}

void KnotWay::sum(Host exec, const WavelengthGrid& window, double scale, float* out, std::size_t stride) const {
    const std::size_t nSpaxels = stars_.start.size() - 1;
    const std::vector<double> edges = edgesOf(window);
    const KnotRange knots = knotsOf(table_, window);
    const simd::SpectrumArgs common = spectrumArgs(table_, knots, window, edges, scale);
    const auto& kernels = simd::kernels();
    const std::size_t batches = batches_.size() - 1;
    const std::size_t templates = table_.templates(), sumStride = (knots.count + 15) / 16 * 16;

#pragma omp parallel num_threads(threadsOf(exec))
    {
        oneBlasThread();
        Buffer<double> scratch(simd::scratchDoubles(table_.size(), window.size));
        simd::SpectrumArgs args = common;
        args.scratch = scratch.data();
        Buffer<float> coefficients, sums;
        std::vector<double> shift;

#pragma omp for schedule(dynamic, 1) nowait
        for (std::size_t b = 0; b < batches; ++b) {
            const auto *first = dense_.spaxels().data() + batches_[b], *end = dense_.spaxels().data() + batches_[b + 1];
            // A spaxel's columns begin at a multiple of 16, as scatter() wants them.
            std::size_t columns = 0;
            for (const auto* d = first; d != end; ++d) columns += paddedNodes(d->range);
            const std::size_t rowStride = columns + 16;  // not a power of two
            if (coefficients.size() < templates * rowStride) coefficients = Buffer<float>(templates * rowStride);
            if (sums.size() < columns * sumStride) sums = Buffer<float>(columns * sumStride);
            std::fill_n(coefficients.data(), templates * rowStride, 0.0F);
            std::size_t column = 0;
            for (const auto* d = first; d != end; ++d) {
                dense_.add(std::size_t(d - dense_.spaxels().data()), coefficients.data() + column, rowStride);
                column += paddedNodes(d->range);
            }
            multiply(false, true, knots.count, columns, templates, common.flux, common.fluxStride, coefficients.data(),
                     rowStride, sums.data(), sumStride);
            column = 0;
            for (const auto* d = first; d != end; ++d) {
                shift.clear();
                for (int n = 0; n < d->range.nodes; ++n)
                    shift.push_back(double(d->range.firstNode + n) * table_.nodeStep);
                args.out = out + d->spaxel * stride;
                kernels.spectrumOfNodes(args,
                                        {sums.data() + column * sumStride, shift.size(), sumStride, shift.data()});
                column += paddedNodes(d->range);
            }
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
