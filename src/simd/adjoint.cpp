// The transposes of summing stars, at the knots and at the pixels. Derivation 15 of docs/adjoints.md.
#include <cmath>

#include "simd/star_weights.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

// Cotangents of a template's flux at the knots, and their first and second derivatives in the shift.
struct Rows {
    float *value, *slope, *curvature;
};

// With R1 and R2 the first and second integral of the cotangent's density, and M_m the mean of R1 between knots m and
// m + 1: value_m = M_m - M_{m-1}.
void cotangentsAtKnots(const KnotCotangentArgs& a, double shift, const Rows& rows) {
    const double stretch = std::exp(shift), inverse = 1 / stretch, last = double(a.pixels + 1);
    const double first = a.lnPosition ? std::log(a.firstEdge) - shift : a.firstEdge;
    const std::size_t n = a.knots, room = n + 32;
    const double *position = a.position, *cells = a.cells, *inverseStep = a.inverseStep;
    const double* at = a.lnPosition ? a.lnPosition : a.position;
    const double factor = a.lnPosition ? 1 : stretch, inverseWidth = a.inverseWidth;
    double *r0 = a.scratch, *r1 = r0 + room, *r2 = r1 + room;
    int* slot = reinterpret_cast<int*>(r2 + room);
#pragma GCC ivdep
    for (std::size_t m = 0; m < n; ++m) {
        const double u = (at[m] * factor - first) * inverseWidth + 1;
        slot[m] = 4 * int(u < 0 ? 0 : (u > last ? last : u));
    }
#pragma GCC ivdep
    for (std::size_t m = 0; m < n; ++m) {
        const double integral2 = cells[slot[m]], integral1 = cells[slot[m] + 1], density = cells[slot[m] + 2];
        const double x = position[m] * stretch, r = x - cells[slot[m] + 3];
        r0[m] = position[m] * x * density;
        r1[m] = integral1 + density * r;
        r2[m] = integral2 + (integral1 + 0.5 * density * r) * r;
    }
    // Means and their derivatives, each in the place of the integral at its left end.
#pragma GCC ivdep
    for (std::size_t m = 0; m + 1 < n; ++m) {
        const double step = inverseStep[m], mean = (r2[m + 1] - r2[m]) * step * inverse;
        const double slope = (position[m + 1] * r1[m + 1] - position[m] * r1[m]) * step - mean;
        r0[m] = (r0[m + 1] - r0[m]) * step - slope;
        r1[m] = slope;
        r2[m] = mean;
    }
    r0[n - 1] = r1[n - 1] = 0;  // values are held behind the last knot
    r2[n - 1] = a.total;
    rows.value[0] = float(r2[0]);
    rows.slope[0] = float(r1[0]);
    rows.curvature[0] = float(r0[0]);
#pragma GCC ivdep
    for (std::size_t m = 1; m < n; ++m) {
        rows.value[m] = float(r2[m] - r2[m - 1]);
        rows.slope[m] = float(r1[m] - r1[m - 1]);
        rows.curvature[m] = float(r0[m] - r0[m - 1]);
    }
    for (std::size_t m = n; m % W != 0; ++m) rows.value[m] = rows.slope[m] = rows.curvature[m] = 0;
}

void gatherStar(const GatherArgs& g, std::size_t i, std::size_t knots, const Rows& rows, float offset) {
    const std::size_t ageStep = std::size_t(g.ageStep) * g.fluxStride, zStep = std::size_t(g.nAge) * g.fluxStride;
    const StarRecord& s = g.stars[i];
    const StarWeights at(s);
    const std::size_t row = std::size_t(s.corner) * g.fluxStride;
    const float *t = g.flux + row, half = 0.5F * offset, fa = s.ageFraction, fz = s.zFraction;
    // Neighbouring templates are subtracted before they are summed, and of the slopes, which sum to 0, a value from the
    // middle: what is left of these sums is small.
    const std::size_t middle = knots / 2;
    const float level = at.w[0] * t[middle] + at.w[1] * t[ageStep + middle] + at.w[2] * t[zStep + middle] +
                        at.w[3] * t[zStep + ageStep + middle];
    Vf mass = 0, age = 0, z = 0, change = 0;
    for (std::size_t m = 0; m < knots; m += W) {
        const Vf t0 = load(t + m), t2 = load(t + zStep + m);
        const Vf age0 = load(t + ageStep + m) - t0, age1 = load(t + zStep + ageStep + m) - t2;
        const Vf slope = load(rows.slope + m), bent = load(rows.curvature + m);
        const Vf b = load(rows.value + m) + offset * (slope + half * bent);
        const Vf ofAge = age0 + fz * (age1 - age0), ofZ = (t2 - t0) + fa * (age1 - age0);
        const Vf y = t0 + fz * (t2 - t0) + fa * ofAge;
        mass += b * y;
        age += b * ofAge;
        z += b * ofZ;
        change += (slope + offset * bent) * (y - level);
    }
    StarRecordBar& bar = g.bar[i];
    bar.mass += stdx::reduce(mass);
    bar.ageFraction += s.mass * stdx::reduce(age);
    bar.zFraction += s.mass * stdx::reduce(z);
    bar.shift += s.mass * stdx::reduce(change);
    if (g.templatesBar == nullptr) return;
    const std::size_t corner[4] = {0, ageStep, zStep, zStep + ageStep};
    for (int c = 0; c < 4; ++c) {
        const float w = s.mass * at.w[c];
        float* to = g.templatesBar + row + corner[c];
        for (std::size_t m = 0; m < knots; ++m)
            to[m] += w * (rows.value[m] + offset * (rows.slope[m] + half * rows.curvature[m]));
    }
}

void fetch(const PixelGatherArgs& g, const GatherItem& item) {
    const float* x = g.cotangents + std::size_t(item.spaxel) * g.cotangentStride;
    for (std::size_t j = 0; j < g.lanes; j += 16) __builtin_prefetch(x + j);
}

// U items from the i-th on, whose stars have one corner.
template <int U>
void gatherItems(const PixelGatherArgs& g, std::size_t i) {
    constexpr std::size_t distance = 8;
    for (std::size_t u = 0; u < U; ++u)
        if (i + u + distance < g.count + g.ahead) fetch(g, g.items[i + u + distance]);
    const std::size_t ageStep = std::size_t(g.ageStep) * g.stride, zStep = std::size_t(g.nAge) * g.stride;
    const std::size_t row = std::size_t(g.items[i].corner) * g.stride;
    const std::size_t corner[4] = {row, row + ageStep, row + zStep, row + zStep + ageStep};
    const float* cotangent[U];
    Vf ofAverage[U][4], ofSlope[U][4], ofUpper[U][4];
    for (int u = 0; u < U; ++u) {
        cotangent[u] = g.cotangents + std::size_t(g.items[i + std::size_t(u)].spaxel) * g.cotangentStride;
        for (int c = 0; c < 4; ++c) ofAverage[u][c] = ofSlope[u][c] = ofUpper[u][c] = 0;
    }
    for (std::size_t j = 0; j < g.lanes; j += W) {
        Vf x[U];
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u) x[u] = load(cotangent[u] + j);
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) {
            const Vf average = load(g.average + corner[c] + j), slope = load(g.slope + corner[c] + j),
                     upper = load(g.upperSlope + corner[c] + j);
#pragma GCC unroll 2
            for (int u = 0; u < U; ++u) {
                ofAverage[u][c] += x[u] * average;
                ofSlope[u][c] += x[u] * slope;
                ofUpper[u][c] += x[u] * upper;
            }
        }
    }
    for (int u = 0; u < U; ++u) {
        const GatherItem& s = g.items[i + std::size_t(u)];
        const StarWeights at(s);
        const double inBin = double(s.shift) - g.lowerEdge;
        const Vf offset = float(inBin), part = float(inBin * g.inverseStep), half = 0.5F * part;
        Vf slopes = 0;
        float products[4];
        for (int c = 0; c < 4; ++c) {
            const Vf change = ofUpper[u][c] - ofSlope[u][c];
            products[c] = stdx::reduce(ofAverage[u][c] + offset * (ofSlope[u][c] + half * change));
            slopes += at.w[c] * (ofSlope[u][c] + part * change);
        }
        addBar(s, at, products, stdx::reduce(slopes), g.bar[i + std::size_t(u)]);
    }
}

}  // namespace

void gather(const KnotCotangentArgs& a, const GatherArgs& g) {
    const std::size_t room = a.knots + 32;
    float* floats = reinterpret_cast<float*>(a.scratch + 4 * room);
    const Rows rows{floats, floats + room, floats + 2 * room};
    for (std::size_t i = 0; i < g.count;) {
        const std::size_t end = endOfBin(g.stars, i, g.count, g.shiftMin, g.shiftStep);
        const double centre = meanShift(g.stars, i, end);
        cotangentsAtKnots(a, centre, rows);
        for (; i < end; ++i) gatherStar(g, i, a.knots, rows, float(double(g.stars[i].shift) - centre));
    }
}

void gatherAtPixels(const PixelGatherArgs& g) {
    // Two stars' sums fill the registers of AVX-512.
    constexpr int most = W >= 16 ? 2 : 1;
    for (std::size_t i = 0; i < g.count;) {
        if (most == 2 && i + 1 < g.count && g.items[i + 1].corner == g.items[i].corner) {
            gatherItems<2>(g, i);
            i += 2;
        } else
            gatherItems<1>(g, i++);
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
