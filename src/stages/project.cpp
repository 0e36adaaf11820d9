#include "tessera/physics/project.hpp"

#include <algorithm>
#include <cmath>

#include "stages/blocks.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/stages.hpp"

namespace tessera {

Projected project(Host exec, const Stars& stars, const GalaxyFrame& f, double boxSize, const SpaxelGrid& grid,
                  Doppler kind, double depth) {
    const std::size_t n = stars.size();
    Projected p;
    p.spaxel = Buffer<std::uint32_t>(n);
    p.shift = Buffer<float>(n);
    float low = INFINITY, high = -INFINITY;
    std::uint64_t inside = 0;
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static) reduction(min : low) reduction(max : high) \
    reduction(+ : inside)
    for (std::size_t i = 0; i < n; ++i) {
        const Vec3d x = f.rotation * nearestImage(stars.position[i] - f.centre, boxSize);
        const double v = dot(f.rotation.row[2], stars.velocity[i].to<double>() - f.velocity);
        p.spaxel[i] = depth > 0 && !(std::fabs(x.z) <= 0.5 * depth) ? outsideField : spaxelOf(x.x, x.y, grid);
        p.shift[i] = float(dopplerShift(v, kind));
        if (p.spaxel[i] == outsideField) continue;
        ++inside;
        low = std::min(low, p.shift[i]);
        high = std::max(high, p.shift[i]);
    }
    p.inside = inside;
    if (inside > 0) {
        p.shiftMin = low;
        p.shiftMax = high;
    }
    return p;
}

}  // namespace tessera
