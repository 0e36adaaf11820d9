// Sums of a spaxel's stars: bandLight() and SpaxelSums of physics/maps.hpp, velocityOfShift() of physics/doppler.hpp once more, in
// columns of a block of stars. Eight sums run side by side, whatever the instruction set, so that maps are the same on
// every machine. Test: test_kernels.
#include <cstdint>

#include "simd/records.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

constexpr std::size_t lanes = 8;
using Vd = stdx::fixed_size_simd<double, lanes>;

Vd at(const double* p) {
    return Vd(p, stdx::element_aligned);
}

}  // namespace

void shiftRange(const StarRecord* stars, std::size_t n, float& low, float& high) {
    constexpr std::size_t block = 256;
    alignas(64) float shift[block];
    Vf least = stars[0].shift, most = least;
    for (std::size_t first = 0; first < n; first += block) {
        const std::size_t count = n - first < block ? n - first : block;
        for (std::size_t k = 0; k < count; ++k) shift[k] = stars[first + k].shift;
        for (std::size_t k = count; k < block; ++k) shift[k] = shift[0];
        for (std::size_t k = 0; k < count; k += W) {
            least = stdx::min(least, load(shift + k));
            most = stdx::max(most, load(shift + k));
        }
    }
    low = stdx::hmin(least);
    high = stdx::hmax(most);
}

void mapColumns(MapColumns& c) {
    RecordColumns& s = *c.records;
    const std::size_t whole = loadRecords(c.stars, c.n, s);
    const auto nodes = std::int32_t(c.nodes);
    const double last = double(nodes - 2), inverse = 1 / c.step, first = c.firstShift, speed = c.c;
    alignas(64) std::int32_t place[mapBlock];
    alignas(64) double fraction[mapBlock];
    std::int64_t fast = 0;
    for (std::size_t k = 0; k < whole; ++k) {
        const double shift = s.shift[k], unclamped = (shift - first) * inverse;
        const double u = unclamped > 0 ? unclamped : 0;
        const auto i = std::int32_t(u < last ? u : last);
        place[k] = (s.corner[k] * nodes + i) * 4;
        fraction[k] = u - double(i);
        const double s2 = shift * shift;
        fast |= std::int64_t(!(shift < 0.02)) | std::int64_t(!(shift > -0.02));
        c.velocity[k] = speed * shift * (1 + s2 * (-1. / 3 + s2 * (2. / 15 + s2 * (-17. / 315 + s2 * (62. / 2835)))));
    }
    c.slow = fast == 0;
    // Of each star its four templates' light at two nodes, which stand side by side.
    alignas(64) float near[8][mapBlock];
    for (std::size_t k = 0; k < whole; k += recordLanes) {
        Eight r[recordLanes];
#pragma GCC unroll 8
        for (std::size_t i = 0; i < recordLanes; ++i) loadEight(c.table + place[k + i], r[i]);
        transposeEight(r);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < recordLanes; ++i) storeEight(r[i], &near[i][k]);
    }
    for (std::size_t k = 0; k < whole; ++k) {
        const double f = fraction[k], fz = s.zFraction[k], fa = s.ageFraction[k], mass = s.mass[k];
        const double a00 = near[0][k], a01 = near[1][k], a10 = near[2][k], a11 = near[3][k];
        const double b00 = near[4][k], b01 = near[5][k], b10 = near[6][k], b11 = near[7][k];
        const double l00 = a00 + f * (b00 - a00), l01 = a01 + f * (b01 - a01), l10 = a10 + f * (b10 - a10),
                     l11 = a11 + f * (b11 - a11);
        const double lower = l00 + fa * (l01 - l00), upper = l10 + fa * (l11 - l10);
        c.light[k] = mass * (lower + fz * (upper - lower));
    }
}

void sumMaps(const MapColumns& c, MapSums& sums) {
    constexpr std::size_t block = mapBlock;
    alignas(64) double mass[block], age[block], z[block], clamped[block];
    std::uint32_t counted = 0, outsideAges = 0, outsideZs = 0;
    const std::size_t n = c.n, whole = (n + lanes - 1) / lanes * lanes;
    const RecordColumns& s = *c.records;
    for (std::size_t k = 0; k < n; ++k) {
        mass[k] = s.mass[k];
        age[k] = s.age[k];
        z[k] = s.metallicity[k];
        const std::uint32_t counts = (s.source[k] & countedElsewhere) == 0 ? 1 : 0;
        const std::uint32_t outsideAge = std::uint32_t(age[k] < c.ageLow) | std::uint32_t(age[k] > c.ageHigh),
                            outsideZ = std::uint32_t(z[k] < c.zLow) | std::uint32_t(z[k] > c.zHigh);
        counted += counts;
        outsideAges += counts & outsideAge;
        outsideZs += counts & outsideZ;
        clamped[k] = (outsideAge | outsideZ) != 0 ? mass[k] : 0;
    }
    sums.stars += counted;
    sums.clampedAge += outsideAges;
    sums.clampedMetallicity += outsideZs;
    for (std::size_t k = n; k < whole; ++k) mass[k] = age[k] = z[k] = clamped[k] = c.light[k] = c.velocity[k] = 0;
    Vd sum[MapSums::count];
    for (std::size_t q = 0; q < MapSums::count; ++q) sum[q] = at(sums.lane[q]);
    for (std::size_t k = 0; k < whole; k += lanes) {
        const Vd m = at(mass + k), l = at(c.light + k), a = at(age + k), metal = at(z + k), v = at(c.velocity + k);
        const Vd lv = l * v;
        sum[MapSums::mass] += m;
        sum[MapSums::light] += l;
        sum[MapSums::clampedMass] += at(clamped + k);
        sum[MapSums::massAge] += m * a;
        sum[MapSums::massZ] += m * metal;
        sum[MapSums::lightAge] += l * a;
        sum[MapSums::lightZ] += l * metal;
        sum[MapSums::massV] += m * v;
        sum[MapSums::lightV] += lv;
        sum[MapSums::lightV2] += lv * v;
    }
    for (std::size_t q = 0; q < MapSums::count; ++q) sum[q].copy_to(sums.lane[q], stdx::element_aligned);
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
