// CUDA's names for an ordinary C++ compiler: the kernels of src/kernels/*.cu run on the CPU, one fibre a CUDA thread, and
// are checked there (docs/gpu.md). Included instead of <cuda_runtime.h>.
//
// What differs from CUDA: shared memory is declared by TESSERA_SHARED and TESSERA_DYNAMIC_SHARED; there is no
// __activemask(), no shuffle without a mask, no grid-wide barrier; blocks run one after the other.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#ifndef __clang__
#include <source_location>
#endif
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)

// `T name dims` of the block, e.g. TESSERA_SHARED(float, tile, [4][32]); undefined contents. Own memory for every block: a
// plain static would have no red zones, keep the last block's values, and look like a race between blocks.
#define TESSERA_SHARED(T, name, dims)                \
    using name##Type = std::type_identity_t<T dims>; \
    static char name##Key;                           \
    name##Type& name = *static_cast<name##Type*>(    \
        ::tessera::gpu::simt::sharedVariable(&name##Key, sizeof(name##Type), alignof(name##Type)))
// T* name: the launch's dynamic shared memory.
#define TESSERA_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::tessera::gpu::simt::dynamicShared())

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace tessera::gpu::simt {

#ifdef __clang__  // clang 14 has no std::source_location, GCC 12 no __builtin_COLUMN
class Site {
public:
    static constexpr Site current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE(),
                                  unsigned column = __builtin_COLUMN()) {
        Site s;
        s.file_ = file;
        s.line_ = line;
        s.column_ = column;
        return s;
    }
    constexpr const char* file_name() const { return file_; }
    constexpr unsigned line() const { return line_; }
    constexpr unsigned column() const { return column_; }

private:
    const char* file_ = "";
    unsigned line_ = 0, column_ = 0;
};
#else
using Site = std::source_location;
#endif

struct Options {
    std::uint64_t seed = 1;               // of the order of threads and blocks; 0: the natural one
    std::size_t stackBytes = 128 << 10;   // of a thread
    std::size_t sharedLimit = 163 << 10;  // dynamic and static bytes of a block: sm_80
    // Where events were waited for so far, and that of these places where they are not: to see that a test notices.
    std::vector<Site> waits;
    std::size_t droppedWait = std::size_t(-1);
};
// The seed comes from the environment variable TESSERA_SIMT_SEED where that is set.
Options& options();
bool dropsWait(Site);

enum class Collective : std::uint8_t { none, blockBarrier, warpBarrier, shuffle, vote, match };
// Blocks the calling thread until all that take part have arrived at the same site. vote, blockBarrier: the lanes (number
// of threads) whose value is not 0; shuffle: the value of lane `source`; match: lanes of the same value.
std::uint64_t collective(Collective, unsigned mask, std::uint64_t value, int source, Site);
int lane();
void* dynamicShared();
void* sharedVariable(const void* key, std::size_t bytes, std::size_t alignment);
void beforeAtomic();  // now and then lets other threads go first
void fence();
// Ends the launch with an Error that names kernel, block and thread; what: literal.
[[noreturn]] void failThread(const char* what, std::uint64_t value, std::uint64_t limit);

template <class T>
std::uint64_t toBits(T v) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    return bits;
}
template <class T>
T fromBits(std::uint64_t bits) {
    T v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}
template <class T>
T shuffle(unsigned mask, T v, int source, bool valid, Site at) {
    return fromBits<T>(collective(Collective::shuffle, mask, toBits(v), valid ? source : lane(), at));
}

template <class T, class Change>
T readModifyWrite(T* p, Change change) {
    beforeAtomic();
    std::atomic_ref<T> a(*p);
    T old = a.load(std::memory_order_relaxed);
    while (!a.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
    }
    return old;
}

}  // namespace tessera::gpu::simt

#define TESSERA_SITE tessera::gpu::simt::Site at = tessera::gpu::simt::Site::current()

// ---- barriers and votes of a block ----
inline int __syncthreads_count(int p, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    return int(collective(Collective::blockBarrier, 0, p != 0, 0, at));
}
inline void __syncthreads(TESSERA_SITE) {
    __syncthreads_count(0, at);
}
inline int __syncthreads_or(int p, TESSERA_SITE) {
    return __syncthreads_count(p, at) > 0;
}
inline int __syncthreads_and(int p, TESSERA_SITE) {
    return __syncthreads_count(!p, at) == 0;
}

// ---- of a warp; masks name the lanes that take part ----
inline void __syncwarp(unsigned mask = ~0U, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    collective(Collective::warpBarrier, mask, 0, 0, at);
}
inline unsigned __ballot_sync(unsigned mask, int p, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    return unsigned(collective(Collective::vote, mask, p != 0, 0, at));
}
inline int __any_sync(unsigned mask, int p, TESSERA_SITE) {
    return __ballot_sync(mask, p, at) != 0;
}
inline int __all_sync(unsigned mask, int p, TESSERA_SITE) {
    return __ballot_sync(mask, !p, at) == 0;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T v, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    return unsigned(collective(Collective::match, mask, toBits(v), 0, at));
}
template <class T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    return shuffle(mask, v, (lane() & ~(width - 1)) | (source & (width - 1)), true, at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    const int source = lane() - int(delta);
    return shuffle(mask, v, source, source >= (lane() & ~(width - 1)), at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    const int source = lane() + int(delta);
    return shuffle(mask, v, source, source <= (lane() | (width - 1)), at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, TESSERA_SITE) {
    using namespace tessera::gpu::simt;
    const int source = lane() ^ bits;
    return shuffle(mask, v, source, source <= (lane() | (width - 1)), at);
}

// ---- memory ----
template <class T>
T __ldg(const T* p) {
    return *p;
}
inline void __threadfence_block() {
    tessera::gpu::simt::fence();
}
inline void __threadfence() {
    tessera::gpu::simt::fence();
}
template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
    return tessera::gpu::simt::readModifyWrite(p, [v](T old) { return T(old + v); });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
    return tessera::gpu::simt::readModifyWrite(p, [v](T old) { return old < v ? v : old; });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> v) {
    return tessera::gpu::simt::readModifyWrite(p, [v](T old) { return v < old ? v : old; });
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v) {
    return tessera::gpu::simt::readModifyWrite(p, [v](T) { return v; });
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
    return tessera::gpu::simt::readModifyWrite(p, [=](T old) { return old == expected ? v : old; });
}

// ---- arithmetic ----
inline int __popc(unsigned v) {
    return std::popcount(v);
}
inline int __ffs(int v) {
    return v != 0 ? std::countr_zero(unsigned(v)) + 1 : 0;
}
inline int __clz(int v) {
    return std::countl_zero(unsigned(v));
}

#undef TESSERA_SITE
