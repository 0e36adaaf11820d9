// Sums of a spaxel's stars: bandLight() and SpaxelSums of physics/maps.hpp, velocityOfShift() of physics/doppler.hpp once more, in
// columns of a block of stars. Eight sums run side by side, whatever the instruction set, so that maps are the same on
// every machine. Test: test_kernels.
#include <cstdint>

#include "simd/vector.hpp"

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
    const std::size_t n = c.n;
    const auto nodes = std::int32_t(c.nodes), right = c.ageStep * nodes, up = c.zStep * nodes;
    const double last = double(nodes - 2), inverse = 1 / c.step, first = c.firstShift, speed = c.c;
    alignas(64) std::int32_t place[mapBlock];
    alignas(64) double fraction[mapBlock];
    std::int64_t fast = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const double shift = c.stars[k].shift, unclamped = (shift - first) * inverse;
        const double u = unclamped > 0 ? unclamped : 0;
        const auto i = std::int32_t(u < last ? u : last);
        place[k] = c.stars[k].corner * nodes + i;
        fraction[k] = u - double(i);
        const double s2 = shift * shift;
        fast |= std::int64_t(!(shift < 0.02)) | std::int64_t(!(shift > -0.02));
        c.velocity[k] = speed * shift * (1 + s2 * (-1. / 3 + s2 * (2. / 15 + s2 * (-17. / 315 + s2 * (62. / 2835)))));
    }
    c.slow = fast == 0;
    const float* light = c.table;
    for (std::size_t k = 0; k < n; ++k) {
        const double f = fraction[k], fz = c.stars[k].zFraction, fa = c.stars[k].ageFraction, mass = c.stars[k].mass;
        const std::int32_t at00 = place[k], at01 = at00 + right, at10 = at00 + up, at11 = at10 + right;
        const double a00 = light[at00], a01 = light[at01], a10 = light[at10], a11 = light[at11];
        const double b00 = light[at00 + 1], b01 = light[at01 + 1], b10 = light[at10 + 1], b11 = light[at11 + 1];
        const double l00 = a00 + f * (b00 - a00), l01 = a01 + f * (b01 - a01), l10 = a10 + f * (b10 - a10),
                     l11 = a11 + f * (b11 - a11);
        const double lower = l00 + fa * (l01 - l00), upper = l10 + fa * (l11 - l10);
        c.light[k] = mass * (lower + fz * (upper - lower));
    }
}

void sumMaps(const MapColumns& c, MapSums& sums) {
    constexpr std::size_t block = mapBlock;
    alignas(64) double mass[block], age[block], z[block], clamped[block];
    std::uint64_t counted = 0, outsideAges = 0, outsideZs = 0;
    const std::size_t n = c.n, whole = (n + lanes - 1) / lanes * lanes;
    for (std::size_t k = 0; k < n; ++k) {
        const StarRecord& s = c.stars[k];
        mass[k] = s.mass;
        age[k] = s.age;
        z[k] = s.metallicity;
        const std::uint32_t counts = (s.source & countedElsewhere) == 0 ? 1 : 0;
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
