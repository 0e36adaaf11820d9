// Projection on the sky: which spaxel a star falls into, and which spaxels the aperture keeps.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tessera/core/hd.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/cube.hpp"

namespace tessera {

inline constexpr std::uint32_t outsideField = 0xffffffffU;

// index = floor((coordinate + S/2) / d), d = S/n. -1 outside [0, n).
TESSERA_HD inline std::int64_t spaxelOfCoordinate(double coordinate, double spaxel, std::size_t n) {
    const double i = std::floor(coordinate / spaxel + 0.5 * double(n));
    return i >= 0 && i < double(n) ? std::int64_t(i) : -1;
}

// Spaxel [iy n + ix] of sky position (x, y) [kpc], or outsideField.
TESSERA_HD inline std::uint32_t spaxelOf(double x, double y, const SpaxelGrid& grid) {
    const std::int64_t ix = spaxelOfCoordinate(x, grid.spaxelKpc, grid.n);
    const std::int64_t iy = spaxelOfCoordinate(y, grid.spaxelKpc, grid.n);
    return ix < 0 || iy < 0 ? outsideField : std::uint32_t(iy * std::int64_t(grid.n) + ix);
}
// Empty. The nearest spaxel is a step function of position and spaxel size: its derivative is zero wherever there is one,
// and the light that jumps at the edges has none. Positions, the position angle and the kpc of a spaxel have therefore no
// part in a gradient through it. Derivation 5.
TESSERA_HD inline void spaxelOfAdjoint(double, double, const SpaxelGrid&, double&, double&) {}

// Whether the aperture of full width `fov` keeps the spaxel whose centre is at (x, y), both in arcsec from the field's
// centre. Hexagon: corner to corner `fov`, two corners on the x axis.
TESSERA_HD inline bool insideAperture(Aperture shape, double x, double y, double fov) {
    const double r = 0.5 * fov, tolerance = 1e-9 * fov;
    switch (shape) {
        case Aperture::square:
            return true;
        case Aperture::circle:
            return x * x + y * y <= sq(r + tolerance);
        case Aperture::hexagon: {
            const double ay = std::fabs(y), root3 = 1.7320508075688772;
            return ay <= 0.5 * root3 * r + tolerance && std::fabs(x) <= r - ay / root3 + tolerance;
        }
    }
    return false;
}

}  // namespace tessera
