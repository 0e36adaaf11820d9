// Sums of rows of a table, each with a weight (simd::RowSum), and the memory that they point to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "simd/kernels.hpp"
#include "tessera/core/memory.hpp"

namespace tessera {

// Some sums, one after the other.
struct RowWeights {
    std::vector<std::uint32_t> start;  // [sums + 1]
    std::vector<std::uint16_t> row;
    std::vector<float> weight;
};

// The sums of rows that one thread has made, one after the other, in pieces that do not move.
class RowStore {
public:
    struct Rows {
        const std::uint16_t* row;
        const float* weight;
        simd::RowSum sum(const RowWeights& w, std::size_t k, std::size_t spaxel) const {
            const std::uint32_t first = w.start[k];
            return {row + first, weight + first, w.start[k + 1] - first, std::uint32_t(spaxel)};
        }
    };
    Rows keep(const RowWeights& w) {
        const std::size_t n = w.row.size();
        if (pieces_.empty() || used_ + n > pieces_.back().row.size()) {
            const std::size_t size = std::max(n, pieces_.empty() ? firstPiece : piece);
            pieces_.push_back({Buffer<std::uint16_t>(size), Buffer<float>(size)});
            used_ = 0;
        }
        std::uint16_t* row = pieces_.back().row.data() + used_;
        float* weight = pieces_.back().weight.data() + used_;
        std::copy_n(w.row.data(), n, row);
        std::copy_n(w.weight.data(), n, weight);
        used_ += n;
        return {row, weight};
    }

private:
    // Small galaxies need little; what is read once a span of pixels is in huge pages.
    static constexpr std::size_t firstPiece = std::size_t(1) << 18, piece = hugeBufferBytes / sizeof(std::uint16_t);
    struct Piece {
        Buffer<std::uint16_t> row;
        Buffer<float> weight;
    };
    std::vector<Piece> pieces_;
    std::size_t used_ = 0;  // of the last piece
};

}  // namespace tessera
