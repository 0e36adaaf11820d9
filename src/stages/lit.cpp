// Which spaxels shine, and which their light can reach.
#include <algorithm>
#include <utility>

#include "tessera/stages.hpp"

namespace tessera {

void keepLit(BinnedStars& b) {
    std::vector<std::uint32_t> lit;
    const std::size_t all = b.start.size() - 1;
    for (std::size_t s = 0; s < all; ++s)
        if (b.start[s + 1] > b.start[s]) {
            b.start[lit.size()] = b.start[s];
            lit.push_back(std::uint32_t(s));
        }
    b.start[lit.size()] = b.start[all];
    b.start.shrink(lit.size() + 1);
    b.spaxel = std::move(lit);
}

std::vector<std::uint8_t> reached(const Optics& o, std::span<const std::uint32_t> lit) {
    const std::size_t n = o.n(), side = o.side(), width = 2 * o.pad() + 1;
    // Along x, then along y: counts of lit spaxels within the radius.
    std::vector<std::uint8_t> rows(side * n, 0), out(n * n, 0);
    for (const std::uint32_t s : lit) {
        const std::size_t x = s % side;
        std::fill(rows.begin() + std::ptrdiff_t(s / side * n + (x + 1 > width ? x + 1 - width : 0)),
                  rows.begin() + std::ptrdiff_t(s / side * n + std::min(x + 1, n)), std::uint8_t(1));
    }
    for (std::size_t x = 0; x < n; ++x)
        for (std::size_t y = 0; y < side; ++y)
            if (rows[y * n + x])
                for (std::size_t i = y + 1 > width ? y + 1 - width : 0; i < std::min(y + 1, n); ++i) out[i * n + x] = 1;
    return out;
}

}  // namespace tessera
