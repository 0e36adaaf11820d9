// Buffers: alignment, and memory that does not grow.
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "tessera/core/memory.hpp"

using namespace tessera;

TEST_CASE("buffers of any size are aligned and hold what is written", "[memory]") {
    for (const std::size_t n : {1, 15, 16, 17, 1000, 100'000, 3'000'000}) {
        std::vector<Buffer<float>> several;
        for (int k = 0; k < 3; ++k) several.emplace_back(n, float(k));
        for (int k = 0; k < 3; ++k) {
            CHECK(reinterpret_cast<std::uintptr_t>(several[std::size_t(k)].data()) % Buffer<float>::alignment == 0);
            CHECK(several[std::size_t(k)][0] == float(k));
            CHECK(several[std::size_t(k)][n - 1] == float(k));
        }
        const Buffer<float> moved = std::move(several[1]);
        CHECK(moved[n - 1] == 1);
    }
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("buffers that come and go leave no memory behind", "[memory]") {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);  // what glibc arrives at by itself, after some buffers
    std::vector<void*> small;             // something else that lives on, after each buffer
    const std::size_t before = mallinfo2().arena;
    for (std::size_t i = 0; i < 300; ++i) {
        const Buffer<float> buffer(250'000 + i % 3 * 16, 1.0F);
        small.push_back(std::malloc(200));
        CHECK(buffer[i] == 1);
    }
    const std::size_t after = mallinfo2().arena;
    for (void* p : small) std::free(p);
    CHECK(after - before < 3'000'000);  // of 300 MB that were asked for
}
#endif
