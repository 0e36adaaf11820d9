// The templates averaged over pixels, and sums of stars at the pixels.
#include <cmath>
#include <cstring>
#include <utility>

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

// What a pixel's average and its slope have of the templates' values at knots that follow each other. Pixels of more knots
// are put out in parts.
class KnotWeights {
public:
    KnotWeights(const PixelTemplateArgs& a, std::size_t pixel) : a_(a), pixel_(pixel) {}

    // Knots come in ascending order, but for the last but one once more.
    void add(std::size_t knot, double average, double slope) {
        if (count_ == 0) base_ = knot;
        if (knot - base_ >= room) putOut(knot - base_ - 1);
        for (; base_ + count_ <= knot; ++count_) average_[count_] = slope_[count_] = 0;
        average_[knot - base_] += average;
        slope_[knot - base_] += slope;
    }
    void finish() { putOut(count_); }

private:
    static constexpr std::size_t room = 32;

    void putOut(std::size_t n) {
        n = n < count_ ? n : count_;
        float average[room], slope[room];
        for (std::size_t k = 0; k < n; ++k) {
            average[k] = float(average_[k]);
            slope[k] = float(slope_[k]);
        }
        const std::size_t all = a_.blocks ? a_.blockCount : a_.lanes / 16;
        for (std::size_t b = 0; b < all; ++b)
            for (std::size_t i = 0; i < 16; i += W)
                putOut(n, average, slope, 16 * (a_.blocks ? std::size_t(a_.blocks[b]) : b) + i);
        for (std::size_t k = n; k < count_; ++k) {
            average_[k - n] = average_[k];
            slope_[k - n] = slope_[k];
        }
        base_ += n;
        count_ -= n;
        begun_ = true;
    }
    void putOut(std::size_t n, const float* average, const float* slope, std::size_t lane) const {
        const float* from = a_.flux + base_ * a_.lanes + lane;
        float* to = a_.average + pixel_ * a_.lanes + lane;
        float* slopeTo = a_.slope ? a_.slope + pixel_ * a_.lanes + lane : nullptr;
        Vf sum = 0, change = 0;
        if (begun_) {
            sum = load(to);
            if (slopeTo) change = load(slopeTo);
        }
        for (std::size_t k = 0; k < n; ++k) {
            const Vf row = load(from + k * a_.lanes);
            sum += average[k] * row;
            if (slopeTo) change += slope[k] * row;
        }
        sum.copy_to(to, stdx::element_aligned);
        if (slopeTo) change.copy_to(slopeTo, stdx::element_aligned);
    }

    const PixelTemplateArgs& a_;
    std::size_t pixel_, base_ = 0, count_ = 0;
    bool begun_ = false;
    double average_[room], slope_[room];
};

}  // namespace

void pixelTemplates(const PixelTemplateArgs& a) {
    const double inverse = std::exp(-a.shift);
    const double* x = a.position;
    const std::size_t last = a.knots - 1;
    std::size_t m = 0;  // segment [x[m], x[m + 1]] that holds the pixel's left edge
    for (std::size_t j = 0; j < a.pixels; ++j) {
        const double left = a.edges[j] * inverse, right = a.edges[j + 1] * inverse, part = 1 / (right - left);
        const double edge = 1 / (a.edges[j + 1] - a.edges[j]);
        while (m < last && x[m + 1] <= left) ++m;
        KnotWeights weights(a, j);
        // average += factor times the mean of the value at u, in segment m; its slope as much
        const auto addMean = [&](double u, double factor) {
            const double t = m < last ? (u - x[m]) * a.inverseStep[m] : 0.0, high = factor * t, low = factor - high;
            weights.add(m, low, low);
            if (m < last) weights.add(m + 1, high, high);
        };
        // slope += factor f(u)
        const auto addValue = [&](double u, double factor) {
            double t = m < last ? (u - x[m]) * a.inverseStep[m] : 0.0;
            t = t < 0 ? 0 : (t > 1 ? 1 : t);
            weights.add(m, 0, factor * (1 - t));
            if (m < last) weights.add(m + 1, 0, factor * t);
        };
        addValue(left, a.edges[j] * edge);
        double from = left;
        if (from < x[0]) {  // values are held outside the table
            const double to = right < x[0] ? right : x[0], factor = (to - from) * part;
            weights.add(0, factor, factor);
            from = to;
        }
        while (from < right) {
            if (m == last) {
                addMean(x[last], (right - from) * part);
                break;
            }
            const double to = right < x[m + 1] ? right : x[m + 1];
            addMean(0.5 * (from + to), (to - from) * part);
            from = to;
            if (from < right) ++m;
        }
        addValue(right, -a.edges[j + 1] * edge);
        weights.finish();
    }
}

namespace {

using Raw [[gnu::vector_size(sizeof(Vf))]] = float;

// Of rows a and b the blocks of H lanes: (a0 b0 a2 b2 ...) and (a1 b1 a3 b3 ...).
template <int H, int... L>
void swapBlocks(Raw& a, Raw& b, std::integer_sequence<int, L...>) {
    const Raw even = __builtin_shufflevector(a, b, ((L & H) == 0 ? L : int(W) + L - H)...);
    const Raw odd = __builtin_shufflevector(a, b, ((L & H) == 0 ? L + H : int(W) + L)...);
    a = even;
    b = odd;
}

// Transposes r[W][W] by halves.
template <int H>
void transposeBlocks(Raw (&r)[W]) {
    if constexpr (H < int(W)) {
#pragma GCC unroll 16
        for (int i = 0; i < int(W); ++i)
            if ((i & H) == 0) swapBlocks<H>(r[i], r[i + H], std::make_integer_sequence<int, int(W)>());
        transposeBlocks<2 * H>(r);
    }
}

}  // namespace

void transpose(const float* in, std::size_t inStride, std::size_t rows, std::size_t columns, float* out,
               std::size_t outStride) {
    for (std::size_t r = 0; r < rows; r += W)
        for (std::size_t c = 0; c < columns; c += W) {
            Raw block[W];
#pragma GCC unroll 16
            for (std::size_t i = 0; i < W; ++i) std::memcpy(&block[i], in + (r + i) * inStride + c, sizeof(Raw));
            transposeBlocks<1>(block);
#pragma GCC unroll 16
            for (std::size_t i = 0; i < W; ++i) std::memcpy(out + (c + i) * outStride + r, &block[i], sizeof(Raw));
        }
}

void sumRows(const RowSumsArgs& a) {
    constexpr std::size_t vectors = rowTile / W,
                          atOnce = vectors < 8 ? 8 / vectors : 1;  // sums that do not wait for each other
    for (std::size_t i = 0; i < a.count; ++i) {
        const RowSum& s = a.sums[i];
        if (i < a.following) {
            const RowSum& next = a.sums[i + a.count];
            const float* to = a.out + std::size_t(next.spaxel) * a.stride;
            __builtin_prefetch(to, 1);
            __builtin_prefetch(to + rowTile / 2, 1);
            __builtin_prefetch(next.weight + a.part * 16);
            __builtin_prefetch(next.row + a.part * 16);
        }
        Vf acc[atOnce][vectors];
        for (auto& part : acc)
            for (Vf& v : part) v = 0;
        const auto add = [&](std::size_t k, Vf(&to)[vectors]) {
            const float* from = a.table + std::size_t(s.row[k]) * rowTile;
            const Vf weight = s.weight[k];
            for (std::size_t v = 0; v < vectors; ++v) to[v] += weight * load(from + v * W);
        };
        std::size_t k = 0;
        for (; k + atOnce <= s.count; k += atOnce)
            for (std::size_t p = 0; p < atOnce; ++p) add(k + p, acc[p]);
        for (; k < s.count; ++k) add(k, acc[0]);
        float* to = a.out + std::size_t(s.spaxel) * a.stride;
        for (std::size_t v = 0; v < vectors; ++v) {
            Vf sum = acc[0][v];
            for (std::size_t p = 1; p < atOnce; ++p) sum += acc[p][v];
            (load(to + v * W) + a.scale * sum).copy_to(to + v * W, stdx::element_aligned);
        }
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
