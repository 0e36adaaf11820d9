#include "tessera/centre.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

struct WeightedPosition {
    double mass = 0;
    Vec3d moment;  // about the origin
    double stars = 0;
    Vec3d positions;
    WeightedPosition& operator+=(const WeightedPosition& o) {
        mass += o.mass;
        moment += o.moment;
        stars += o.stars;
        positions += o.positions;
        return *this;
    }
    // Where all masses are zero, numbers are the weights.
    Vec3d centre(const Vec3d& origin) const {
        return origin + (mass > 0 ? moment * (1 / mass) : positions * (1 / stars));
    }
};

// The galaxy's first star, whichever process has it: positions relative to it are small numbers.
Vec3d firstStar(const Stars& stars, const Gather& gather) {
    std::vector<double> mine;
    if (stars.size() > 0)
        for (int k = 0; k < 3; ++k) mine.push_back(stars.position[0][k]);
    mine = gather(mine);
    if (mine.empty()) throw Error("the densest point of a galaxy without stars");
    return {mine[0], mine[1], mine[2]};
}

}  // namespace

Vec3d densestPoint(const Stars& stars, const Gather& gather) {
    constexpr double shrink = 0.9;
    const Vec3d origin = firstStar(stars, gather);
    const std::vector<std::size_t> blocks = rowBlocks(stars);
    std::vector<std::size_t> inside(stars.size()), next;
    std::iota(inside.begin(), inside.end(), std::size_t(0));
    const auto sum = [&](const std::vector<std::size_t>& chosen) {
        std::vector<WeightedPosition> partial(blocks.size() - 1);
        std::size_t block = 0;
        for (const std::size_t i : chosen) {
            while (i >= blocks[block + 1]) ++block;
            const Vec3d x = stars.position[i] - origin;
            partial[block] += {double(stars.mass[i]), x * double(stars.mass[i]), 1, x};
        }
        return sumInOrder(partial, gather);
    };
    WeightedPosition total = sum(inside);
    const double fewest = std::clamp(std::floor(total.stars / 100), 10.0, 1000.0);
    Vec3d centre = total.centre(origin);
    double radius = 0;
    for (const std::size_t i : inside) radius = std::max(radius, norm(stars.position[i] - centre));
    for (const double r : gather({radius})) radius = std::max(radius, r);
    // Each turn drops the stars outside for good, so the turns together cost little more than the first.
    while (total.stars > fewest && radius > 0) {
        radius *= shrink;
        next.clear();
        for (const std::size_t i : inside)
            if (norm(stars.position[i] - centre) <= radius) next.push_back(i);
        const WeightedPosition left = sum(next);
        if (!(left.stars > 0)) break;
        if (left.stars < total.stars) centre = left.centre(origin);
        total = left;
        inside.swap(next);
    }
    return centre;
}

}  // namespace tessera
