#include "stages/pixel_gather.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"
#include "stages/pixel_templates.hpp"

namespace tessera {

namespace {
constexpr std::size_t tilePixels = 128;     // the tables of one bin stay in the cache
constexpr double fewestStars = 16;          // of a bin, on average, that are worth its tables
constexpr std::size_t consecutiveBins = 8;  // done by one thread: they share tables at their edges
}  // namespace

PixelGather::PixelGather(const BinnedStars& stars, const KnotTable& table) : stars_(stars), table_(table) {
    const float first = table.shiftMin, step = float(table.shiftStep);
    const auto binOf = [&](std::uint64_t k) { return std::uint32_t((stars.stars[k].shift - first) / step); };
    for (std::size_t s = 0; s + 1 < stars.start.size(); ++s)
        for (std::uint64_t i = stars.start[s]; i < stars.start[s + 1];) {
            const std::uint32_t bin = binOf(i);
            std::uint64_t end = i + 1;
            while (end < stars.start[s + 1] && binOf(end) == bin) ++end;
            runs_.push_back({bin, std::uint32_t(s), std::uint32_t(end - i), i});
            i = end;
        }
    std::stable_sort(runs_.begin(), runs_.end(), [](const Run& a, const Run& b) { return a.bin < b.bin; });
    for (std::size_t r = 0; r < runs_.size(); ++r)
        if (r == 0 || runs_[r].bin != runs_[r - 1].bin) binStart_.push_back(r);
    binStart_.push_back(runs_.size());
}

bool PixelGather::pays(const Gather& gather) const {
    // Everyone's number of stars (as a negative number, which no bin is) and occupied bins.
    Gather::Values mine{-1 - double(stars_.stars.size())};
    for (std::size_t b = 0; b + 1 < binStart_.size(); ++b) mine.push_back(double(runs_[binStart_[b]].bin));
    double stars = 0;
    std::set<double> bins;
    for (const double v : gather(std::move(mine))) {
        if (v < 0)
            stars -= v + 1;
        else
            bins.insert(v);
    }
    return stars >= fewestStars * double(bins.size());
}

// All templates on one tile of pixels, template by template: averages at the lower edge of a bin, slopes at both.
class PixelGather::Tables {
public:
    explicit Tables(const KnotTable& table) : table_(table), size_(table.lanes * tilePixels), memory_(7 * size_, 0.0F) {
        for (int e = 0; e < 2; ++e) {
            edge_[e].average = memory_.data() + std::size_t(2 * e) * size_;
            edge_[e].slope = edge_[e].average + size_;
        }
        average_ = memory_.data() + 4 * size_;
        slope_ = average_ + size_;
        upperSlope_ = slope_ + size_;
    }
    void begin() { upper_ = none; }

    void make(std::uint32_t bin, const double* edges, std::size_t pixels) {
        const double step = double(float(table_.shiftStep));
        const auto at = [&](Edge& e, std::uint32_t k) {
            pixelTemplates(table_, double(table_.shiftMin) + double(k) * step, edges, pixels, e.average, e.slope);
        };
        const std::size_t rows = (pixels + 15) / 16 * 16, lanes = table_.lanes;
        const auto transpose = [&](const float* from, float* to) {
            simd::kernels().transpose(from, lanes, rows, lanes, to, tilePixels);
        };
        if (upper_ == bin) {
            std::swap(edge_[0], edge_[1]);
            std::swap(slope_, upperSlope_);
        } else {
            at(edge_[0], bin);
            transpose(edge_[0].slope, slope_);
        }
        at(edge_[1], bin + 1);
        upper_ = bin + 1;
        transpose(edge_[0].average, average_);
        transpose(edge_[1].slope, upperSlope_);
    }
    const float* average() const { return average_; }
    const float* slope() const { return slope_; }
    const float* upperSlope() const { return upperSlope_; }
    double lowerEdge(std::uint32_t bin) const {
        return double(table_.shiftMin) + double(bin) * double(float(table_.shiftStep));
    }

private:
    static constexpr std::uint32_t none = 0xffffffffU;
    struct Edge {
        float *average, *slope;  // [tilePixels][lanes]
    };
    const KnotTable& table_;
    std::size_t size_;
    Buffer<float> memory_;
    Edge edge_[2]{};
    float *average_, *slope_, *upperSlope_;  // [lanes][tilePixels]
    std::uint32_t upper_ = none;             // edge number of edge_[1]
};

void PixelGather::operator()(Host exec, const WavelengthGrid& window, double scale, const float* spectraBar,
                             std::size_t stride, StarRecordBar* bar) const {
    const std::vector<double> edges = edgesOf(window);
    const std::size_t nSpaxels = stars_.start.size() - 1, bins = binStart_.size() - 1,
                      chunks = (bins + consecutiveBins - 1) / consecutiveBins;
    Buffer<float> tile(nSpaxels * tilePixels);
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
                for (std::size_t b = c * consecutiveBins; b < std::min((c + 1) * consecutiveBins, bins); ++b) {
                    const std::uint32_t bin = runs_[binStart_[b]].bin;
                    tables.make(bin, edges.data() + first, pixels);
                    simd::PixelGatherArgs args{};
                    args.lowerEdge = tables.lowerEdge(bin);
                    args.inverseStep = 1 / double(float(table_.shiftStep));
                    args.nAge = table_.zStep();
                    args.ageStep = table_.ageStep();
                    args.average = tables.average();
                    args.slope = tables.slope();
                    args.upperSlope = tables.upperSlope();
                    args.stride = tilePixels;
                    args.lanes = lanes;
                    for (std::size_t r = binStart_[b]; r < binStart_[b + 1]; ++r) {
                        constexpr std::size_t ahead = 4;
                        if (r + ahead < runs_.size()) {
                            const float* next = tile.data() + std::size_t(runs_[r + ahead].spaxel) * tilePixels;
                            for (std::size_t i = 0; i < tilePixels; i += 16) __builtin_prefetch(next + i);
                            __builtin_prefetch(&stars_.stars[runs_[r + ahead].first]);
                            __builtin_prefetch(bar + runs_[r + ahead].first, 1);
                        }
                        args.stars = stars_.stars.data() + runs_[r].first;
                        args.count = runs_[r].count;
                        args.cotangent = tile.data() + std::size_t(runs_[r].spaxel) * tilePixels;
                        args.bar = bar + runs_[r].first;
                        simd::kernels().gatherAtPixels(args);
                    }
                }
            }
        }
    }
}

}  // namespace tessera
