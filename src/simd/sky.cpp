// Stars on the sky: the arithmetic of nearestImage() (physics/orient.hpp), spaxelOf() (physics/project.hpp) and dopplerShift()
// (physics/doppler.hpp) once more, operation by operation and without contraction: a star at the edge of a spaxel falls on the
// same side on every machine. Plain loops over a block, which the compiler vectorises. Test: test_kernels.
#include <cstdint>

#include "simd/nearest.hpp"
#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

// Least and largest of the shifts inside.
void range(SkyArgs& a, const float* low, const float* high) {
    Vf least = load(low), most = load(high);
    for (std::size_t k = W; k < skyBlock; k += W) {
        least = stdx::min(least, load(low + k));
        most = stdx::max(most, load(high + k));
    }
    a.low = stdx::hmin(least);
    a.high = stdx::hmax(most);
}

}  // namespace

void sky(SkyArgs& a) {
    constexpr float inf = __builtin_inff();
    const std::size_t n = a.n;
    Column dx, dy, dz;
    relative(a.position, n, a.centre, a.box, dx, dy, dz);
    const double x0 = a.axes[0][0], x1 = a.axes[0][1], x2 = a.axes[0][2];
    const double y0 = a.axes[1][0], y1 = a.axes[1][1], y2 = a.axes[1][2];
    const double z0 = a.axes[2][0], z1 = a.axes[2][1], z2 = a.axes[2][2];
    const double size = a.spaxelKpc, side = double(a.side), middle = 0.5 * side, depth = a.halfDepth;
    alignas(64) std::uint32_t in[skyBlock];
    for (std::size_t k = 0; k < n; ++k) {
        const double x = dx.value[k], y = dy.value[k], z = dz.value[k];
        const double ix = __builtin_floor((x0 * x + x1 * y + x2 * z) / size + middle);
        const double iy = __builtin_floor((y0 * x + y1 * y + y2 * z) / size + middle);
        const double deep = __builtin_fabs(z0 * x + z1 * y + z2 * z);
        const bool inside = (ix >= 0) & (ix < side) & (iy >= 0) & (iy < side) & (deep <= depth);
        const auto column = std::uint32_t(std::int32_t(inside ? ix : 0)),
                   row = std::uint32_t(std::int32_t(inside ? iy : 0));
        in[k] = inside;
        a.spaxel[k] = inside ? row * std::uint32_t(a.side) + column : outsideOfSky;
    }
    const double v0 = a.velocityZero[0], v1 = a.velocityZero[1], v2 = a.velocityZero[2];
    std::int64_t fast = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const double speed = z0 * (double(a.velocity[3 * k]) - v0) + z1 * (double(a.velocity[3 * k + 1]) - v1) +
                             z2 * (double(a.velocity[3 * k + 2]) - v2);
        const double beta = speed * a.inverseC, b2 = beta * beta;
        fast |= std::int64_t(!(beta < 0.02)) | std::int64_t(!(beta > -0.02));
        a.speed[k] = speed;
        a.shift[k] = float(beta * (1 + b2 * (1. / 3 + b2 * (0.2 + b2 * (1. / 7 + b2 * (1. / 9))))));
    }
    a.slow = fast == 0;
    alignas(64) float low[skyBlock], high[skyBlock];
    std::uint32_t count = 0;
    for (std::size_t k = 0; k < n; ++k) {
        low[k] = in[k] != 0 ? a.shift[k] : inf;
        high[k] = in[k] != 0 ? a.shift[k] : -inf;
        count += in[k];
    }
    for (std::size_t k = n; k < skyBlock; ++k) {
        low[k] = inf;
        high[k] = -inf;
    }
    a.inside = count;
    range(a, low, high);
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
