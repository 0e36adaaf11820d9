#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/axis_table.hpp"
#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Places of the stars (or pieces) of every part (thread) of the input in the output: a counting sort by spaxel. A part is
// contiguous, so that the order within a spaxel is that of the input whatever the number of parts.
struct Places {
    Buffer<std::uint64_t> start;      // [nSpaxels + 1]
    std::vector<std::uint64_t> next;  // [part][nSpaxels] of the part's first star
};

std::pair<std::size_t, std::size_t> rangeOfPart(std::size_t n, std::size_t part, std::size_t parts) {
    return {n * part / parts, n * (part + 1) / parts};
}

Places count(std::size_t parts, std::size_t stars, const Projected& projected, std::size_t nSpaxels) {
    const Buffer<std::uint32_t>& spaxel = projected.spaxel;
    Places p{Buffer<std::uint64_t>(nSpaxels + 1), std::vector<std::uint64_t>(parts * nSpaxels, 0)};
#pragma omp parallel for num_threads(int(parts)) schedule(static)
    for (std::size_t t = 0; t < parts; ++t) {
        const auto [begin, end] = rangeOfPart(stars, t, parts);
        std::uint64_t* mine = p.next.data() + t * nSpaxels;
        for (std::size_t i = projected.begin(begin); i < projected.begin(end); ++i)
            if (spaxel[i] != outsideField) ++mine[spaxel[i]];
    }
    std::uint64_t sum = 0;
    for (std::size_t s = 0; s < nSpaxels; ++s) {
        p.start[s] = sum;
        for (std::size_t t = 0; t < parts; ++t) sum += std::exchange(p.next[t * nSpaxels + s], sum);
    }
    p.start[nSpaxels] = sum;
    return p;
}

// Records of the stars [begin, end) inside the field, each at its place; next: [nSpaxels] of the next star of each spaxel.
//
// A record is made in a block that stays in the cache and then moved whole to one of thousands of places, whose memory has been asked
// for: stores of its members one by one would wait for each of them.
class Placing {
public:
    Placing(const Stars& stars, const Projected& p, const KnotTable& table)
        : stars_(stars), p_(p), table_(table), ages_(table.logAgeGyr), metallicities_(table.zAxis) {}

    void operator()(std::size_t begin, std::size_t end, std::uint64_t* next, StarRecord* out) {
        for (std::size_t first = begin; first < end; first += block) {
            const std::size_t n = std::min(block, end - first);
            make(first, n);
            if (p_.firstPiece.empty())
                placeWhole(first, n, next, out);
            else
                placePieces(first, n, next, out);
        }
    }

private:
    static constexpr std::size_t block = 256;

    void make(std::size_t first, std::size_t n) {
        const auto& kernels = simd::kernels();
        kernels.log10(&stars_.age[first], value_, n);
        ages_.locate(kernels, value_, n, ageLower_, ageFraction_, ageClamped_);
        if (table_.rubix)
            std::copy_n(&stars_.metallicity[first], n, value_);
        else
            kernels.log10(&stars_.metallicity[first], value_, n);
        metallicities_.locate(kernels, value_, n, zLower_, zFraction_, zClamped_);
        for (std::size_t k = 0; k < n; ++k) {
            const std::size_t i = first + k;
            const bool dark = table_.rubix && (ageClamped_[k] != 0 || zClamped_[k] != 0);
            record_[k] = {zLower_[k] * table_.nAge + ageLower_[k],
                          ageFraction_[k],
                          zFraction_[k],
                          dark ? 0.0F : stars_.mass[i],
                          p_.shift[i],
                          stars_.age[i],
                          stars_.metallicity[i],
                          std::uint32_t(i)};
        }
    }

    void placeWhole(std::size_t first, std::size_t n, std::uint64_t* next, StarRecord* out) {
        const std::uint32_t* spaxel = p_.spaxel.data() + first;
        for (std::size_t k = 0; k < n; ++k) {
            to_[k] = spaxel[k] == outsideField ? nullptr : out + next[spaxel[k]]++;
            __builtin_prefetch(to_[k], 1);
        }
        for (std::size_t k = 0; k < n; ++k)
            if (to_[k] != nullptr) *to_[k] = record_[k];
    }

    void placePieces(std::size_t first, std::size_t n, std::uint64_t* next, StarRecord* out) const {
        for (std::size_t k = 0; k < n; ++k) {
            StarRecord r = record_[k];
            const bool dark = r.mass == 0;
            const std::size_t i = first + k;
            for (std::size_t q = p_.firstPiece[i]; q < p_.firstPiece[i + 1]; ++q) {
                if (p_.spaxel[q] == outsideField) continue;
                r.mass = dark ? 0.0F : p_.mass[q];
                r.source = std::uint32_t(q) | (p_.spaxel[q] == p_.centre[i] ? 0 : countedElsewhere);
                out[next[p_.spaxel[q]]++] = r;
            }
        }
    }

    const Stars& stars_;
    const Projected& p_;
    const KnotTable& table_;
    const AxisTable ages_, metallicities_;
    alignas(64) float value_[block], ageFraction_[block], zFraction_[block];
    std::int32_t ageLower_[block], zLower_[block], ageClamped_[block], zClamped_[block];
    StarRecord record_[block];
    StarRecord* to_[block];
};

// Stable sort of a spaxel's stars by their bin of shifts: by counting.
class ShiftSort {
public:
    explicit ShiftSort(const KnotTable& table)
        : first_(table.shiftMin), step_(float(table.shiftStep)), place_(binOf(table.shiftMax) + 2) {}

    void operator()(StarRecord* stars, std::size_t n) {
        if (n < 2) return;
        bins_.resize(n);
        std::uint32_t least = std::numeric_limits<std::uint32_t>::max(), most = 0;
        bool sorted = true;
        for (std::size_t k = 0; k < n; ++k) {
            const std::uint32_t bin = binOf(stars[k].shift);
            sorted = sorted && (k == 0 || bin >= bins_[k - 1]);
            least = std::min(least, bin);
            most = std::max(most, bin);
            bins_[k] = bin;
        }
        if (sorted) return;
        std::fill(place_.begin() + least, place_.begin() + most + 2, 0U);
        for (const std::uint32_t bin : bins_) ++place_[bin + 1];
        for (std::uint32_t bin = least; bin < most; ++bin) place_[bin + 1] += place_[bin];
        copy_.assign(stars, stars + n);
        for (std::size_t k = 0; k < n; ++k) stars[place_[bins_[k]]++] = copy_[k];
    }

private:
    std::uint32_t binOf(float shift) const { return std::uint32_t((shift - first_) / step_); }

    float first_, step_;
    std::vector<std::uint32_t>
        place_;  // [bin] of its next star; used between the least and the largest bin of a spaxel
    std::vector<std::uint32_t> bins_;
    std::vector<StarRecord> copy_;
};

// Nodes of shift that a spaxel's stars spread over.
DenseRange nodesOf(const KnotTable& table, const StarRecord* stars, std::uint64_t begin, std::uint64_t end) {
    float least = 0, most = 0;
    simd::kernels().shiftRange(stars + begin, end - begin, least, most);
    const double inverse = 1 / table.nodeStep;
    const int first = int(std::floor(double(least) * inverse)) - 1, last = int(std::floor(double(most) * inverse)) + 2;
    return {begin, end, first, last - first + 1};
}

}  // namespace

BinnedStars order(Host exec, const Stars& stars, const Projected& p, std::size_t nSpaxels, const KnotTable& table,
                  Buffer<StarRecord>&& memory) {
    if (p.spaxel.size() >= countedElsewhere)
        throw Error("a galaxy of " + std::to_string(p.spaxel.size()) +
                    " stars, or pieces of stars, on one rank: at most 2147483647 are supported");
    const int threads = threadsOf(exec);
    const std::size_t parts = std::size_t(threads);
    Places places = count(parts, stars.size(), p, nSpaxels);

    BinnedStars b;
    b.stars = std::move(memory);
    b.stars.reshape(p.inside);
    b.start = std::move(places.start);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t t = 0; t < parts; ++t) {
        const auto [begin, end] = rangeOfPart(stars.size(), t, parts);
        Placing(stars, p, table)(begin, end, places.next.data() + t * nSpaxels, b.stars.data());
    }
    return b;
}

void settle(Host exec, BinnedStars& b, const KnotTable& table, const std::function<void(std::size_t)>& then) {
    const std::size_t nSpaxels = b.start.size() - 1;
    constexpr double fewestNodes = 4;
    std::vector<DenseRange> dense(nSpaxels);
#pragma omp parallel num_threads(threadsOf(exec))
    {
        ShiftSort sort(table);
#pragma omp for schedule(dynamic, 16)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            const std::uint64_t n = b.start[s + 1] - b.start[s];
            if (table.nodeStep > 0 && double(n) >= fewestNodes * table.starsPerNode) {
                const DenseRange range = nodesOf(table, b.stars.data(), b.start[s], b.start[s + 1]);
                if (double(n) >= range.nodes * table.starsPerNode) dense[s] = range;
            }
            if (dense[s].nodes == 0) sort(b.stars.data() + b.start[s], n);
            if (then) then(s);
        }
    }
    std::copy_if(dense.begin(), dense.end(), std::back_inserter(b.dense),
                 [](const DenseRange& r) { return r.nodes > 0; });
}

BinnedStars bin(Host exec, const Stars& stars, const Projected& p, std::size_t nSpaxels, const KnotTable& table,
                Buffer<StarRecord>&& memory) {
    BinnedStars b = order(exec, stars, p, nSpaxels, table, std::move(memory));
    settle(exec, b, table);
    return b;
}

}  // namespace tessera
