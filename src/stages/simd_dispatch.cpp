#include <cstdlib>
#include <cstring>
#include <string>

#include "simd/kernels.hpp"
#include "tessera/core/error.hpp"

namespace tessera::simd {

const Kernels* kernelsOf(const char* level) {
    if (std::strcmp(level, "baseline") == 0) return &baseline::table;
#if defined(__x86_64__) || defined(__i386__)
#ifdef TESSERA_HAS_SIMD_avx2
    if (std::strcmp(level, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2::table;
#endif
#ifdef TESSERA_HAS_SIMD_avx512
    if (std::strcmp(level, "avx512") == 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return &avx512::table;
#endif
#endif
    return nullptr;
}

const Kernels& kernels() {
    static const Kernels* chosen = [] {
        if (const char* wish = std::getenv("TESSERA_SIMD")) {
            const Kernels* k = kernelsOf(wish);
            if (k == nullptr)
                throw Error(std::string("TESSERA_SIMD=") + wish +
                            ": not an instruction set this build and this CPU have (baseline, avx2, avx512)");
            return k;
        }
        for (const char* level : {"avx512", "avx2"})
            if (const Kernels* k = kernelsOf(level)) return k;
        return kernelsOf("baseline");
    }();
    return *chosen;
}

}  // namespace tessera::simd
