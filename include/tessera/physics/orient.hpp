// Centring and orientation: from box coordinates to the observer's frame (sky x, sky y, line of sight z away from the
// observer). Every rotation is proper (det = +1). Matrices act on column vectors, x' = R x; RUBIX's row-vector form
// x' = x M is R = transpose(M).
//
// Adjoints: x_bar += J^T y_bar, numbers of the derivations in docs/adjoints.md. The frame that a galaxy's own stars define
// (face-on, edge-on) is held fixed: see frameOfAxis().
#pragma once

#include <cmath>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// Component of the nearest periodic image: d - L round(d / L). box 0: not periodic. [any length unit]
template <class T>
TESSERA_HD T nearestImage(T d, double box) {
    using std::round;
    const T half = T(0.5 * box);
    if (!(box > 0) || (d > -half && d < half)) return d;  // most are, and round() is slow
    return d - T(box) * round(d / T(box));
}
// Slope 1 but at the jumps, half a box away. Derivation 1.
template <class T>
TESSERA_HD void nearestImageAdjoint(T, double, T& dBar, T imageBar) {
    dBar += imageBar;
}
template <class T>
TESSERA_HD Vec3<T> nearestImage(const Vec3<T>& d, double box) {
    return {nearestImage(d.x, box), nearestImage(d.y, box), nearestImage(d.z, box)};
}

// y = M x. Derivation 2: M_bar += y_bar x^T, x_bar += M^T y_bar.
template <class T>
TESSERA_HD void rotateAdjoint(const Mat3<T>& m, const Vec3<T>& x, Mat3<T>& mBar, Vec3<T>& xBar, const Vec3<T>& yBar) {
    for (int i = 0; i < 3; ++i) {
        mBar.row[i] += x * yBar[i];
        xBar += m.row[i] * yBar[i];
    }
}
// C = A B. Derivation 2: A_bar += C_bar B^T, B_bar += A^T C_bar.
template <class T>
TESSERA_HD void productAdjoint(const Mat3<T>& a, const Mat3<T>& b, Mat3<T>& aBar, Mat3<T>& bBar, const Mat3<T>& cBar) {
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            aBar.row[i][j] += dot(cBar.row[i], b.row[j]);
            bBar.row[i] += cBar.row[j] * a.row[j][i];
        }
}
template <class T>
TESSERA_HD constexpr Mat3<T> zeroMatrix() {
    return {{{T(0), T(0), T(0)}, {T(0), T(0), T(0)}, {T(0), T(0), T(0)}}};
}

// Rotations by an angle [rad] about a coordinate axis, counter-clockwise for an observer who looks against the axis.
template <class T>
TESSERA_HD Mat3<T> rotationX(T a) {
    using std::cos, std::sin;
    return {{{T(1), T(0), T(0)}, {T(0), cos(a), -sin(a)}, {T(0), sin(a), cos(a)}}};
}
// Derivation 3: a_bar += sum of R_bar times dR/da.
template <class T>
TESSERA_HD void rotationXAdjoint(T a, T& aBar, const Mat3<T>& rBar) {
    using std::cos, std::sin;
    aBar += cos(a) * (rBar.row[2].y - rBar.row[1].z) - sin(a) * (rBar.row[1].y + rBar.row[2].z);
}
template <class T>
TESSERA_HD Mat3<T> rotationY(T a) {
    using std::cos, std::sin;
    return {{{cos(a), T(0), sin(a)}, {T(0), T(1), T(0)}, {-sin(a), T(0), cos(a)}}};
}
template <class T>
TESSERA_HD void rotationYAdjoint(T a, T& aBar, const Mat3<T>& rBar) {
    using std::cos, std::sin;
    aBar += cos(a) * (rBar.row[0].z - rBar.row[2].x) - sin(a) * (rBar.row[0].x + rBar.row[2].z);
}
template <class T>
TESSERA_HD Mat3<T> rotationZ(T a) {
    using std::cos, std::sin;
    return {{{cos(a), -sin(a), T(0)}, {sin(a), cos(a), T(0)}, {T(0), T(0), T(1)}}};
}
template <class T>
TESSERA_HD void rotationZAdjoint(T a, T& aBar, const Mat3<T>& rBar) {
    using std::cos, std::sin;
    aBar += cos(a) * (rBar.row[1].x - rBar.row[0].y) - sin(a) * (rBar.row[0].x + rBar.row[1].y);
}

// Euler angles in RUBIX's convention: row vectors, x' = x Rz(gamma) Ry(beta) Rx(alpha), angles in rad.
template <class T>
TESSERA_HD Mat3<T> eulerRotation(T alpha, T beta, T gamma) {
    return transpose(rotationZ(gamma) * rotationY(beta) * rotationX(alpha));
}
template <class T>
TESSERA_HD void eulerRotationAdjoint(T alpha, T beta, T gamma, T& alphaBar, T& betaBar, T& gammaBar,
                                     const Mat3<T>& rBar) {
    const Mat3<T> x = rotationX(alpha), y = rotationY(beta), z = rotationZ(gamma);
    Mat3<T> xBar = zeroMatrix<T>(), yBar = xBar, zBar = xBar, zyBar = xBar;
    productAdjoint(z * y, x, zyBar, xBar, transpose(rBar));
    productAdjoint(z, y, zBar, yBar, zyBar);
    rotationXAdjoint(alpha, alphaBar, xBar);
    rotationYAdjoint(beta, betaBar, yBar);
    rotationZAdjoint(gamma, gammaBar, zBar);
}

// Inclination i tilts the frame's z axis towards the sky's y axis by i; twist turns the galaxy about its own z axis
// before, position angle turns the image counter-clockwise after: Rz(pa) Rx(i) Rz(twist), angles in rad.
template <class T>
TESSERA_HD Mat3<T> viewRotation(T inclination, T positionAngle, T twist) {
    return rotationZ(positionAngle) * rotationX(inclination) * rotationZ(twist);
}
template <class T>
TESSERA_HD void viewRotationAdjoint(T inclination, T positionAngle, T twist, T& inclinationBar, T& positionAngleBar,
                                    T& twistBar, const Mat3<T>& rBar) {
    const Mat3<T> p = rotationZ(positionAngle), i = rotationX(inclination), t = rotationZ(twist);
    Mat3<T> pBar = zeroMatrix<T>(), iBar = pBar, tBar = pBar, piBar = pBar;
    productAdjoint(p * i, t, piBar, tBar, rBar);
    productAdjoint(p, i, pBar, iBar, piBar);
    rotationXAdjoint(inclination, inclinationBar, iBar);
    rotationZAdjoint(positionAngle, positionAngleBar, pBar);
    rotationZAdjoint(twist, twistBar, tBar);
}

// The frame whose third axis is `axis` (need not be normalised, must not vanish). Its first axis is the box axis least
// aligned with it, made orthogonal: deterministic and continuous but where two box axes tie.
template <class T>
TESSERA_HD Mat3<T> frameOfAxis(const Vec3<T>& axis) {
    const Vec3<T> e3 = axis * (T(1) / norm(axis));
    int least = 0;
    for (int i = 1; i < 3; ++i)
        if (std::fabs(valueOf(e3[i])) < std::fabs(valueOf(e3[least]))) least = i;
    Vec3<T> e1;
    e1[least] = T(1);
    e1 -= e3 * e3[least];
    e1 *= T(1) / norm(e1);
    return {{e1, cross(e3, e1), e3}};
}
// Derivation 4. The axis of view.line_of_sight is an input like any other. Where the axis is the spin of the galaxy's own
// stars the pipeline does not go on from here to their masses, positions and velocities: a gradient is taken at a fixed
// frame, as an observer would turn the image, and a star's velocity does not act on the others'.
template <class T>
TESSERA_HD void normaliseAdjoint(const Vec3<T>& x, Vec3<T>& xBar, const Vec3<T>& unitBar) {
    const T inverse = T(1) / norm(x);
    const Vec3<T> e = x * inverse;
    xBar += (unitBar - e * dot(e, unitBar)) * inverse;
}
template <class T>
TESSERA_HD void frameOfAxisAdjoint(const Vec3<T>& axis, Vec3<T>& axisBar, const Mat3<T>& frameBar) {
    const Mat3<T> f = frameOfAxis(axis);
    const Vec3<T>&e1 = f.row[0], &e3 = f.row[2];
    int least = 0;
    for (int i = 1; i < 3; ++i)
        if (std::fabs(valueOf(e3[i])) < std::fabs(valueOf(e3[least]))) least = i;
    // e2 = e3 x e1
    Vec3<T> e1Bar = frameBar.row[0] + cross(frameBar.row[1], e3), e3Bar = frameBar.row[2] + cross(e1, frameBar.row[1]);
    // e1 = normalise(u), u = unit vector of `least` - e3 e3[least]
    Vec3<T> u, uBar;
    u[least] = T(1);
    u -= e3 * e3[least];
    normaliseAdjoint(u, uBar, e1Bar);
    e3Bar -= uBar * e3[least];
    e3Bar[least] -= dot(uBar, e3);
    normaliseAdjoint(axis, axisBar, e3Bar);
}

// Angular momentum m x cross v of one star about the centre [Msun kpc km/s].
template <class T>
TESSERA_HD Vec3<T> angularMomentum(T mass, const Vec3<T>& x, const Vec3<T>& v) {
    return cross(x, v) * mass;
}

// Second moments m x_i x_j of one star [Msun kpc^2]; the shape tensor is their sum. Its eigenvectors are those of the
// inertia tensor I = tr(S) 1 - S, and the largest moment of inertia belongs to the smallest eigenvalue of S.
template <class T>
struct Symmetric3 {
    T xx{}, yy{}, zz{}, xy{}, xz{}, yz{};

    TESSERA_HD constexpr Symmetric3& operator+=(const Symmetric3& o) {
        xx += o.xx;
        yy += o.yy;
        zz += o.zz;
        xy += o.xy;
        xz += o.xz;
        yz += o.yz;
        return *this;
    }
};
template <class T>
TESSERA_HD Symmetric3<T> secondMoments(T m, const Vec3<T>& x) {
    return {m * x.x * x.x, m * x.y * x.y, m * x.z * x.z, m * x.x * x.y, m * x.x * x.z, m * x.y * x.z};
}

// What the systemic velocity and the orientation are found from, summed over stars.
struct FrameSums {
    double mass = 0;       // [Msun]
    Vec3d momentum, spin;  // of m v [Msun km/s]; of m x cross (v - velocity) [Msun kpc km/s]
    Symmetric3<double> second;

    TESSERA_HD FrameSums& operator+=(const FrameSums& o) {
        mass += o.mass;
        momentum += o.momentum;
        spin += o.spin;
        second += o.second;
        return *this;
    }
};
// Of one star at x [kpc] and v [km/s].
TESSERA_HD inline FrameSums frameSums(double m, const Vec3d& x, const Vec3d& v, const Vec3d& velocity) {
    return {m, v * m, angularMomentum(m, x, v - velocity), secondMoments(m, x)};
}

}  // namespace tessera
