#include "stages/pixel_gather.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"
#include "stages/pixel_templates.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {
constexpr std::size_t tilePixels = 256;      // what is done once a star and tile is then little beside its pixels
constexpr std::size_t consecutiveBins = 16;  // done by one thread: they share tables at their edges
constexpr std::size_t blockLanes = 16;

// [ns] of one core, measured: one table (averages and slopes under one shift), for each of its pixels and of the knots, of
// which each block of templates adds as much; a star at one pixel; a run and a star at one knot.
constexpr double tablePixel = 12, blockPixel = 2.8, tableKnot = 4, blockKnot = 1.4;
constexpr double starPixel = 0.2, runKnot = 2.0, starKnot = 0.7;
}  // namespace

PixelGather::PixelGather(const BinnedStars& stars, const KnotTable& table) : stars_(stars), table_(table) {
    expects(stars.stars.size() < 0xffffffffU, "fewer than 2^32 records");
    findItems();
    findBlocks();
}

// Counted and placed twice: by bin, and within a bin by corner.
void PixelGather::findItems() {
    const float first = table_.shiftMin, step = float(table_.shiftStep);
    const auto binOf = [&](std::uint64_t k) { return std::uint32_t((stars_.stars[k].shift - first) / step); };
    std::vector<std::size_t> place;
    for (std::size_t s = 0; s + 1 < stars_.start.size(); ++s) {
        std::uint32_t before = 0xffffffffU;
        for (std::uint64_t k = stars_.start[s]; k < stars_.start[s + 1]; ++k) {
            const std::uint32_t bin = binOf(k);
            if (bin >= place.size()) place.resize(std::max<std::size_t>(bin + 1, 2 * place.size()), 0);
            ++place[bin];
            runs_ += bin != before;
            before = bin;
        }
    }
    std::size_t sum = 0, most = 0;
    for (std::size_t b = 0; b < place.size(); ++b) {
        const std::size_t count = std::exchange(place[b], sum);
        if (count == 0) continue;
        bins_.push_back(std::uint32_t(b));
        binStart_.push_back(sum);
        sum += count;
        most = std::max(most, count);
    }
    binStart_.push_back(sum);
    items_ = Buffer<simd::GatherItem>(sum);
    for (std::size_t s = 0; s + 1 < stars_.start.size(); ++s)
        for (std::uint64_t k = stars_.start[s]; k < stars_.start[s + 1]; ++k) {
            const StarRecord& r = stars_.stars[k];
            items_[place[binOf(k)]++] = {std::uint32_t(k), std::uint32_t(s), std::int32_t(r.corner), r.mass, r.shift,
                                         r.ageFraction,    r.zFraction};
        }
    std::vector<simd::GatherItem> old(most);
    std::vector<std::size_t> start;
    for (std::size_t b = 0; b < bins_.size(); ++b) {
        simd::GatherItem* items = items_.data() + binStart_[b];
        const std::size_t count = binStart_[b + 1] - binStart_[b];
        start.assign(table_.templates() + 1, 0);
        for (std::size_t i = 0; i < count; ++i) ++start[std::size_t(items[i].corner) + 1];
        for (std::size_t t = 1; t < start.size(); ++t) start[t] += start[t - 1];
        std::copy_n(items, count, old.begin());
        for (std::size_t i = 0; i < count; ++i) items[start[std::size_t(old[i].corner)]++] = old[i];
    }
}

void PixelGather::findBlocks() {
    const std::size_t zStep = std::size_t(table_.zStep()), ageStep = std::size_t(table_.ageStep());
    std::vector<std::uint8_t> has(table_.lanes / blockLanes);
    blockStart_.push_back(0);
    for (std::size_t b = 0; b < bins_.size(); ++b) {
        std::fill(has.begin(), has.end(), 0);
        for (std::size_t i = binStart_[b]; i < binStart_[b + 1]; ++i) {
            const std::size_t corner = std::size_t(items_[i].corner);
            for (const std::size_t t : {corner, corner + ageStep, corner + zStep, corner + zStep + ageStep})
                has[t / blockLanes] = 1;
        }
        for (std::size_t k = 0; k < has.size(); ++k)
            if (has[k]) blocks_.push_back(std::uint16_t(k));
        blockStart_.push_back(blocks_.size());
    }
}

bool PixelGather::pays(std::size_t pixels, const Gather& gather) const {
    // Of everyone: how many blocks follow, stars, runs; each block of a bin as a number.
    const double blocks = double(table_.lanes / blockLanes);
    Gather::Values mine{double(blocks_.size()), double(items_.size()), double(runs_)};
    for (std::size_t b = 0; b < bins_.size(); ++b)
        for (std::size_t k = blockStart_[b]; k < blockStart_[b + 1]; ++k)
            mine.push_back(double(bins_[b]) * blocks + double(blocks_[k]));
    const Gather::Values all = gather(std::move(mine));
    double stars = 0, runs = 0;
    std::set<double> distinct;
    for (auto at = all.begin(); at != all.end();) {
        const auto end = at + 3 + std::ptrdiff_t(at[0]);
        stars += at[1];
        runs += at[2];
        distinct.insert(at + 3, end);
        at = end;
    }
    // Each bin takes a table for its upper edge, and one for the lower where that is no other bin's upper one.
    double tables = 0, tableBlocks = 0, before = -2;
    for (auto at = distinct.begin(); at != distinct.end();) {
        const double bin = std::floor(*at / blocks);
        const auto end = distinct.lower_bound((bin + 1) * blocks);
        const double made = before == bin - 1 ? 1 : 2;
        tables += made;
        tableBlocks += made * double(std::distance(at, end));
        before = bin;
        at = end;
    }
    const double knots = double(table_.size()), p = double(pixels);
    const double atPixels = tables * (p * tablePixel + knots * tableKnot) +
                            tableBlocks * (p * blockPixel + knots * blockKnot) + stars * p * starPixel;
    return atPixels < knots * (runs * runKnot + stars * starKnot);
}

// Averages at the lower edge of a bin on one tile of pixels, template by template, and slopes at both edges.
class PixelGather::Tables {
public:
    explicit Tables(const KnotTable& table)
        : table_(table),
          size_(table.lanes * tilePixels),
          memory_(4 * size_, 0.0F),
          scratch_(2 * blockLanes * table.lanes, 0.0F) {
        for (int e = 0; e < 2; ++e) {
            edge_[e].average = memory_.data() + std::size_t(2 * e) * size_;
            edge_[e].slope = edge_[e].average + size_;
        }
    }
    void begin() { upper_ = none; }

    // blocks: of the bin; next: of the one behind it, which is made next, or none.
    void make(std::uint32_t bin, std::span<const std::uint16_t> blocks, std::span<const std::uint16_t> next,
              const double* edges, std::size_t pixels) {
        if (upper_ == bin)
            std::swap(edge_[0], edge_[1]);
        else
            fill(edge_[0], bin, blocks, edges, pixels);
        both_.clear();
        std::set_union(blocks.begin(), blocks.end(), next.begin(), next.end(), std::back_inserter(both_));
        fill(edge_[1], bin + 1, both_, edges, pixels);
        upper_ = bin + 1;
    }
    const float* average() const { return edge_[0].average; }
    const float* slope() const { return edge_[0].slope; }
    const float* upperSlope() const { return edge_[1].slope; }
    double edge(std::uint32_t bin) const {
        return double(table_.shiftMin) + double(bin) * double(float(table_.shiftStep));
    }

private:
    static constexpr std::uint32_t none = 0xffffffffU;
    struct Edge {
        float *average, *slope;  // [lanes][tilePixels]
    };

    void fill(Edge& e, std::uint32_t bin, std::span<const std::uint16_t> blocks, const double* edges,
              std::size_t pixels) {
        float *average = scratch_.data(), *slope = average + blockLanes * table_.lanes;
        for (std::size_t j = 0; j < pixels; j += blockLanes) {
            pixelTemplates(table_, edge(bin), edges + j, std::min(blockLanes, pixels - j), average, slope, blocks);
            for (const std::uint16_t b : blocks) {
                const std::size_t lane = b * blockLanes, to = lane * tilePixels + j;
                simd::kernels().transpose(average + lane, table_.lanes, blockLanes, blockLanes, e.average + to,
                                          tilePixels);
                simd::kernels().transpose(slope + lane, table_.lanes, blockLanes, blockLanes, e.slope + to, tilePixels);
            }
        }
    }

    const KnotTable& table_;
    std::size_t size_;
    Buffer<float> memory_, scratch_;  // [16][lanes] averages, slopes
    Edge edge_[2]{};
    std::vector<std::uint16_t> both_;
    std::uint32_t upper_ = none;  // edge number of edge_[1]
};

void PixelGather::operator()(Host exec, const WavelengthGrid& window, double scale, const float* spectraBar,
                             std::size_t stride, StarRecordBar* bar) const {
    const std::vector<double> edges = edgesOf(window);
    const std::size_t nSpaxels = stars_.start.size() - 1,
                      chunks = (bins_.size() + consecutiveBins - 1) / consecutiveBins;
    const auto blocksOf = [&](std::size_t b) {
        return std::span(blocks_).subspan(blockStart_[b], blockStart_[b + 1] - blockStart_[b]);
    };
    Buffer<float> tile(nSpaxels * tilePixels);
    Buffer<StarRecordBar> sums(items_.size(), StarRecordBar{});  // by item
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Tables tables(table_);
        for (std::size_t first = 0; first < window.size; first += tilePixels) {
            const std::size_t pixels = std::min(tilePixels, window.size - first), lanes = (pixels + 15) / 16 * 16;
#pragma omp for schedule(static)
            for (std::size_t s = 0; s < nSpaxels; ++s) {
                float* to = tile.data() + s * tilePixels;
                for (std::size_t j = 0; j < pixels; ++j)
                    to[j] = float(scale * double(spectraBar[s * stride + first + j]));
                std::fill(to + pixels, to + tilePixels, 0.0F);
            }
            // A star is in one bin: no two threads add to it.
#pragma omp for schedule(dynamic, 1)
            for (std::size_t c = 0; c < chunks; ++c) {
                tables.begin();
                const std::size_t end = std::min((c + 1) * consecutiveBins, bins_.size());
                for (std::size_t b = c * consecutiveBins; b < end; ++b) {
                    const std::uint32_t bin = bins_[b];
                    const bool follows = b + 1 < end && bins_[b + 1] == bin + 1;
                    tables.make(bin, blocksOf(b), follows ? blocksOf(b + 1) : std::span<const std::uint16_t>{},
                                edges.data() + first, pixels);
                    simd::PixelGatherArgs args{};
                    args.items = items_.data() + binStart_[b];
                    args.bar = sums.data() + binStart_[b];
                    args.count = binStart_[b + 1] - binStart_[b];
                    args.ahead = items_.size() - binStart_[b + 1];
                    args.lowerEdge = tables.edge(bin);
                    args.inverseStep = 1 / double(float(table_.shiftStep));
                    args.nAge = table_.zStep();
                    args.ageStep = table_.ageStep();
                    args.average = tables.average();
                    args.slope = tables.slope();
                    args.upperSlope = tables.upperSlope();
                    args.stride = tilePixels;
                    args.lanes = lanes;
                    args.cotangents = tile.data();
                    args.cotangentStride = tilePixels;
                    simd::kernels().gatherAtPixels(args);
                }
            }
        }
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < items_.size(); ++i) {
            StarRecordBar& to = bar[items_[i].star];
            to.mass += sums[i].mass;
            to.ageFraction += sums[i].ageFraction;
            to.zFraction += sums[i].zFraction;
            to.shift += sums[i].shift;
        }
    }
}

}  // namespace tessera
