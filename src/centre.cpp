#include "tessera/centre.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

Vec3d centreOfMass(const Stars& stars, const std::vector<std::size_t>& chosen) {
    double mass = 0;
    for (const std::size_t i : chosen) mass += stars.mass[i];
    const bool massless = !(mass > 0);
    if (massless) mass = double(chosen.size());
    // Positions relative to one of the stars: a galaxy is small and may lie far from the box's origin.
    const Vec3d origin = stars.position[chosen.front()];
    Vec3d sum;
    for (const std::size_t i : chosen) sum += (stars.position[i] - origin) * (massless ? 1.0 : double(stars.mass[i]));
    return origin + sum * (1 / mass);
}

}  // namespace

Vec3d densestPoint(const Stars& stars) {
    if (stars.size() == 0) throw Error("the densest point of a galaxy without stars");
    constexpr double shrink = 0.9;
    const std::size_t fewest = std::clamp<std::size_t>(stars.size() / 100, 10, 1000);

    std::vector<std::size_t> inside(stars.size()), next;
    std::iota(inside.begin(), inside.end(), std::size_t(0));
    Vec3d centre = centreOfMass(stars, inside);
    double radius = 0;
    for (const std::size_t i : inside) radius = std::max(radius, norm(stars.position[i] - centre));
    // Each turn drops the stars outside for good, so the turns together cost little more than the first.
    while (inside.size() > fewest && radius > 0) {
        radius *= shrink;
        next.clear();
        for (const std::size_t i : inside)
            if (norm(stars.position[i] - centre) <= radius) next.push_back(i);
        if (next.empty()) break;
        if (next.size() < inside.size()) centre = centreOfMass(stars, next);
        inside.swap(next);
    }
    return centre;
}

}  // namespace tessera
