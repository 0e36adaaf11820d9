#include <algorithm>
#include <chrono>
#include <cmath>

#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Spaxels of `count` stars each as a dense galaxy has them: formed at a steady rate, of all metallicities, with shifts that are
// spread evenly. How many templates they have decides on what a node costs.
BinnedStars sampleStars(const KnotTable& table, std::size_t nSpaxels, std::size_t count, int nodes, bool dense) {
    BinnedStars b;
    b.stars = Buffer<StarRecord>(nSpaxels * count);
    b.start = Buffer<std::uint64_t>(nSpaxels + 1);
    std::uint32_t state = 1;
    const auto uniform = [&] {
        state = state * 1664525U + 1013904223U;
        return float(state >> 8U) * 0x1p-24F;
    };
    const auto& ages = table.logAgeGyr;
    const int firstNode = int(std::ceil(double(table.shiftMin) / table.nodeStep));
    // Between the second node and the last but two, away from them by more than a float's rounding.
    const float low = float((firstNode + 0.25) * table.nodeStep),
                range = std::clamp(table.shiftMax - low, 0.0F, float((nodes - 3.5) * table.nodeStep));
    for (std::size_t s = 0; s <= nSpaxels; ++s) b.start[s] = s * count;
    for (std::size_t i = 0; i < b.stars.size(); ++i) {
        const double logAge = ages.back() + std::log10(std::max(1e-6, double(uniform())));
        const auto above = std::upper_bound(ages.begin(), ages.end(), logAge) - ages.begin();
        const int age = std::clamp(int(above) - 1, 0, std::max(0, table.nAge - 2)),
                  z = int(uniform() * float(std::max(1, table.nZ - 1)));
        const float shift = low + range * (float(i % count) + 0.5F) / float(count);
        b.stars[i] = {z * table.nAge + age, uniform(), uniform(), 1.0F, shift, 1.0F, 0.01F, std::uint32_t(i)};
    }
    if (dense)
        for (std::size_t s = 0; s < nSpaxels; ++s)
            b.dense.push_back({s * count, (s + 1) * count, firstNode - 1, nodes});
    return b;
}

// On the whole grid, from a part of it: what is summed before pixels are known, and as much more of the rest.
double secondsFor(const BinnedStars& stars, const KnotTable& table, const WavelengthGrid& grid,
                  const WavelengthGrid& part, float* out) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const Accumulator sums(Host{1}, stars, table);
    const auto middle = Clock::now();
    sums(part, 1, out, part.size);
    const std::chrono::duration<double> before = middle - begin, after = Clock::now() - middle;
    return before.count() + after.count() * double(grid.size) / double(part.size);
}

}  // namespace

// Neither way's time is a straight line: the more stars the more templates and bins of shifts they have.
double measureStarsPerNode(const KnotTable& table, const WavelengthGrid& grid) {
    constexpr std::size_t least = 4, most = 1024;
    constexpr int nodes = 24;
    if (!(table.nodeStep > 0)) return std::numeric_limits<double>::infinity();
    // Where stars are summed at the knots a spaxel's time does not depend on the others; the tables of a fine library are made
    // once for all spaxels of a galaxy.
    const std::size_t nSpaxels = table.fine ? 256 : 2;
    const WavelengthGrid window = grid.window(0, table.fine ? std::min<std::size_t>(grid.size, 64) : grid.size);
    Buffer<float> out(nSpaxels * window.size);
    double before = 1;  // dense spaxels' time over that of sparse ones, of half as many stars
    for (std::size_t stars = least; stars <= most; stars *= 2) {
        double best[2] = {1e30, 1e30};
        const BinnedStars samples[2] = {sampleStars(table, nSpaxels, stars * nodes, nodes, false),
                                        sampleStars(table, nSpaxels, stars * nodes, nodes, true)};
        for (int run = 0; run < 5; ++run)  // in turns, since a machine's speed may drift
            for (std::size_t k = 0; k < 2; ++k)
                best[k] = std::min(best[k], secondsFor(samples[k], table, grid, window, out.data()));
        const double ratio = best[1] / best[0];
        if (ratio < 1) {
            if (stars == least) return double(least);
            const double back = std::log(ratio) / std::log(before / ratio);  // powers of two, to where they are alike
            return std::exp2(std::round(std::log2(double(stars)) + back));
        }
        before = ratio;
    }
    return std::numeric_limits<double>::infinity();
}

}  // namespace tessera
