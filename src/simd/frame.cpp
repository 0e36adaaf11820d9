// What the systemic velocity and the orientation are found from: frameSums() of physics/orient.hpp, whose terms are summed in
// four lanes, star k in lane k % 4, without contraction: one result on every machine. Test: test_star_kernels.
#include "simd/nearest.hpp"
#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

constexpr std::size_t lanes = 4;

using Lanes = stdx::fixed_size_simd<double, lanes>;

Lanes at(const Column& c, std::size_t k) {
    return Lanes(c.value + k, stdx::element_aligned);
}

}  // namespace

void sumFrame(FrameArgs& a) {
    Lanes sums[13] = {};
    Column x, y, z, u, v, w, m;
    for (std::size_t first = 0; first < a.n; first += skyBlock) {
        const std::size_t n = a.n - first < skyBlock ? a.n - first : skyBlock;
        relative(a.position + 3 * first, n, a.centre, a.box, x, y, z);
        const float* velocity = a.velocity + 3 * first;
        for (std::size_t k = 0; k < n; ++k) {
            u.value[k] = double(velocity[3 * k]);
            v.value[k] = double(velocity[3 * k + 1]);
            w.value[k] = double(velocity[3 * k + 2]);
            const double r2 = x.value[k] * x.value[k] + y.value[k] * y.value[k] + z.value[k] * z.value[k];
            m.value[k] = r2 > a.radius2 ? 0.0 : double(a.mass[first + k]);
        }
        for (std::size_t k = n; k % lanes != 0; ++k)
            x.value[k] = y.value[k] = z.value[k] = u.value[k] = v.value[k] = w.value[k] = m.value[k] = 0;
        for (std::size_t k = 0; k < n; k += lanes) {
            const Lanes mass = at(m, k), dx = at(x, k), dy = at(y, k), dz = at(z, k);
            Lanes vx = at(u, k), vy = at(v, k), vz = at(w, k);
            sums[0] += mass;
            sums[1] += vx * mass;
            sums[2] += vy * mass;
            sums[3] += vz * mass;
            vx -= a.velocityZero[0];
            vy -= a.velocityZero[1];
            vz -= a.velocityZero[2];
            sums[4] += (dy * vz - dz * vy) * mass;
            sums[5] += (dz * vx - dx * vz) * mass;
            sums[6] += (dx * vy - dy * vx) * mass;
            const Lanes mx = mass * dx, my = mass * dy;
            sums[7] += mx * dx;
            sums[8] += my * dy;
            sums[9] += mass * dz * dz;
            sums[10] += mx * dy;
            sums[11] += mx * dz;
            sums[12] += my * dz;
        }
    }
    for (std::size_t i = 0; i < 13; ++i) {
        const Lanes s = sums[i];
        a.sums[i] = (s[0] + s[1]) + (s[2] + s[3]);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
