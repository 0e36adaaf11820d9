// What the stars of a dense spaxel add to its coefficients.
#include <cstdint>

#include "simd/records.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

using Four = stdx::simd<float, stdx::simd_abi::deduce_t<float, 4>>;

Four four(const float* p) {
    return Four(p, stdx::element_aligned);
}

}  // namespace

void starCoefficients(StarCoefficients& c) {
    RecordColumns s;
    const std::size_t whole = loadRecords(c.stars, c.n, s);
    // Weights of the corners, then of the nodes at -1, 0, 1, 2 of a star at t (Lagrange).
    alignas(64) float weight[8][recordBlock];
    const double inverseStep = c.inverseStep, zero = c.firstNode;
    for (std::size_t k = 0; k < whole; ++k) {
        const float z1 = s.mass[k] * s.zFraction[k], z0 = s.mass[k] - z1;
        const float w01 = z0 * s.ageFraction[k], w11 = z1 * s.ageFraction[k];
        weight[0][k] = z0 - w01;
        weight[1][k] = w01;
        weight[2][k] = z1 - w11;
        weight[3][k] = w11;
        const double u = double(s.shift[k]) * inverseStep - zero;
        const auto node = std::int32_t(u);  // u >= 1: firstNode lies below
        const auto t = float(u - double(node));
        const float before = 1.0F + t, behind = 1.0F - t, last = 2.0F - t;
        weight[4][k] = t * behind * last * (-1.0F / 6);
        weight[5][k] = before * behind * last * 0.5F;
        weight[6][k] = before * t * last * 0.5F;
        weight[7][k] = before * t * behind * (-1.0F / 6);
        c.corner[k] = s.corner[k];
        c.node[k] = node - 1;
    }
    for (std::size_t k = 0; k < whole; k += recordLanes) {
        Eight r[recordLanes];
#pragma GCC unroll 8
        for (std::size_t i = 0; i < recordLanes; ++i) loadEight(&weight[i][k], r[i]);
        transposeEight(r);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < recordLanes; ++i) storeEight(r[i], c.weights + 8 * (k + i));
    }
}

// Loads and stores are of the same sixteen bytes from star to star, so that none waits for an earlier one to reach the cache.
void addCoefficients(const float* weights, const std::uint32_t* place, std::size_t n, float* sums) {
    for (std::size_t i = 0; i < n; ++i) {
        const float* w = weights + 8 * i;
        float* to = sums + place[i];
        const Four corners = four(w);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
            const Four sum = four(to + 4 * k) + corners * Four(w[4 + k]);
            sum.copy_to(to + 4 * k, stdx::element_aligned);
        }
    }
}

void foldCorners(const float* sums, std::size_t nodes, float* const* rows) {
    for (std::size_t n = 0; n < nodes; n += 8) {
        Eight a[4], b[4];
#pragma GCC unroll 8
        for (std::size_t i = 0; i < 4; ++i) loadEight(sums + 4 * n + 8 * i, a[i]);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 2, 3, 8, 9, 10, 11);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 2], 4, 5, 6, 7, 12, 13, 14, 15);
        }
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            a[i] = __builtin_shufflevector(b[2 * i], b[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
            a[i + 2] = __builtin_shufflevector(b[2 * i], b[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        }
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            b[2 * i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13);
            b[2 * i + 1] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
        }
        // One after the other: a library of one age or one metallicity has the same row twice.
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            Eight sum;
            loadEight(rows[i] + n, sum);
            sum += b[i];
            storeEight(sum, rows[i] + n);
        }
    }
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
