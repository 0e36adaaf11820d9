// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_coefficients.hpp"

#include <algorithm>
#include <cmath>

#include "device_spectra.hpp"
#include "kernels/coefficients.hpp"
#include "tessera/gpu/gemm.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

// A dense spaxel, and its stars.
struct Dense {
    std::uint32_t spaxel;
    StarSpan stars;
    DenseNodes nodes;
};

// As nodesOf() of stages/bin.cpp.
std::vector<Dense> denseSpaxels(const Stream& s, const OrderedStars& o, const KnotTable& table, double starsPerNode) {
    constexpr double fewestNodes = 4;
    std::vector<std::uint32_t> spaxel;
    std::vector<StarSpan> span;
    for (std::size_t p = 0; p + 1 < o.spaxelRun.size(); ++p) {
        const StarSpan stars{o.firstOfRun[o.spaxelRun[p]], o.firstOfRun[o.spaxelRun[p + 1]]};
        if (stars.end == stars.first || double(stars.end - stars.first) < fewestNodes * starsPerNode) continue;
        spaxel.push_back(std::uint32_t(p));
        span.push_back(stars);
    }
    if (span.empty()) return {};
    const auto dSpan = upload(s, span);
    DeviceBuffer<SpanSums> dSums(span.size(), s);
    sumSpans(s, {o.star.view(), dSpan.view(), dSums.view()});
    std::vector<SpanSums> sums(span.size());
    dSums.download(sums.data());
    s.synchronize();
    std::vector<Dense> dense;
    const double inverse = 1 / table.nodeStep;
    std::uint32_t row = 0;
    for (std::size_t k = 0; k < span.size(); ++k) {
        const int first = int(std::floor(double(sums[k].shiftMin) * inverse)) - 1,
                  last = int(std::floor(double(sums[k].shiftMax) * inverse)) + 2;
        const auto nodes = std::uint32_t(last - first + 1);
        if (double(span[k].end - span[k].first) < nodes * starsPerNode) continue;
        dense.push_back({spaxel[k], span[k], {first, nodes, row, coefficientUnit(sums[k].mass)}});
        row += nodes;
    }
    return dense;
}

// The coefficients of some dense spaxels, times the templates.
void sumBatch(const Stream& s, const OrderedStars& o, const KnotTable& table, const DeviceKnots& knots,
              const Gemm& product, std::span<const Dense> batch, DeviceBuffer<float>& out) {
    constexpr std::uint32_t starsOfPart = 4096;
    const std::size_t templates = table.templates();
    const std::uint32_t firstRow = batch.front().nodes.row;
    std::vector<DenseNodes> nodes;
    std::vector<DensePart> parts;
    std::vector<double> unit;
    for (const Dense& d : batch) {
        for (std::uint32_t i = d.stars.first; i < d.stars.end; i += std::min(starsOfPart, d.stars.end - i))
            parts.push_back({{i, i + std::min(starsOfPart, d.stars.end - i)}, std::uint32_t(nodes.size())});
        nodes.push_back(d.nodes);
        nodes.back().row -= firstRow;
        unit.insert(unit.end(), d.nodes.nodes, d.nodes.unit);
    }
    const auto dNodes = upload(s, nodes);
    const auto dParts = upload(s, parts);
    const auto dUnit = upload(s, unit);
    DeviceBuffer<unsigned long long> sum(unit.size() * templates, s);
    sum.zero();
    scatterCoefficients(s, {o.star.view(), dParts.view(), dNodes.view(), 1 / table.nodeStep, templates, table.zStep(),
                            table.ageStep(), sum.view()});
    DeviceBuffer<float> weight(sum.size(), s);
    coefficients(s, {sum.view(), dUnit.view(), templates, weight.view()});
    product({weight.view(), unit.size(), templates, templates},
            {knots.flux.view(), templates, table.stride, table.stride},
            {out.view().part(firstRow * table.stride, unit.size() * table.stride), unit.size(), table.stride,
             table.stride});
    s.synchronize();  // what was uploaded goes
}

}  // namespace

double deviceStarsPerNode(const KnotTable& table) {
    return std::max(8.0, double(table.templates()) / (128 / 4 * 35.0 / 32));
}

DeviceNodes sumNodes(const Stream& s, const OrderedStars& o, const KnotTable& table, const DeviceKnots& knots,
                     double starsPerNode, std::size_t room) {
    DeviceNodes out;
    if (!(table.nodeStep > 0)) return out;
    std::vector<Dense> dense = denseSpaxels(s, o, table, starsPerNode);
    // What does not fit is summed star by star.
    const std::size_t budget = room / 2;
    const auto tooFar = [&](const Dense& d) {
        return (std::size_t(d.nodes.row) + d.nodes.nodes) * table.stride * sizeof(float) > budget;
    };
    dense.erase(std::find_if(dense.begin(), dense.end(), tooFar), dense.end());
    if (dense.empty()) return out;
    const std::uint32_t rows = dense.back().nodes.row + dense.back().nodes.nodes;
    out.sum = DeviceBuffer<float>(std::size_t(rows) * table.stride, s);
    const Gemm product(s);
    const std::size_t mostRows = budget / (table.templates() * (sizeof(unsigned long long) + sizeof(float)));
    for (std::size_t k = 0; k < dense.size();) {
        std::size_t end = k + 1;
        while (end < dense.size() && dense[end].nodes.row + dense[end].nodes.nodes - dense[k].nodes.row <= mostRows)
            ++end;
        sumBatch(s, o, table, knots, product, std::span<const Dense>(dense).subspan(k, end - k), out.sum);
        k = end;
    }
    std::vector<StarRun> runs(o.run.size());
    o.run.download(runs.data());
    s.synchronize();
    for (const Dense& d : dense) {
        out.dense.push_back({d.spaxel, std::uint32_t(runs.size()), d.nodes.nodes});
        for (std::uint32_t n = 0; n < d.nodes.nodes; ++n) {
            const double shift = double(d.nodes.firstNode + int(n)) * table.nodeStep;
            runs.push_back({d.nodes.row + n, 0, shift, 0, std::exp(shift)});
        }
    }
    out.run = upload(s, runs);
    s.synchronize();
    return out;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
