#include <algorithm>
#include <type_traits>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blas.hpp"
#include "stages/blocks.hpp"
#include "stages/pixel_templates.hpp"

namespace tessera {

namespace {
constexpr std::size_t tilePixels = 128;  // the tables of one shift stay in the cache

// Rows of dense spaxels stand in a node's product at places that depend on the spaxels alone, modulo this, whichever
// others this rank has: a BLAS may sum the columns at the edges of its blocks, whose width divides this, in another order.
constexpr std::uint32_t unit = 12, noSpaxel = 0xffffffffU;
}  // namespace

// One tile of wavelength pixels: `acc` holds it for every spaxel. Buffers of one thread.
template <class Real>
struct PixelWay::Tile {
    const double* edges;
    std::size_t pixels;
    std::size_t lanes;               // templates, rounded up to 16
    Real* acc;                       // [spaxels][tilePixels]
    float* run;                      // [tilePixels] of one run, where it is not summed in place
    float *average, *slope;          // [tilePixels][lanes]
    float *averageRows, *slopeRows;  // [lanes][tilePixels]
    float* product;                  // [most rows of a node][tilePixels]

    void make(const KnotTable& table, double shift, bool withSlope) const {
        pixelTemplates(table, shift, edges, pixels, average, withSlope ? slope : nullptr);
    }
};

PixelWay::PixelWay(Host exec, const BinnedStars& stars, const KnotTable& table)
    : stars_(stars), table_(table), dense_(exec, stars, table) {
    findRuns();
    fillNodes(exec);
}

void PixelWay::findRuns() {
    const float first = table_.shiftMin, step = float(table_.shiftStep);
    const auto binOf = [&](std::uint64_t k) { return std::size_t((stars_.stars[k].shift - first) / step); };
    const auto forEachRun = [&](auto use) {
        for (std::size_t s = 0; s + 1 < stars_.start.size(); ++s) {
            if (dense_.isDense(s)) continue;
            for (std::uint64_t i = stars_.start[s]; i < stars_.start[s + 1];) {
                const std::size_t bin = binOf(i);
                std::uint64_t end = i + 1;
                while (end < stars_.start[s + 1] && binOf(end) == bin) ++end;
                use(bin, Run{std::uint32_t(s), std::uint32_t(end - i), i});
                i = end;
            }
        }
    };
    forEachRun([&](std::size_t bin, const Run&) {
        if (binStart_.size() < bin + 2) binStart_.resize(bin + 2, 0);
        ++binStart_[bin + 1];
    });
    for (std::size_t b = 1; b < binStart_.size(); ++b) binStart_[b] += binStart_[b - 1];
    if (binStart_.empty()) return;
    runs_.resize(binStart_.back());
    std::vector<std::size_t> place(binStart_.begin(), binStart_.end() - 1);
    forEachRun([&](std::size_t bin, const Run& run) { runs_[place[bin]++] = run; });
}

void PixelWay::fillNodes(Host exec) {
    const auto& dense = dense_.spaxels();
    if (dense.empty()) return;
    firstNode_ = dense.front().range.firstNode;
    int endNode = firstNode_;
    for (const auto& d : dense) {
        firstNode_ = std::min(firstNode_, d.range.firstNode);
        endNode = std::max(endNode, d.range.firstNode + d.range.nodes);
    }
    // Spaxels are ascending, so that each unit of a node is met once.
    const std::size_t allNodes = std::size_t(endNode - firstNode_);
    std::vector<std::vector<std::uint32_t>> unitsOf(allNodes);
    const auto numberOf = [&](std::size_t spaxel) {
        return stars_.spaxel.empty() ? std::uint32_t(spaxel) : stars_.spaxel[spaxel];
    };
    for (const auto& d : dense)
        for (int n = 0; n < d.range.nodes; ++n) {
            auto& units = unitsOf[std::size_t(d.range.firstNode - firstNode_ + n)];
            const std::uint32_t u = numberOf(d.spaxel) / unit;
            if (units.empty() || units.back() != u) units.push_back(u);
        }
    nodeStart_.assign(allNodes + 1, 0);
    for (std::size_t n = 0; n < allNodes; ++n) nodeStart_[n + 1] = nodeStart_[n] + unit * unitsOf[n].size();
    rowSpaxel_.assign(nodeStart_.back(), noSpaxel);
    std::vector<std::vector<std::size_t>> rowsOf(dense.size());
    std::vector<std::size_t> met(allNodes, 0);  // units
    for (std::size_t d = 0; d < dense.size(); ++d)
        for (int n = 0; n < dense[d].range.nodes; ++n) {
            const std::size_t node = std::size_t(dense[d].range.firstNode - firstNode_ + n);
            const std::uint32_t number = numberOf(dense[d].spaxel);
            while (unitsOf[node][met[node]] != number / unit) ++met[node];
            const std::size_t row = nodeStart_[node] + unit * met[node] + number % unit;
            rowSpaxel_[row] = std::uint32_t(dense[d].spaxel);
            rowsOf[d].push_back(row);
        }
    const std::size_t templates = table_.templates();
    rows_ = Buffer<float>(nodeStart_.back() * templates);
    for (std::size_t row = 0; row < rowSpaxel_.size(); ++row)
        if (rowSpaxel_[row] == noSpaxel) std::fill_n(rows_.data() + row * templates, templates, 0.0F);
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Buffer<float> coefficients;
#pragma omp for schedule(dynamic, 4)
        for (std::size_t d = 0; d < dense.size(); ++d) {
            const std::size_t nodes = rowsOf[d].size(), stride = (nodes + 15) / 16 * 16 + 16;
            if (coefficients.size() < templates * stride) coefficients = Buffer<float>(templates * stride);
            std::fill_n(coefficients.data(), templates * stride, 0.0F);
            dense_.add(d, coefficients.data(), stride);
            for (std::size_t n = 0; n < nodes; ++n) {
                float* row = rows_.data() + rowsOf[d][n] * templates;
                for (std::size_t t = 0; t < templates; ++t) row[t] = coefficients[t * stride + n];
            }
        }
    }
}

template <class Real>
void PixelWay::addRuns(const Tile<Real>& tile, double scale) const {
    simd::RunArgs run{};
    run.scale = float(scale);
    run.nAge = table_.zStep();
    run.ageStep = table_.ageStep();
    run.average = tile.averageRows;
    run.slope = tile.slopeRows;
    run.stride = tilePixels;
    run.lanes = (tile.pixels + 15) / 16 * 16;
    const auto& kernels = simd::kernels();
    for (std::size_t b = 0; b + 1 < binStart_.size(); ++b) {
        if (binStart_[b] == binStart_[b + 1]) continue;
        run.centre = double(table_.shiftMin) + (double(b) + 0.5) * table_.shiftStep;
        tile.make(table_, run.centre, true);
        kernels.transpose(tile.average, tile.lanes, run.lanes, tile.lanes, tile.averageRows, tilePixels);
        kernels.transpose(tile.slope, tile.lanes, run.lanes, tile.lanes, tile.slopeRows, tilePixels);
        for (std::size_t r = binStart_[b]; r < binStart_[b + 1]; ++r) {
            constexpr std::size_t ahead = 4;
            if (r + ahead < runs_.size()) {
                const Real* next = tile.acc + std::size_t(runs_[r + ahead].spaxel) * tilePixels;
                for (std::size_t i = 0; i < tilePixels; i += 16) __builtin_prefetch(next + i, 1);
                __builtin_prefetch(&stars_.stars[runs_[r + ahead].first]);
            }
            run.stars = stars_.stars.data() + runs_[r].first;
            run.count = runs_[r].count;
            Real* acc = tile.acc + std::size_t(runs_[r].spaxel) * tilePixels;
            if constexpr (std::is_same_v<Real, float>) {
                run.out = acc;
                kernels.sumRun(run);
            } else {
                run.out = tile.run;
                std::fill_n(tile.run, tilePixels, 0.0F);
                kernels.sumRun(run);
                for (std::size_t j = 0; j < tile.pixels; ++j) acc[j] += double(tile.run[j]);
            }
        }
    }
}

template <class Real>
void PixelWay::addNodes(const Tile<Real>& tile, double scale) const {
    const std::size_t templates = table_.templates();
    for (std::size_t n = 0; n + 1 < nodeStart_.size(); ++n) {
        const std::size_t first = nodeStart_[n], rows = nodeStart_[n + 1] - first;
        if (rows == 0) continue;
        tile.make(table_, double(firstNode_ + int(n)) * table_.nodeStep, false);
        multiply(true, false, tile.pixels, rows, templates, tile.average, tile.lanes, rows_.data() + first * templates,
                 templates, tile.product, tilePixels);
        const float factor = float(scale);
        for (std::size_t r = 0; r < rows; ++r) {
            if (rowSpaxel_[first + r] == noSpaxel) continue;
            Real* acc = tile.acc + std::size_t(rowSpaxel_[first + r]) * tilePixels;
            const float* from = tile.product + r * tilePixels;
            for (std::size_t j = 0; j < tile.pixels; ++j) acc[j] += Real(factor * from[j]);
        }
    }
}

template <class Real>
void PixelWay::sumTo(Host exec, const WavelengthGrid& window, double scale, Real* out, std::size_t stride) const {
    const std::size_t nSpaxels = stars_.start.size() - 1, tiles = (window.size + tilePixels - 1) / tilePixels;
    const std::size_t lanes = table_.lanes;
    std::vector<double> edges(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edges[j] = window.edge(double(j));
    std::size_t mostRows = 0;
    for (std::size_t n = 0; n + 1 < nodeStart_.size(); ++n)
        mostRows = std::max(mostRows, nodeStart_[n + 1] - nodeStart_[n]);

#pragma omp parallel num_threads(threadsOf(exec))
    {
        oneBlasThread();
        const std::size_t table = lanes * tilePixels;
        Buffer<Real> acc(nSpaxels * tilePixels);
        Buffer<float> tables(4 * table, 0.0F), product(mostRows * tilePixels), run(tilePixels);
        Tile<Real> tile{};
        tile.run = run.data();
        tile.lanes = lanes;
        tile.acc = acc.data();
        tile.average = tables.data();
        tile.slope = tile.average + table;
        tile.averageRows = tile.slope + table;
        tile.slopeRows = tile.averageRows + table;
        tile.product = product.data();
#pragma omp for schedule(dynamic, 1)
        for (std::size_t t = 0; t < tiles; ++t) {
            const std::size_t first = t * tilePixels;
            tile.edges = edges.data() + first;
            tile.pixels = std::min(tilePixels, window.size - first);
            std::fill(acc.begin(), acc.end(), Real(0));
            addRuns(tile, scale);
            addNodes(tile, scale);
            for (std::size_t s = 0; s < nSpaxels; ++s)
                std::copy_n(acc.data() + s * tilePixels, tile.pixels, out + s * stride + first);
        }
    }
}

template void PixelWay::sumTo(Host, const WavelengthGrid&, double, float*, std::size_t) const;
template void PixelWay::sumTo(Host, const WavelengthGrid&, double, double*, std::size_t) const;

}  // namespace tessera
