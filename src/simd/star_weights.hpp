// A star's four template weights, their tangents, and their cotangents: the arithmetic of sspWeights() and
// sspWeightsAdjoint() of physics/ssp.hpp once more, for the files that are compiled once per instruction set.
// Test: test_adjoint.
#pragma once

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

// Stars of one bin of shifts, from i on.
inline std::size_t endOfBin(const StarRecord* stars, std::size_t i, std::size_t count, float shiftMin,
                            float shiftStep) {
    const int bin = int((stars[i].shift - shiftMin) / shiftStep);
    std::size_t end = i + 1;
    while (end < count && int((stars[end].shift - shiftMin) / shiftStep) == bin) ++end;
    return end;
}
inline double meanShift(const StarRecord* stars, std::size_t first, std::size_t end) {
    double sum = 0;
    for (std::size_t i = first; i < end; ++i) sum += double(stars[i].shift);
    return sum / double(end - first);
}

struct StarWeights {
    float w[4];  // without the mass
    template <class Star>
    explicit StarWeights(const Star& s) {
        const float z1 = s.zFraction, z0 = 1.0F - z1, a1 = s.ageFraction, a0 = 1.0F - a1;
        w[0] = z0 * a0;
        w[1] = z0 * a1;
        w[2] = z1 * a0;
        w[3] = z1 * a1;
    }
};

// d (mass w) of a tangent, and mass w times the shift's.
struct TangentWeights {
    float value[4], slope[4];
    TangentWeights(const StarRecord& s, const StarRecordBar& dot) {
        const StarWeights at(s);
        const float z1 = s.zFraction, z0 = 1.0F - z1, a1 = s.ageFraction, a0 = 1.0F - a1;
        const float age = s.mass * dot.ageFraction, z = s.mass * dot.zFraction, shift = s.mass * dot.shift;
        value[0] = dot.mass * at.w[0] - z0 * age - a0 * z;
        value[1] = dot.mass * at.w[1] + z0 * age - a1 * z;
        value[2] = dot.mass * at.w[2] - z1 * age + a0 * z;
        value[3] = dot.mass * at.w[3] + z1 * age + a1 * z;
        for (int c = 0; c < 4; ++c) slope[c] = shift * at.w[c];
    }
};

// bar += cotangent of a star whose templates have the products g with the cotangent, and whose slope has d.
template <class Star>
void addBar(const Star& s, const StarWeights& at, const float (&g)[4], float d, StarRecordBar& bar) {
    const float z1 = s.zFraction, z0 = 1.0F - z1, a1 = s.ageFraction, a0 = 1.0F - a1;
    bar.mass += at.w[0] * g[0] + at.w[1] * g[1] + at.w[2] * g[2] + at.w[3] * g[3];
    bar.ageFraction += s.mass * (z0 * (g[1] - g[0]) + z1 * (g[3] - g[2]));
    bar.zFraction += s.mass * (a0 * (g[2] - g[0]) + a1 * (g[3] - g[1]));
    bar.shift += s.mass * d;
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
