// From the cotangent of a star's record (template weights, mass, shift) to those of what the user gives (mass, log10 age,
// metallicity, velocity, and with a footprint position and smoothing length) and of the view. Derivations 2, 6, 7, 19 and 20 of
// docs/adjoints.md.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera {

// Cotangent or tangent of a piece: a star's light in one spaxel; without a footprint a star is one. velocity [km/s] along the line
// of sight: what is not in the shift.
struct PieceBar {
    float mass, logAge, metallicity, shift, velocity;
};

// What the stars say of the view: sums of cotangents.
struct ViewSums {
    double velocity = 0;   // of line-of-sight velocities v = R_z . (v_i - v_sys)
    double shift = 0;      // of shifts
    double light = 0;      // of mass times its cotangent
    double spaxel = 0;     // of the size of a spaxel [1/kpc]
    double smoothing = 0;  // of all smoothing lengths [1/kpc]
    Vec3d centre;          // of the galaxy's centre [1/kpc]
    Mat3d rotation{{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}};
    TESSERA_HD ViewSums& operator+=(const ViewSums& o) {
        velocity += o.velocity;
        shift += o.shift;
        light += o.light;
        spaxel += o.spaxel;
        smoothing += o.smoothing;
        centre += o.centre;
        for (int i = 0; i < 3; ++i) rotation.row[i] += o.rotation.row[i];
        return *this;
    }
};

// The cotangents of one star, summed over its pieces. Derivations 2, 6, 7, 19 and 20.
struct StarSums {
    double mass = 0, logAge = 0, metallicity = 0, shift = 0, velocity = 0;
    double x = 0, y = 0, smoothing = 0, spaxel = 0;

    TESSERA_HD void add(const PieceBar& b, double share) {
        mass += share * double(b.mass);
        logAge += double(b.logAge);
        metallicity += double(b.metallicity);
        shift += double(b.shift);
        velocity += double(b.velocity);
    }
    // The share of the star's light moves with it.
    TESSERA_HD void add(const PieceBar& b, double share, const PieceSlope& slope, double starMass) {
        const double shareBar = starMass * double(b.mass);
        x += slope.x * shareBar;
        y += slope.y * shareBar;
        smoothing += slope.smoothing * shareBar;
        spaxel += slope.spaxel * shareBar;
        add(b, share);
    }
};
// What a star says of the view, and the cotangents of its position and velocity. relative [kpc], velocity [km/s]: less the galaxy's.
struct StarOfView {
    ViewSums sums;
    Vec3d position, velocity;
};
TESSERA_HD inline StarOfView starOfView(const StarSums& s, double mass, const Vec3d& relative, const Vec3d& velocity,
                                        const Mat3d& rotation, Doppler doppler) {
    StarOfView out;
    ViewSums& sums = out.sums;
    sums.velocity = s.velocity;
    sums.shift = s.shift;
    sums.light = mass * s.mass;
    sums.spaxel = s.spaxel;
    sums.smoothing = s.smoothing;
    dopplerShiftAdjoint(dot(rotation.row[2], velocity), sums.velocity, s.shift, doppler);
    out.position = rotation.row[0] * s.x + rotation.row[1] * s.y;
    out.velocity = rotation.row[2] * sums.velocity;
    sums.centre = out.position * -1.0;
    sums.rotation.row[0] = relative * s.x;
    sums.rotation.row[1] = relative * s.y;
    sums.rotation.row[2] = velocity * sums.velocity;
    return out;
}

// d fraction / d value in the cells of one axis of the library, and the values that lie on it.
struct AxisSlopes {
    const float* slope = nullptr;  // [cells]
    float low = 0, high = 0;

    TESSERA_HD bool outside(float value) const { return !(value >= low) || value > high; }
};

// d fraction / d (log10 age) and / d metallicity of a star; 0 where it is clamped.
struct RecordSlope {
    float age, z;
    bool dark;  // RUBIX: outside the library's grid
};

// The cell is the record's, so that a star at a grid point has the slope on the side on which it was observed.
struct RecordSlopes {
    int nAge = 1;
    bool rubix = false;
    AxisSlopes age, z;

    TESSERA_HD RecordSlope operator()(const StarRecord& r) const {
        const bool noAge = age.outside(r.age), noZ = z.outside(r.metallicity);
        RecordSlope s{noAge ? 0 : age.slope[r.corner % nAge], 0, rubix && !(r.mass > 0) && (noAge || noZ)};
        if (noZ) return s;
        const float cell = z.slope[r.corner / nAge];
        if (rubix)
            s.z = cell;
        else
            logMetallicityAdjoint(r.metallicity, s.z, cell);
        return s;
    }
};

// The slopes of one axis of the library. limit(x): the value that a point of the axis stands for.
struct AxisSlopeTable {
    std::vector<float> slope;
    float low = 0, high = 0;

    template <class Limit>
    AxisSlopeTable(const std::vector<double>& axis, Limit limit) {
        constexpr double rounding = 5e-7;  // of logarithms in single precision
        low = float(limit(axis.front()) * (1 - rounding));
        high = float(limit(axis.back()) * (1 + rounding));
        for (std::size_t i = 0; i + 1 < axis.size(); ++i) slope.push_back(float(1 / (axis[i + 1] - axis[i])));
        if (slope.empty()) slope.push_back(0);
    }
    AxisSlopes at(const float* where) const { return {where, low, high}; }
};
inline AxisSlopeTable ageSlopes(const std::vector<double>& logAgeGyr) {
    return {logAgeGyr, [](double x) { return std::pow(10, x); }};
}
// zAxis: of log10 Z, or of Z where rubix.
inline AxisSlopeTable metallicitySlopes(const std::vector<double>& zAxis, bool rubix) {
    return {zAxis, [rubix](double x) { return rubix ? x : std::pow(10, x); }};
}

}  // namespace tessera
