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
    Buffer<std::uint64_t> start;       // [nSpaxels + 1]
    std::vector<std::uint32_t> place;  // [part][nSpaxels] from start[spaxel] on
};

std::pair<std::size_t, std::size_t> rangeOfPart(std::size_t n, std::size_t part, std::size_t parts) {
    return {n * part / parts, n * (part + 1) / parts};
}

Places count(std::size_t parts, std::size_t stars, const Projected& projected, std::size_t nSpaxels) {
    const Buffer<std::uint32_t>& spaxel = projected.spaxel;
    Places p{Buffer<std::uint64_t>(nSpaxels + 1), std::vector<std::uint32_t>(parts * nSpaxels, 0)};
#pragma omp parallel for num_threads(int(parts)) schedule(static)
    for (std::size_t t = 0; t < parts; ++t) {
        const auto [begin, end] = rangeOfPart(stars, t, parts);
        std::uint32_t* mine = p.place.data() + t * nSpaxels;
        for (std::size_t i = projected.begin(begin); i < projected.begin(end); ++i)
            if (spaxel[i] != outsideField) ++mine[spaxel[i]];
    }
    std::uint64_t sum = 0;
    for (std::size_t s = 0; s < nSpaxels; ++s) {
        p.start[s] = sum;
        std::uint32_t inSpaxel = 0;
        for (std::size_t t = 0; t < parts; ++t) inSpaxel += std::exchange(p.place[t * nSpaxels + s], inSpaxel);
        sum += inSpaxel;
    }
    p.start[nSpaxels] = sum;
    return p;
}

// Records of the stars [begin, end) inside the field, each at its place.
void place(const Stars& stars, const Projected& p, const KnotTable& table, std::size_t begin, std::size_t end,
           const Buffer<std::uint64_t>& start, std::uint32_t* places, StarRecord* out) {
    const AxisTable ages(table.logAgeGyr), metallicities(table.zAxis);
    const auto& kernels = simd::kernels();
    constexpr std::size_t block = 512;
    alignas(64) float logAge[block], z[block], ageFraction[block], zFraction[block];
    int ageLower[block], zLower[block];
    unsigned char ageClamped[block], zClamped[block];
    const std::uint32_t* spaxels = p.spaxel.data();
    for (std::size_t first = begin; first < end; first += block) {
        const std::size_t n = std::min(block, end - first);
        kernels.log10(&stars.age[first], logAge, n);
        if (table.rubix)
            std::copy_n(&stars.metallicity[first], n, z);
        else
            kernels.log10(&stars.metallicity[first], z, n);
        ages.locate(logAge, n, ageLower, ageFraction, ageClamped);
        metallicities.locate(z, n, zLower, zFraction, zClamped);
        for (std::size_t k = 0; k < n; ++k) {
            const std::size_t i = first + k;
            const bool dark = table.rubix && (ageClamped[k] || zClamped[k]);
            const auto put = [&](std::uint32_t spaxel, float mass, std::uint32_t source) {
                if (spaxel == outsideField) return;
                StarRecord& r = out[start[spaxel] + places[spaxel]++];
                r.corner = zLower[k] * table.nAge + ageLower[k];
                r.ageFraction = ageFraction[k];
                r.zFraction = zFraction[k];
                r.mass = dark ? 0.0F : mass;
                r.shift = p.shift[i];
                r.age = stars.age[i];
                r.metallicity = stars.metallicity[i];
                r.source = source;
            };
            if (p.firstPiece.empty())
                put(spaxels[i], stars.mass[i], std::uint32_t(i));
            else
                for (std::size_t q = p.firstPiece[i]; q < p.firstPiece[i + 1]; ++q)
                    put(spaxels[q], p.mass[q], std::uint32_t(q) | (spaxels[q] == p.centre[i] ? 0 : countedElsewhere));
        }
    }
}

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
    const auto [least, most] = std::minmax_element(
        stars + begin, stars + end, [](const StarRecord& a, const StarRecord& b) { return a.shift < b.shift; });
    const double inverse = 1 / table.nodeStep;
    const int first = int(std::floor(double(least->shift) * inverse)) - 1,
              last = int(std::floor(double(most->shift) * inverse)) + 2;
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
        place(stars, p, table, begin, end, b.start, places.place.data() + t * nSpaxels, b.stars.data());
    }
    return b;
}

void settle(Host exec, BinnedStars& b, const KnotTable& table) {
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
                if (double(n) >= range.nodes * table.starsPerNode) {
                    dense[s] = range;
                    continue;
                }
            }
            sort(b.stars.data() + b.start[s], n);
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
