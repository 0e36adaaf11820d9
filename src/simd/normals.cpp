#include "simd/kernels.hpp"

#include <cmath>

// Standard normal numbers for whole runs of voxels: standardNormals() of physics/noise.hpp in loops that vectorise, sines
// and logarithms included (with -ffast-math the compiler takes them from the C library's vector functions where it has
// them). Test: test_noise_maps.
namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

constexpr std::size_t blocksAtOnce = 64;

// Philox 4x32-10 (Salmon et al. 2011): counters c0 ... c3 of every block, in place.
void philox(std::uint32_t (&c)[4][blocksAtOnce], std::uint32_t k0, std::uint32_t k1) {
    for (int round = 0; round < 10; ++round) {
#pragma GCC ivdep
        for (std::size_t i = 0; i < blocksAtOnce; ++i) {
            const std::uint64_t p0 = std::uint64_t(0xD2511F53U) * c[0][i], p1 = std::uint64_t(0xCD9E8D57U) * c[2][i];
            c[0][i] = std::uint32_t(p1 >> 32) ^ c[1][i] ^ k0;
            c[2][i] = std::uint32_t(p0 >> 32) ^ c[3][i] ^ k1;
            c[1][i] = std::uint32_t(p1);
            c[3][i] = std::uint32_t(p0);
        }
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
}

}  // namespace

void addNormals(const NormalsKey& key, std::uint64_t firstVoxel, std::size_t count, const float* variance,
                float* flux) {
    std::uint32_t c[4][blocksAtOnce];
    double radius[blocksAtOnce], angle[blocksAtOnce], value[blocksAtOnce];
    float normal[4 * blocksAtOnce];
    // Voxels done, counted from the block in which the first one is.
    const std::size_t skip = firstVoxel % 4, end = skip + count;
    for (std::size_t begin = 0; begin < end; begin += 4 * blocksAtOnce) {
        for (std::size_t i = 0; i < blocksAtOnce; ++i) {
            const std::uint64_t block = (firstVoxel + begin) / 4 + i;
            c[0][i] = std::uint32_t(block);
            c[1][i] = std::uint32_t(block >> 32);
            c[2][i] = key.counter2;
            c[3][i] = key.counter3;
        }
        philox(c, key.key0, key.key1);
        for (std::size_t pair = 0; pair < 2; ++pair) {
            const std::uint32_t *u = c[2 * pair], *v = c[2 * pair + 1];
            float* to = normal + 2 * pair;
            for (std::size_t i = 0; i < blocksAtOnce; ++i) {
                radius[i] = std::sqrt(-2 * std::log((double(u[i]) + 0.5) * 0x1p-32));
                angle[i] = 2 * 3.14159265358979323846 * ((double(v[i]) + 0.5) * 0x1p-32);
            }
            // Sine and cosine in loops of their own: together they would become one call that has no vector form.
            for (std::size_t i = 0; i < blocksAtOnce; ++i) value[i] = radius[i] * std::cos(angle[i]);
            for (std::size_t i = 0; i < blocksAtOnce; ++i) to[4 * i] = float(value[i]);
            for (std::size_t i = 0; i < blocksAtOnce; ++i) value[i] = radius[i] * std::sin(angle[i]);
            for (std::size_t i = 0; i < blocksAtOnce; ++i) to[4 * i + 1] = float(value[i]);
        }
        const std::size_t from = begin > skip ? begin : skip,
                          to = end < begin + 4 * blocksAtOnce ? end : begin + 4 * blocksAtOnce;
        for (std::size_t i = from; i < to; ++i) flux[i - skip] += std::sqrt(variance[i - skip]) * normal[i - begin];
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
