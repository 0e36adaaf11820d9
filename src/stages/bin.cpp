#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Stable least-significant-digit radix sort of (key, index) by the lowest `bits` of the key. Every thread owns one
// contiguous part of the input, so the result does not depend on their number.
template <class Key>
void radixSort(int threads, Buffer<Key>& key, Buffer<std::uint32_t>& index, int bits) {
    const std::size_t n = key.size();
    const int passes = std::max(1, (bits + 10) / 11), digit = (bits + passes - 1) / passes;
    const std::size_t radix = std::size_t(1) << digit;
    Buffer<Key> otherKey(n);
    Buffer<std::uint32_t> otherIndex(n);
    std::vector<std::size_t> count(radix * std::size_t(threads));
    for (int pass = 0; pass < passes; ++pass) {
        const int shift = pass * digit;
        std::fill(count.begin(), count.end(), 0);
#pragma omp parallel num_threads(threads)
        {
            const std::size_t t = std::size_t(omp_get_thread_num()), parts = std::size_t(omp_get_num_threads());
            const std::size_t begin = n * t / parts, end = n * (t + 1) / parts;
            std::size_t* mine = count.data() + t * radix;
            for (std::size_t i = begin; i < end; ++i) ++mine[(key[i] >> shift) & (radix - 1)];
#pragma omp barrier
#pragma omp single
            {
                std::size_t sum = 0;
                for (std::size_t d = 0; d < radix; ++d)
                    for (std::size_t p = 0; p < parts; ++p) sum += std::exchange(count[p * radix + d], sum);
            }
            for (std::size_t i = begin; i < end; ++i) {
                const std::size_t to = mine[(key[i] >> shift) & (radix - 1)]++;
                otherKey[to] = key[i];
                otherIndex[to] = index[i];
            }
        }
        std::swap(key, otherKey);
        std::swap(index, otherIndex);
    }
}

// locate() with a table of starting points, for millions of look-ups on one axis.
class AxisTable {
public:
    explicit AxisTable(const std::vector<double>& axis) : axis_(axis), n_(int(axis.size())) {
        const double range = axis.back() - axis.front();
        scale_ = n_ > 1 ? cells / range : 0;
        int k = 0;
        for (int c = 0; c < cells; ++c) {
            while (k + 2 < n_ && axis[std::size_t(k) + 1] <= axis.front() + c / scale_) ++k;
            lower_[c] = k;
        }
    }
    AxisPosition<double> operator()(double value) const {
        if (n_ == 1 || !(value >= axis_.front()) || value > axis_.back()) return locate(axis_.data(), n_, value);
        const int c = std::min(cells - 1, int((value - axis_.front()) * scale_));
        int k = lower_[c];
        while (k > 0 && axis_[std::size_t(k)] > value) --k;
        while (k + 2 < n_ && axis_[std::size_t(k) + 1] <= value) ++k;
        return {k, (value - axis_[std::size_t(k)]) / (axis_[std::size_t(k) + 1] - axis_[std::size_t(k)]), false};
    }

private:
    static constexpr int cells = 1024;
    const std::vector<double>& axis_;
    int n_;
    double scale_ = 0;
    int lower_[cells] = {};
};

template <class Key>
BinnedStars order(Host exec, const Stars& stars, Projected&& p, std::size_t nSpaxels, const KnotTable& table,
                  Key shiftBins) {
    const int threads = threadsOf(exec);
    BinnedStars b;
    Buffer<Key> key(p.inside);
    b.source = Buffer<std::uint32_t>(p.inside);
    const float step = float(table.shiftStep);
    std::size_t k = 0;
    for (std::size_t i = 0; i < stars.size(); ++i) {
        if (p.spaxel[i] == outsideField) continue;
        key[k] = Key(p.spaxel[i]) * shiftBins + Key(int((p.shift[i] - table.shiftMin) / step));
        b.source[k++] = std::uint32_t(i);
    }
    p.spaxel = {};
    radixSort(threads, key, b.source, int(std::bit_width(nSpaxels * std::size_t(shiftBins))));

    b.start = Buffer<std::uint64_t>(nSpaxels + 1);
    std::size_t next = 0;
    for (std::size_t i = 0; i < key.size(); ++i)
        for (const std::size_t s = std::size_t(key[i] / shiftBins); next <= s;) b.start[next++] = i;
    while (next <= nSpaxels) b.start[next++] = key.size();
    key = {};

    b.stars = Buffer<StarRecord>(p.inside);
    const AxisTable ages(table.logAgeGyr), metallicities(table.zAxis);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t j = 0; j < b.stars.size(); ++j) {
        const std::size_t i = b.source[j];
        const AxisPosition<double> age = ages(double(std::log10(stars.age[i])));
        const AxisPosition<double> z =
            metallicities(table.rubix ? double(stars.metallicity[i]) : double(std::log10(stars.metallicity[i])));
        b.stars[j] = {z.lower * table.nAge + age.lower, float(age.fraction), float(z.fraction),
                      table.rubix && (age.clamped || z.clamped) ? 0.0F : stars.mass[i], p.shift[i]};
    }
    return b;
}

}  // namespace

BinnedStars bin(Host exec, const Stars& stars, Projected&& p, std::size_t nSpaxels, const KnotTable& table) {
    if (stars.size() >= std::numeric_limits<std::uint32_t>::max())
        throw Error("a galaxy of " + std::to_string(stars.size()) +
                    " stars on one rank: at most 4294967294 are supported");
    const float step = float(table.shiftStep);
    const std::uint64_t bins = std::uint64_t((p.shiftMax - table.shiftMin) / step) + 1;
    if (nSpaxels * bins < std::numeric_limits<std::uint32_t>::max())
        return order(exec, stars, std::move(p), nSpaxels, table, std::uint32_t(bins));
    return order(exec, stars, std::move(p), nSpaxels, table, bins);
}

}  // namespace tessera
