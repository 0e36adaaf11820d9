#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <type_traits>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"
#include "stages/pixel_templates.hpp"
#include "stages/shared_loop.hpp"

namespace tessera {

// Some hundred pixels of all spaxels, whose sums stay in the cache while one shift after the other is added. Of one thread,
// with which those that have no span of their own add what stands under one shift.
template <class Real>
class PixelWay::Span {
public:
    Span(const KnotTable& table, std::size_t spaxels)
        : table_(table),
          spaxels_(spaxels),
          acc_(spaxels * wide),
          rows_(std::max(2 * table.lanes * wide, hugeBufferBytes / sizeof(float))) {}

    // First pixels of the spans of a window, and its end. As wide as may be, since the sums are read once a span, and as many
    // for each thread.
    static std::vector<std::size_t> cut(std::size_t window, std::size_t threads) {
        constexpr std::size_t tile = simd::rowTile, fewest = 2, most = wide / tile;
        const std::size_t tiles = (window + tile - 1) / tile, rounds = (tiles + most * threads - 1) / (most * threads),
                          spans = std::max<std::size_t>(1, std::min(tiles / fewest, rounds * threads));
        std::vector<std::size_t> cuts;
        for (std::size_t k = 0; k < spans; ++k) cuts.push_back(k * tiles / spans * tile);
        cuts.push_back(window);
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
    // Sums of the averages under a shift, and, `lanes` rows behind them, of their slopes. Each is of a spaxel of its own.
    void add(std::span<const simd::RowSum> sums, double shift, bool withSlopes) {
        makeTables(shift, withSlopes);
        sums_ = sums;
        groups_.run((sums.size() + group - 1) / group, [&](std::size_t g) { addGroup(g, room_); });
    }
    // Of another thread's span, what is under its present shift; false: there is nothing.
    bool help(Span& other) {
        return other.groups_.join([&](std::size_t g) { other.addGroup(g, room_); });
    }
    void put(Real* out, std::size_t stride) const {
        for (std::size_t s = 0; s < spaxels_; ++s) std::copy_n(acc_.data() + s * stride_, count_, out + s * stride);
    }

private:
    static constexpr std::size_t wide = 256;  // pixels at most
    static constexpr std::size_t group = 32;  // sums, whose spaxels and weights stay in the cache from tile to tile

    // room: of the thread that does it.
    void addGroup(std::size_t g, Buffer<float>& room) {
        const std::size_t first = g * group;
        simd::RowSumsArgs a{};
        a.scale = scale_;
        a.stride = stride_;
        a.sums = sums_.data() + first;
        a.count = std::min(group, sums_.size() - first);
        if constexpr (std::is_same_v<Real, float>) {
            a.following = std::min(group, sums_.size() - first - a.count);
            addTo(acc_.data(), a);
        } else {
            std::array<simd::RowSum, group> inRoom;
            for (std::size_t k = 0; k < a.count; ++k) {
                inRoom[k] = a.sums[k];
                inRoom[k].spaxel = std::uint32_t(k);
            }
            a.sums = inRoom.data();
            std::fill(room.begin(), room.end(), 0.0F);
            addTo(room.data(), a);
            for (std::size_t k = 0; k < a.count; ++k)
                for (std::size_t j = 0; j < count_; ++j)
                    acc_[sums_[first + k].spaxel * stride_ + j] += double(room[k * stride_ + j]);
        }
    }
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
    std::span<const simd::RowSum> sums_;  // under the present shift
    SharedLoop groups_;
    Buffer<Real> acc_;                  // [spaxels][stride_]
    Buffer<float> room_{group * wide};  // [group][stride_], where that is in double
    Buffer<float> average_{table_.lanes * simd::rowTile, 0.0F},
        slope_{table_.lanes * simd::rowTile, 0.0F};  // [pixel][lane]
    // [tile][row][pixel]. A fine library's nearly fill the second-level cache, where small pages may share places: in a huge page.
    Buffer<float> rows_;
};

template <class Real>
void PixelWay::addShifts(Span<Real>& span) const {
    const auto between = [](const std::vector<simd::RowSum>& sums, const std::vector<std::size_t>& start,
                            std::size_t i) { return std::span(sums).subspan(start[i], start[i + 1] - start[i]); };
    for (std::size_t b = 0; b + 1 < binStart_.size(); ++b)
        if (const auto sums = between(runSums_, binStart_, b); !sums.empty()) span.add(sums, centreOf(b), true);
    for (std::size_t n = 0; n + 1 < nodeStart_.size(); ++n)
        if (const auto sums = between(nodeSums_, nodeStart_, n); !sums.empty())
            span.add(sums, double(firstNode_ + int(n)) * table_.nodeStep, false);
}

template <class Real>
void PixelWay::sumTo(Host exec, const WavelengthGrid& window, double scale, Real* out, std::size_t stride) const {
    const std::vector<double> edges = edgesOf(window);
    const auto threads = std::size_t(threadsOf(exec));
    const std::vector<std::size_t> cuts = Span<Real>::cut(window.size, threads);
    const std::size_t spans = cuts.size() - 1;
    std::vector<Span<Real>*> spanOf(threads, nullptr);  // [thread]
    std::atomic<std::size_t> next{0}, ended{0};
#pragma omp parallel num_threads(int(threads))
    {
        Span<Real> span(table_, nSpaxels_);
        spanOf[std::size_t(omp_get_thread_num())] = &span;
#pragma omp barrier
        for (std::size_t k = next++; k < spans; k = next++) {
            span.begin(edges.data() + cuts[k], cuts[k + 1] - cuts[k], scale);
            addShifts(span);
            span.put(out + cuts[k], stride);
            ++ended;
        }
        for (Backoff backoff; ended < spans;) {
            bool helped = false;
            for (Span<Real>* const other : spanOf)
                if (other != nullptr && other != &span) helped |= span.help(*other);
            if (helped)
                backoff = Backoff();
            else
                backoff.wait();
        }
#pragma omp barrier  // who still looks for work looks at all spans
    }
}

template void PixelWay::sumTo(Host, const WavelengthGrid&, double, float*, std::size_t) const;
template void PixelWay::sumTo(Host, const WavelengthGrid&, double, double*, std::size_t) const;

}  // namespace tessera
