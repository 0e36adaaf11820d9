#include "tessera/core/memory.hpp"

#include <cstdint>
#include <cstdlib>
// The address sanitizer watches what malloc gives.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#include <sys/mman.h>
#endif

namespace tessera::detail {

namespace {

constexpr std::size_t hugePage = std::size_t(2) << 20;

[[maybe_unused]] std::size_t rounded(std::size_t bytes, std::size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

}  // namespace

// Columns of stars and cubes are written once all over: huge pages make that first touch several times faster, and spare
// the look-up of an address in a sort's thousands of places. They are mapped here, so that memory that is released goes
// back to the system at once.
void* allocate(std::size_t bytes) {
    if (bytes > std::numeric_limits<std::size_t>::max() - 2 * hugePage) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (bytes >= hugeBufferBytes) {
        const std::size_t size = rounded(bytes, hugePage);
        void* p = mmap(nullptr, size + hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        // Aligned within; what lies before and behind goes back.
        const auto begin = reinterpret_cast<std::uintptr_t>(p), aligned = rounded(begin, hugePage);
        if (aligned > begin) munmap(p, aligned - begin);
        if (begin + hugePage > aligned) munmap(reinterpret_cast<void*>(aligned + size), begin + hugePage - aligned);
        madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);  // where it is refused, pages are small
        return reinterpret_cast<void*>(aligned);
    }
#endif
    // Not aligned_alloc(): before glibc 2.38 it does not take back what it gave, and memory grows by a buffer a galaxy
    // (glibc bug 14581). The byte before the buffer says how far it lies in what malloc gave.
    auto* const p = static_cast<unsigned char*>(std::malloc(bytes + bufferAlignment));
    if (p == nullptr) throw std::bad_alloc();
    const std::size_t ahead = bufferAlignment - reinterpret_cast<std::uintptr_t>(p) % bufferAlignment;
    p[ahead - 1] = static_cast<unsigned char>(ahead);
    return p + ahead;
}

void release(void* p, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_HUGEPAGE)
    if (bytes >= hugeBufferBytes) {
        munmap(p, rounded(bytes, hugePage));
        return;
    }
#endif
    auto* const buffer = static_cast<unsigned char*>(p);
    std::free(buffer - buffer[-1]);
}

}  // namespace tessera::detail
