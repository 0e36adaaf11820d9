// Spectra of spaxels that no light reaches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tessera {

// to[i] = value for i < n, past the caches where that can be said: a cube is larger than they are, and lines that are written whole
// need not be read first.
inline void fillPastCaches(float* to, std::size_t n, float value) {
#ifdef __SSE2__
    constexpr std::size_t line = 16, lanes = 4;
    const std::size_t past = reinterpret_cast<std::uintptr_t>(to) / sizeof(float) % line;
    const std::size_t head = std::min(n, (line - past) % line), body = (n - head) / line * line;
    std::fill_n(to, head, value);
    const __m128 vector = _mm_set1_ps(value);
    for (std::size_t i = head; i < head + body; i += lanes) _mm_stream_ps(to + i, vector);
    _mm_sfence();
    std::fill_n(to + head + body, n - head - body, value);
#else
    std::fill_n(to, n, value);
#endif
}

}  // namespace tessera
