// Places of a block of stars relative to a centre: nearestImage() of physics/orient.hpp, operation by operation.
#pragma once

#include <cstdint>

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

struct Column {
    double value[skyBlock];
};

// d -= box round(d / box), which is nothing within half a box, and one box up to three halves of it (less a margin for
// the rounding of the quotient).
void wrap(Column& d, std::size_t n, double box) {
    const double half = 0.5 * box, far = 1.25 * box;
    std::int64_t outside = 0, distant = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const double size = __builtin_fabs(d.value[k]);
        outside |= std::int64_t(!(size < half));
        distant |= std::int64_t(!(size < far));
    }
    if (outside == 0) return;
    if (distant == 0) {
        for (std::size_t k = 0; k < n; ++k) d.value[k] -= d.value[k] >= half ? box : d.value[k] <= -half ? -box : 0.0;
        return;
    }
    for (std::size_t k = 0; k < n; ++k)
        if (!(d.value[k] > -half && d.value[k] < half)) d.value[k] -= box * __builtin_round(d.value[k] / box);
}

void relative(const double* position, std::size_t n, const double* centre, double box, Column& x, Column& y,
              Column& z) {
    for (std::size_t k = 0; k < n; ++k) {
        x.value[k] = position[3 * k] - centre[0];
        y.value[k] = position[3 * k + 1] - centre[1];
        z.value[k] = position[3 * k + 2] - centre[2];
    }
    if (box > 0) {
        wrap(x, n, box);
        wrap(y, n, box);
        wrap(z, n, box);
    }
}

}  // namespace

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
