// Projection on the sky: which spaxel a star falls into, or how its footprint is shared among spaxels, and which spaxels the
// aperture keeps.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tessera/core/dual.hpp"
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

// Footprint "cic": a star is a uniform square of a spaxel's size d about its position. Along each axis it covers two spaxels:
// u = coordinate/d + n/2 - 1/2, lower = floor(u), with the share u - lower in spaxel lower + 1 and the rest in `lower`. A
// spaxel's share is the product of both axes'. lower may lie far outside [0, n).
template <Real T>
struct CloudAxis {
    double lower;
    T upper;  // share of spaxel lower + 1
};
template <Real T>
TESSERA_HD CloudAxis<T> cloudAxis(T coordinate, T spaxel, std::size_t n) {
    const T u = coordinate / spaxel + (0.5 * double(n) - 0.5);
    const double lower = std::floor(valueOf(u));
    return {lower, u - lower};
}
// d upper = d coordinate / d - coordinate/d^2 dd. Where a star stands on the centre of a spaxel, upper has a kink: the slope is that
// of the side above. Derivation 19.
template <Real T>
TESSERA_HD void cloudAxisAdjoint(T coordinate, T spaxel, T& coordinateBar, T& spaxelBar, T upperBar) {
    coordinateBar += upperBar / spaxel;
    spaxelBar -= upperBar * coordinate / (spaxel * spaxel);
}

// Footprint "sph": W(q) of the cubic spline kernel in space, q the distance in units of the smoothing length h, which is where
// it ends: 8/pi (1 - 6 q^2 + 6 q^3) below 1/2, 16/pi (1 - q)^3 to 1; its integral over space is 1 (Springel 2005, MNRAS 364, 1105,
// eq. 4).
template <Real T>
TESSERA_HD T cubicSpline(T q) {
    constexpr double norm = 2.546479089470325372;  // 8/pi
    if (!(q < 1)) return T(0);
    const T p = 1 - q;
    return q < 0.5 ? norm * (1 - 6 * q * q * p) : 2 * norm * p * p * p;
}

// Seen along a line of sight, the kernel's part over the rectangle from its centre to (a, b), in units of h, is Q(a, b): odd in
// both, and constant beyond 1, where Q(1, 1) = 1/4. The rectangle between two edges in x and two in y holds Q(x1, y1) - Q(x0, y1) -
// Q(x1, y0) + Q(x0, y0), so that shares of adjoining spaxels sum to 1 exactly. Q is given as a bicubic B-spline of `cells`
// cells on [0, 1] in each direction: coefficients[(cells + 3)^2], row-major, number 0 belonging to -1/cells.
struct KernelTable {
    const double* coefficients = nullptr;
    int cells = 0;
};
// The spline's four basis functions at an edge a = (edge - coordinate)/h, and their slopes in a.
template <Real T>
struct KernelEdge {
    int first = 0;
    T basis[4]{}, slope[4]{};
};
template <Real T>
TESSERA_HD KernelEdge<T> kernelEdge(T a, int cells) {
    KernelEdge<T> e;
    const bool negative = a < 0;
    const T u = negative ? -a : a;
    const bool outside = !(u < 1);
    const T at = outside ? T(cells) : u * double(cells);
    e.first = outside ? cells - 1 : int(valueOf(at));
    if (e.first >= cells) e.first = cells - 1;
    const T f = at - double(e.first), g = 1 - f;
    e.basis[0] = g * g * g / 6;
    e.basis[1] = (3 * f * f * f - 6 * f * f + 4) / 6;
    e.basis[2] = (3 * g * g * g - 6 * g * g + 4) / 6;
    e.basis[3] = f * f * f / 6;
    if (!outside) {  // of an odd function the slope is even
        e.slope[0] = -double(cells) / 2 * g * g;
        e.slope[1] = double(cells) / 2 * (3 * f * f - 4 * f);
        e.slope[2] = -double(cells) / 2 * (3 * g * g - 4 * g);
        e.slope[3] = double(cells) / 2 * f * f;
    }
    if (negative)
        for (T& b : e.basis) b = -b;
    return e;
}
// Q at the edges x and y.
template <Real T>
TESSERA_HD T kernelCorner(const KernelTable& t, const KernelEdge<T>& x, const KernelEdge<T>& y) {
    T sum(0);
    for (int i = 0; i < 4; ++i) {
        const double* c = t.coefficients + (y.first + i) * (t.cells + 3) + x.first;
        sum += y.basis[i] * (x.basis[0] * c[0] + x.basis[1] * c[1] + x.basis[2] * c[2] + x.basis[3] * c[3]);
    }
    return sum;
}
// a_bar += Q_bar dQ/da, b_bar += Q_bar dQ/db for the positions a and b of the edges x and y. Derivation 20.
template <Real T>
TESSERA_HD void kernelCornerAdjoint(const KernelTable& t, const KernelEdge<T>& x, const KernelEdge<T>& y, T& aBar,
                                    T& bBar, T cornerBar) {
    for (int i = 0; i < 4; ++i) {
        const double* c = t.coefficients + (y.first + i) * (t.cells + 3) + x.first;
        T value(0), slope(0);
        for (int k = 0; k < 4; ++k) {
            value += x.basis[k] * c[k];
            slope += x.slope[k] * c[k];
        }
        aBar += cornerBar * y.basis[i] * slope;
        bBar += cornerBar * y.slope[i] * value;
    }
}

// Where the lower edge of spaxel i stands as the kernel sees it: a = ((i - n/2) d - coordinate)/h.
template <Real T>
TESSERA_HD T edgeFromStar(double i, T coordinate, T smoothing, T spaxel, std::size_t n) {
    return ((i - 0.5 * double(n)) * spaxel - coordinate) / smoothing;
}
// Derivation 20.
template <Real T>
TESSERA_HD void edgeFromStarAdjoint(double i, T coordinate, T smoothing, T spaxel, std::size_t n, T& coordinateBar,
                                    T& smoothingBar, T& spaxelBar, T edgeBar) {
    coordinateBar -= edgeBar / smoothing;
    smoothingBar -= edgeBar * edgeFromStar(i, coordinate, smoothing, spaxel, n) / smoothing;
    spaxelBar += edgeBar * (i - 0.5 * double(n)) / smoothing;
}

// Below so many spaxels' widths a smoothing length is that of a point.
inline constexpr double narrowestKernel = 1e-9;

// Derivatives of a piece's share in the star's position on the sky [1/kpc], its smoothing length and the size of a spaxel [1/kpc].
struct PieceSlope {
    double x, y, smoothing, spaxel;
};
// The share that a spaxel of its footprint has of a star at (x, y) [kpc], with its slopes. The same as Spread of stages/, which
// makes all pieces of a star at once. Derivations 19 and 20.
struct PieceShare {
    double share;
    PieceSlope slope;
};
TESSERA_HD inline PieceShare pieceShare(FootprintKind kind, const KernelTable& table, const SpaxelGrid& grid, double x,
                                        double y, double smoothing, std::uint32_t spaxel) {
    const std::size_t n = grid.n;
    const double d = grid.spaxelKpc, ix = double(spaxel % n), iy = double(spaxel / n);
    PieceShare p{1, {0, 0, 0, 0}};
    PieceSlope& s = p.slope;
    if (kind == FootprintKind::cloudInCell) {
        const CloudAxis<double> ax = cloudAxis(x, d, n), ay = cloudAxis(y, d, n);
        const bool upperX = ix > ax.lower, upperY = iy > ay.lower;
        const double sx = upperX ? ax.upper : 1 - ax.upper, sy = upperY ? ay.upper : 1 - ay.upper;
        p.share = sx * sy;
        cloudAxisAdjoint(x, d, s.x, s.spaxel, upperX ? sy : -sy);
        cloudAxisAdjoint(y, d, s.y, s.spaxel, upperY ? sx : -sx);
    } else if (kind == FootprintKind::sph && smoothing > narrowestKernel * d) {
        p.share = 0;
        TESSERA_NO_UNROLL
        for (int corner = 0; corner < 4; ++corner) {
            const int i = corner % 2, j = corner / 2;
            const double sign = i == j ? 1 : -1;
            const KernelEdge<double> ex = kernelEdge(edgeFromStar(ix + i, x, smoothing, d, n), table.cells),
                                     ey = kernelEdge(edgeFromStar(iy + j, y, smoothing, d, n), table.cells);
            double a = 0, b = 0;
            p.share += sign * kernelCorner(table, ex, ey);
            kernelCornerAdjoint(table, ex, ey, a, b, sign);
            edgeFromStarAdjoint(ix + i, x, smoothing, d, n, s.x, s.smoothing, s.spaxel, a);
            edgeFromStarAdjoint(iy + j, y, smoothing, d, n, s.y, s.smoothing, s.spaxel, b);
        }
    }
    return p;
}

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
