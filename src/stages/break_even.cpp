#include <algorithm>
#include <chrono>
#include <cmath>

#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Spaxels of `count` stars each, their shifts spread evenly, and their templates over a quarter of the library: a spaxel has
// the old ages and half of the metallicities.
BinnedStars sampleStars(const KnotTable& table, std::size_t nSpaxels, std::size_t count, int nodes, bool dense) {
    BinnedStars b;
    b.stars = Buffer<StarRecord>(nSpaxels * count);
    b.start = Buffer<std::uint64_t>(nSpaxels + 1);
    std::uint32_t state = 1;
    const auto uniform = [&] {
        state = state * 1664525U + 1013904223U;
        return float(state >> 8U) * 0x1p-24F;
    };
    const int firstNode = int(std::ceil(double(table.shiftMin) / table.nodeStep));
    // Between the second node and the last but two, away from them by more than a float's rounding.
    const float low = float((firstNode + 0.25) * table.nodeStep),
                range = std::clamp(table.shiftMax - low, 0.0F, float((nodes - 3.5) * table.nodeStep));
    for (std::size_t s = 0; s <= nSpaxels; ++s) b.start[s] = s * count;
    for (std::size_t i = 0; i < b.stars.size(); ++i) {
        const int age = int((0.5F + 0.5F * uniform()) * float(std::max(1, table.nAge - 1))),
                  z = int((0.5F + 0.5F * uniform()) * float(std::max(1, table.nZ - 1)));
        const float shift = low + range * (float(i % count) + 0.5F) / float(count);
        b.stars[i] = {z * table.nAge + age, uniform(), uniform(), 1.0F, shift, 1.0F, 0.01F, std::uint32_t(i)};
    }
    if (dense)
        for (std::size_t s = 0; s < nSpaxels; ++s)
            b.dense.push_back({s * count, (s + 1) * count, firstNode - 1, nodes});
    return b;
}

double secondsFor(const BinnedStars& stars, const KnotTable& table, const WavelengthGrid& grid, float* out) {
    double best = 1e30;
    for (int run = 0; run < 3; ++run) {
        const auto begin = std::chrono::steady_clock::now();
        accumulate(Host{1}, stars, table, grid, 1, out, grid.size);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

}  // namespace

// Few stars add up star by star, many in coefficients; in between neither is proportional to their number.
double measureStarsPerNode(const KnotTable& table, const WavelengthGrid& grid) {
    constexpr int nodes = 16, most = 512;
    if (!(table.nodeStep > 0)) return std::numeric_limits<double>::infinity();
    // The tables of a fine library are made once for all spaxels of a galaxy.
    const std::size_t nSpaxels = table.fine ? 256 : 16;
    const WavelengthGrid window = grid.window(0, table.fine ? std::min<std::size_t>(grid.size, 64) : grid.size);
    Buffer<float> out(nSpaxels * window.size);
    for (int perNode = 1; perNode <= most; perNode *= 2) {
        const auto seconds = [&](bool dense) {
            return secondsFor(sampleStars(table, nSpaxels, std::size_t(perNode * nodes), nodes, dense), table, window,
                              out.data());
        };
        if (seconds(true) < seconds(false)) return perNode;
    }
    return std::numeric_limits<double>::infinity();
}

}  // namespace tessera
