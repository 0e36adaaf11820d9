// Records of stars in columns, and back: eight of them at a time are transposed in registers, whatever the instruction set.
#pragma once

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

constexpr std::size_t recordLanes = 8;
using Eight [[gnu::vector_size(recordLanes * sizeof(float))]] = float;

// Whole vectors, of any values of four bytes: copies in halves would be read before they have reached the cache.
inline void loadEight(const void* from, Eight& to) {
    using Anywhere [[gnu::vector_size(recordLanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
    to = *static_cast<const Anywhere*>(from);
}
inline void storeEight(const Eight& from, void* to) {
    using Anywhere [[gnu::vector_size(recordLanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
    *static_cast<Anywhere*>(to) = from;
}

// Rows become columns: pairs, then pairs of pairs, then halves.
inline void transposeEight(Eight (&r)[recordLanes]) {
    Eight a[recordLanes];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) {
        a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) {
        r[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 1] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        r[i + 2] = __builtin_shufflevector(a[i + 1], a[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 3] = __builtin_shufflevector(a[i + 1], a[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) {
        a[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        a[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) r[i] = a[i];
}

// Of n stars, 0 < n <= recordBlock; behind them up to the next whole eight the last one is repeated. Returns their number.
inline std::size_t loadRecords(const StarRecord* stars, std::size_t n, RecordColumns& c) {
    static_assert(sizeof(StarRecord) == sizeof(Eight));
    std::size_t k = 0;
    for (; k < n; k += recordLanes) {
        Eight r[recordLanes];
#pragma GCC unroll 8
        for (std::size_t i = 0; i < recordLanes; ++i) loadEight(stars + (k + i < n ? k + i : n - 1), r[i]);
        transposeEight(r);
        storeEight(r[0], c.corner + k);
        storeEight(r[1], c.ageFraction + k);
        storeEight(r[2], c.zFraction + k);
        storeEight(r[3], c.mass + k);
        storeEight(r[4], c.shift + k);
        storeEight(r[5], c.age + k);
        storeEight(r[6], c.metallicity + k);
        storeEight(r[7], c.source + k);
    }
    return k;
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
