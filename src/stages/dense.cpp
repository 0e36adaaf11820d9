#include <algorithm>
#include <array>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {
// Spaxels of more stars than this are summed by all threads, in parts of this length whatever their number.
constexpr std::size_t part = std::size_t(1) << 17;
// Stars between the same four templates that are added to one float after the other: equal summands round the same way again
// and again.
constexpr std::uint32_t mostOfCorner = 512;
}  // namespace

void CoefficientRows::begin(const std::vector<unsigned char>& marked, std::size_t rowStride,
                            std::vector<std::uint32_t>& rowOf) {
    constexpr std::size_t longestGap = 8;  // of templates, about what a product of its own costs
    ranges.clear();
    stride = rowStride;
    std::size_t rows = 0;
    for (std::size_t t = 0; t < marked.size(); ++t) {
        if (marked[t] == 0) continue;
        if (ranges.empty() || t > ranges.back().first + ranges.back().count + longestGap) {
            ranges.push_back({t, 1});
            ++rows;
        } else {
            const std::size_t count = t + 1 - ranges.back().first;
            rows += count - std::exchange(ranges.back().count, count);
        }
        rowOf[t] = std::uint32_t(rows - 1);
    }
    value.assign(rows * stride, 0.0F);
}

CoefficientSum::CoefficientSum(const KnotTable& table)
    : table_(table), latest_(table.templates(), Tables{0, 0}), rowOf_(table.templates()) {}

std::uint32_t CoefficientSum::newTable(std::uint32_t corner) {
    const std::size_t at = sums_.size();
    sums_.resize(at + 4 * nodes_, 0.0F);
    cornerOf_.push_back(corner);
    latest_[corner] = {narrow<std::uint32_t>(at), mostOfCorner};
    return latest_[corner].at;
}

const CoefficientRows& CoefficientSum::operator()(const StarRecord* stars, const DenseRange& r) {
    for (const std::uint32_t corner : cornerOf_) latest_[corner] = {0, 0};
    cornerOf_.clear();
    sums_.clear();
    nodes_ = (std::size_t(r.nodes) + 7) / 8 * 8;

    constexpr std::size_t block = simd::coefficientBlock;
    alignas(64) std::array<float, 8 * block> weights;
    alignas(64) std::array<std::int32_t, block> corner, node;
    std::array<std::uint32_t, block> place;
    simd::StarCoefficients c{};
    c.inverseStep = 1 / table_.nodeStep;
    c.firstNode = r.firstNode;
    c.weights = weights.data();
    c.corner = corner.data();
    c.node = node.data();
    const auto& kernels = simd::kernels();
    for (std::uint64_t first = r.begin; first < r.end; first += block) {
        c.stars = stars + first;
        c.n = std::min<std::size_t>(block, r.end - first);
        kernels.starCoefficients(c);
        for (std::size_t i = 0; i < c.n; ++i) {
            const auto at = std::uint32_t(corner[i]);
            Tables& latest = latest_[at];
            const std::uint32_t begin = latest.left > 0 ? latest.at : newTable(at);
            --latest.left;
            place[i] = begin + 4 * std::uint32_t(node[i]);
        }
        kernels.addCoefficients(weights.data(), place.data(), c.n, sums_.data());
    }

    const auto zStep = std::size_t(table_.zStep()), ageStep = std::size_t(table_.ageStep());
    const std::array<std::size_t, 4> steps{0, ageStep, zStep, zStep + ageStep};
    marked_.assign(table_.templates(), 0);
    for (const std::uint32_t at : cornerOf_)
        for (const std::size_t step : steps) marked_[at + step] = 1;
    rows_.begin(marked_, paddedNodes(r), rowOf_);
    for (std::size_t k = 0; k < cornerOf_.size(); ++k) {
        std::array<float*, 4> to;
        for (std::size_t q = 0; q < to.size(); ++q)
            to[q] = rows_.value.data() + rowOf_[cornerOf_[k] + steps[q]] * rows_.stride;
        kernels.foldCorners(sums_.data() + 4 * nodes_ * k, nodes_, to.data());
    }
    return rows_;
}

DenseCoefficients::DenseCoefficients(Host exec, const BinnedStars& stars, const KnotTable& table)
    : stars_(stars), table_(table), dense_(stars.start.size() - 1, 0) {
    auto range = stars.dense.begin();
    for (std::size_t s = 0; s < dense_.size() && range != stars.dense.end(); ++s)
        if (stars.start[s] == range->begin && stars.start[s + 1] == range->end) {
            dense_[s] = 1;
            spaxels_.push_back({s, *range++});
        }
    giants_.resize(spaxels_.size());
    for (std::size_t d = 0; d < spaxels_.size(); ++d) {
        const DenseRange& r = spaxels_[d].range;
        const std::size_t parts = (r.end - r.begin + part - 1) / part;
        if (parts > 1) sumGiant(exec, d, parts);
    }
}

void DenseCoefficients::sumGiant(Host exec, std::size_t d, std::size_t parts) {
    const DenseRange& r = spaxels_[d].range;
    std::vector<CoefficientRows> partial(parts);
#pragma omp parallel num_threads(threadsOf(exec))
    {
        CoefficientSum sum(table_);
#pragma omp for schedule(dynamic, 1)
        for (std::size_t p = 0; p < parts; ++p)
            partial[p] = sum(
                stars_.stars.data(),
                {r.begin + p * part, std::min<std::uint64_t>(r.begin + (p + 1) * part, r.end), r.firstNode, r.nodes});
    }
    const std::size_t stride = paddedNodes(r);
    std::vector<double> sums(table_.templates() * stride, 0.0);
    std::vector<unsigned char> marked(table_.templates(), 0);
    std::vector<std::uint32_t> rowOf(table_.templates());
    for (const CoefficientRows& rows : partial) {
        const float* from = rows.value.data();
        for (const auto& [first, count] : rows.ranges)
            for (std::size_t t = first; t < first + count; ++t, from += stride) {
                marked[t] = 1;
                for (std::size_t n = 0; n < stride; ++n) sums[t * stride + n] += double(from[n]);
            }
    }
    giants_[d].begin(marked, stride, rowOf);
    for (std::size_t t = 0; t < marked.size(); ++t)
        if (marked[t] != 0)
            for (std::size_t n = 0; n < stride; ++n)
                giants_[d].value[rowOf[t] * stride + n] = float(sums[t * stride + n]);
}

const CoefficientRows& DenseCoefficients::rows(std::size_t d, CoefficientSum& sum) const {
    if (!giants_[d].ranges.empty()) return giants_[d];
    return sum(stars_.stars.data(), spaxels_[d].range);
}

}  // namespace tessera
