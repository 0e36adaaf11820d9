#include <algorithm>
#include <array>
#include <type_traits>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"
#include "stages/pixel_templates.hpp"

namespace tessera {

// Some hundred pixels of all spaxels, whose sums stay in the cache while one shift after the other is added. Of one thread.
template <class Real>
class PixelWay::Span {
public:
    Span(const KnotTable& table, std::size_t spaxels)
        : table_(table),
          spaxels_(spaxels),
          acc_(spaxels * wide),
          rows_(std::max(2 * table.lanes * wide, hugeBufferBytes / sizeof(float))) {}
    static constexpr std::size_t wide = 256;  // pixels at most
    // First pixels of the spans of a window, and its end. Wide ones first, where a sum is read once for many pixels; narrower
    // ones at the end, where threads wait for the last one.
    static std::vector<std::size_t> cut(std::size_t window, std::size_t threads) {
        constexpr std::size_t tile = simd::rowTile, fewest = 2, most = wide / tile;
        std::vector<std::size_t> cuts{0};
        while (cuts.back() < window) {
            const std::size_t left = (window - cuts.back() + tile - 1) / tile,
                              tiles = std::clamp((left + 2 * threads - 1) / (2 * threads), fewest, most);
            cuts.push_back(std::min(cuts.back() + tiles * tile, window));
        }
        return cuts;
    }

    // Of the pixels between edges[0] and edges[count].
    void begin(const double* edges, std::size_t count, double scale) {
        edges_ = edges;
        count_ = count;
        stride_ = (count + simd::rowTile - 1) / simd::rowTile * simd::rowTile;
        scale_ = float(scale);
        std::fill_n(acc_.begin(), spaxels_ * stride_, Real(0));
    }
    // Sums of the averages under a shift, and, `lanes` rows behind them, of their slopes.
    void add(const simd::RowSum* sums, std::size_t count, double shift, bool withSlopes) {
        makeTables(shift, withSlopes);
        simd::RowSumsArgs a{};
        a.scale = scale_;
        a.stride = stride_;
        for (std::size_t i = 0; i < count; i += group) {
            a.sums = sums + i;
            a.count = std::min(group, count - i);
            if constexpr (std::is_same_v<Real, float>) {
                a.following = std::min(group, count - i - a.count);
                addTo(acc_.data(), a);
            } else {
                std::array<simd::RowSum, group> inRoom;
                for (std::size_t k = 0; k < a.count; ++k) {
                    inRoom[k] = a.sums[k];
                    inRoom[k].spaxel = std::uint32_t(k);
                }
                a.sums = inRoom.data();
                std::fill(room_.begin(), room_.end(), 0.0F);
                addTo(room_.data(), a);
                for (std::size_t k = 0; k < a.count; ++k)
                    for (std::size_t j = 0; j < count_; ++j)
                        acc_[sums[i + k].spaxel * stride_ + j] += double(room_[k * stride_ + j]);
            }
        }
    }
    void put(Real* out, std::size_t stride) const {
        for (std::size_t s = 0; s < spaxels_; ++s) std::copy_n(acc_.data() + s * stride_, count_, out + s * stride);
    }

private:
    static constexpr std::size_t group = 32;  // sums, whose spaxels and weights stay in the cache from tile to tile

    void addTo(float* out, simd::RowSumsArgs a) const {
        constexpr std::size_t tile = simd::rowTile;
        for (std::size_t j = 0; j < count_; j += tile) {
            a.table = rows_.data() + 2 * table_.lanes * j;
            a.out = out + j;
            a.part = j / tile;
            simd::kernels().sumRows(a);
        }
    }
    void makeTables(double shift, bool withSlopes) {
        const std::size_t lanes = table_.lanes, tile = simd::rowTile;
        const auto& kernels = simd::kernels();
        for (std::size_t j = 0; j < count_; j += tile) {
            float* rows = rows_.data() + 2 * lanes * j;
            pixelTemplates(table_, shift, edges_ + j, std::min(tile, count_ - j), average_.data(),
                           withSlopes ? slope_.data() : nullptr);
            kernels.transpose(average_.data(), lanes, tile, lanes, rows, tile);
            if (withSlopes) kernels.transpose(slope_.data(), lanes, tile, lanes, rows + lanes * tile, tile);
        }
    }

    const KnotTable& table_;
    std::size_t spaxels_, count_ = 0, stride_ = 0;
    const double* edges_ = nullptr;
    float scale_ = 0;
    Buffer<Real> acc_;                  // [spaxels][stride_]
    Buffer<float> room_{group * wide};  // where that is in double
    Buffer<float> average_{table_.lanes * simd::rowTile, 0.0F},
        slope_{table_.lanes * simd::rowTile, 0.0F};  // [pixel][lane]
    // [tile][row][pixel]. A fine library's nearly fill the second-level cache, where small pages may share places: in a huge page.
    Buffer<float> rows_;
};

template <class Real>
void PixelWay::sumTo(Host exec, const WavelengthGrid& window, double scale, Real* out, std::size_t stride) const {
    std::vector<double> edges(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edges[j] = window.edge(double(j));
    const std::vector<std::size_t> cuts = Span<Real>::cut(window.size, std::size_t(threadsOf(exec)));
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Span<Real> span(table_, nSpaxels_);
#pragma omp for schedule(dynamic, 1)
        for (std::size_t k = 0; k < cuts.size() - 1; ++k) {
            const std::size_t first = cuts[k], count = cuts[k + 1] - first;
            span.begin(edges.data() + first, count, scale);
            for (std::size_t b = 0; b + 1 < binStart_.size(); ++b)
                if (binStart_[b] < binStart_[b + 1])
                    span.add(runSums_.data() + binStart_[b], binStart_[b + 1] - binStart_[b], centreOf(b), true);
            for (std::size_t n = 0; n + 1 < nodeStart_.size(); ++n)
                if (nodeStart_[n] < nodeStart_[n + 1])
                    span.add(nodeSums_.data() + nodeStart_[n], nodeStart_[n + 1] - nodeStart_[n],
                             double(firstNode_ + int(n)) * table_.nodeStep, false);
            span.put(out + first, stride);
        }
    }
}

template void PixelWay::sumTo(Host, const WavelengthGrid&, double, float*, std::size_t) const;
template void PixelWay::sumTo(Host, const WavelengthGrid&, double, double*, std::size_t) const;

}  // namespace tessera
