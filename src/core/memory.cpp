#include "tessera/core/memory.hpp"

#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tessera::detail {

namespace {
constexpr std::size_t hugePage = std::size_t(2) << 20, hugeFrom = 4 * hugePage;
}

void* allocate(std::size_t bytes) {
    // Columns of stars and cubes are written once all over: huge pages make that first touch several times faster, and
    // spare the look-up of an address in a sort's thousands of places.
    const bool huge = bytes >= hugeFrom;
    const std::size_t alignment = huge ? hugePage : bufferAlignment;
    if (bytes > std::numeric_limits<std::size_t>::max() - alignment) throw std::bad_alloc();
    void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (p == nullptr) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (huge) madvise(p, bytes, MADV_HUGEPAGE);  // advice: where it is refused, pages are small
#endif
    return p;
}

void release(void* p) noexcept {
    std::free(p);
}

}  // namespace tessera::detail
