// Centring and orientation: from box coordinates to the observer's frame (sky x, sky y, line of sight z away from the
// observer). Every rotation is proper (det = +1). Matrices act on column vectors, x' = R x; RUBIX's row-vector form
// x' = x M is R = transpose(M).
#pragma once

#include <cmath>

#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// Component of the nearest periodic image: d - L round(d / L). box 0: not periodic. [any length unit]
template <class T>
TESSERA_HD T nearestImage(T d, double box) {
    const T half = T(0.5 * box);
    if (!(box > 0) || (d > -half && d < half)) return d;  // most are, and round() is slow
    return d - T(box) * T(std::round(d / T(box)));
}
template <class T>
TESSERA_HD Vec3<T> nearestImage(const Vec3<T>& d, double box) {
    return {nearestImage(d.x, box), nearestImage(d.y, box), nearestImage(d.z, box)};
}

// Rotations by an angle [rad] about a coordinate axis, counter-clockwise for an observer who looks against the axis.
template <class T>
TESSERA_HD Mat3<T> rotationX(T a) {
    using std::cos, std::sin;
    return {{{T(1), T(0), T(0)}, {T(0), cos(a), -sin(a)}, {T(0), sin(a), cos(a)}}};
}
template <class T>
TESSERA_HD Mat3<T> rotationY(T a) {
    using std::cos, std::sin;
    return {{{cos(a), T(0), sin(a)}, {T(0), T(1), T(0)}, {-sin(a), T(0), cos(a)}}};
}
template <class T>
TESSERA_HD Mat3<T> rotationZ(T a) {
    using std::cos, std::sin;
    return {{{cos(a), -sin(a), T(0)}, {sin(a), cos(a), T(0)}, {T(0), T(0), T(1)}}};
}

// Euler angles in RUBIX's convention: row vectors, x' = x Rz(gamma) Ry(beta) Rx(alpha), angles in rad.
template <class T>
TESSERA_HD Mat3<T> eulerRotation(T alpha, T beta, T gamma) {
    return transpose(rotationZ(gamma) * rotationY(beta) * rotationX(alpha));
}

// Inclination i tilts the frame's z axis towards the sky's y axis by i; twist turns the galaxy about its own z axis
// before, position angle turns the image counter-clockwise after: Rz(pa) Rx(i) Rz(twist), angles in rad.
template <class T>
TESSERA_HD Mat3<T> viewRotation(T inclination, T positionAngle, T twist) {
    return rotationZ(positionAngle) * rotationX(inclination) * rotationZ(twist);
}

// The frame whose third axis is `axis` (need not be normalised, must not vanish). Its first axis is the box axis least
// aligned with it, made orthogonal: deterministic and continuous but where two box axes tie.
template <class T>
TESSERA_HD Mat3<T> frameOfAxis(const Vec3<T>& axis) {
    const Vec3<T> e3 = axis * (T(1) / norm(axis));
    int least = 0;
    for (int i = 1; i < 3; ++i)
        if (std::fabs(double(e3[i])) < std::fabs(double(e3[least]))) least = i;
    Vec3<T> e1;
    e1[least] = T(1);
    e1 -= e3 * e3[least];
    e1 *= T(1) / norm(e1);
    return {{e1, cross(e3, e1), e3}};
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
