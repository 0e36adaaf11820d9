#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

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
        scale_ = n_ > 1 ? float(cells / range) : 0.0F;
        first_ = float(axis.front());
        int k = 0;
        for (int c = 0; c < cells; ++c) {
            while (n_ > 1 && k + 2 < n_ && axis[std::size_t(k) + 1] <= axis.front() + range * c / cells) ++k;
            lower_[c] = k;
        }
        for (int i = 0; i + 1 < n_; ++i)
            inverse_.push_back(float(1 / (axis[std::size_t(i) + 1] - axis[std::size_t(i)])));
    }
    AxisPosition<float> operator()(float value) const {
        if (n_ == 1 || !(double(value) >= axis_.front()) || double(value) > axis_.back())
            return locate(axis_.data(), n_, value);
        int k = lower_[std::min(cells - 1, int((value - first_) * scale_))];
        while (k > 0 && axis_[std::size_t(k)] > double(value)) --k;
        while (k + 2 < n_ && axis_[std::size_t(k) + 1] <= double(value)) ++k;
        return {k, float(double(value) - axis_[std::size_t(k)]) * inverse_[std::size_t(k)], false};
    }

private:
    static constexpr int cells = 4096;
    const std::vector<double>& axis_;
    std::vector<float> inverse_;
    int n_;
    float scale_ = 0, first_ = 0;
    int lower_[cells] = {};
};

// Keys and indices of the stars inside the field, in the order of the stars.
template <class Key>
void makeKeys(int threads, const Projected& p, const KnotTable& table, Key shiftBins, Buffer<Key>& key,
              Buffer<std::uint32_t>& index) {
    const std::size_t n = p.spaxel.size();
    const float step = float(table.shiftStep);
    std::vector<std::size_t> first(std::size_t(threads) + 1, 0);
#pragma omp parallel num_threads(threads)
    {
        const std::size_t t = std::size_t(omp_get_thread_num()), parts = std::size_t(omp_get_num_threads());
        const std::size_t begin = n * t / parts, end = n * (t + 1) / parts;
        std::size_t inside = 0;
        for (std::size_t i = begin; i < end; ++i) inside += p.spaxel[i] != outsideField;
        first[t + 1] = inside;
#pragma omp barrier
#pragma omp single
        std::partial_sum(first.begin(), first.end(), first.begin());
        std::size_t k = first[t];
        for (std::size_t i = begin; i < end; ++i) {
            if (p.spaxel[i] == outsideField) continue;
            key[k] = Key(p.spaxel[i]) * shiftBins + Key(int((p.shift[i] - table.shiftMin) / step));
            index[k++] = std::uint32_t(i);
        }
    }
}

// First star of every spaxel, from the sorted keys.
template <class Key>
Buffer<std::uint64_t> starts(int threads, const Buffer<Key>& key, std::size_t nSpaxels, Key shiftBins) {
    Buffer<std::uint64_t> start(nSpaxels + 1);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t s = 0; s <= nSpaxels; ++s)
        start[s] = std::uint64_t(std::lower_bound(key.begin(), key.end(), Key(s) * shiftBins) - key.begin());
    return start;
}

template <class Key>
BinnedStars order(Host exec, const Stars& stars, Projected&& p, std::size_t nSpaxels, const KnotTable& table,
                  Key shiftBins) {
    const int threads = threadsOf(exec);
    BinnedStars b;
    Buffer<Key> key(p.inside);
    Buffer<std::uint32_t> index(p.inside);
    makeKeys(threads, p, table, shiftBins, key, index);
    p.spaxel = {};
    radixSort(threads, key, index, int(std::bit_width(nSpaxels * std::size_t(shiftBins))));
    b.start = starts(threads, key, nSpaxels, shiftBins);
    key = {};

    b.stars = Buffer<StarRecord>(p.inside);
    const AxisTable ages(table.logAgeGyr), metallicities(table.zAxis);
    constexpr std::size_t ahead = 24;  // stars fetched ahead: their order in memory is random
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t j = 0; j < b.stars.size(); ++j) {
        if (j + ahead < b.stars.size()) {
            const std::size_t next = index[j + ahead];
            __builtin_prefetch(&stars.age[next]);
            __builtin_prefetch(&stars.metallicity[next]);
            __builtin_prefetch(&stars.mass[next]);
            __builtin_prefetch(&p.shift[next]);
        }
        const std::size_t i = index[j];
        const float age = stars.age[i], metallicity = stars.metallicity[i];
        const AxisPosition<float> a = ages(std::log10(age));
        const AxisPosition<float> z = metallicities(table.rubix ? metallicity : std::log10(metallicity));
        const float mass = table.rubix && (a.clamped || z.clamped) ? 0.0F : stars.mass[i];
        b.stars[j] = {z.lower * table.nAge + a.lower,
                      a.fraction,
                      z.fraction,
                      mass,
                      p.shift[i],
                      age,
                      metallicity,
                      std::uint32_t(i)};
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
