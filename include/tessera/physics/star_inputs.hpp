// From the cotangent of a star's record (template weights, mass, shift) to those of what the user gives (mass, log10 age,
// metallicity, velocity) and of the view. Derivations 2, 6 and 7 of docs/adjoints.md.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera {

// What the stars' line-of-sight velocities v = R_z . (v_i - v_sys) say of the view.
struct SightSums {
    double velocity = 0;  // sum of the cotangents of v
    double shift = 0;     // sum of the cotangents of the shifts
    double light = 0;     // sum of mass times its cotangent
    Vec3d lineOfSight;    // cotangent of R_z
    TESSERA_HD SightSums& operator+=(const SightSums& o) {
        velocity += o.velocity;
        shift += o.shift;
        light += o.light;
        lineOfSight += o.lineOfSight;
        return *this;
    }
};

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

// The cotangent of a star's velocity, and what it adds to the view's sums. shiftBar: of its shift; light: its mass times the
// cotangent of it.
struct VelocityBar {
    Vec3f velocity;
    SightSums sums;
};
TESSERA_HD inline VelocityBar velocityOfShiftBar(const Vec3f& velocity, const Vec3d& systemic, const Vec3d& lineOfSight,
                                                 Doppler doppler, float shiftBar, double light) {
    const Vec3d v = velocity.to<double>() - systemic;
    double velocityBar = 0;
    dopplerShiftAdjoint(dot(lineOfSight, v), velocityBar, double(shiftBar), doppler);
    return {(lineOfSight * velocityBar).to<float>(), {velocityBar, double(shiftBar), light, v * velocityBar}};
}

}  // namespace tessera
