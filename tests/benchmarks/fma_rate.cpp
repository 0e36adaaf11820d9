#include "fma_rate.hpp"

#include <omp.h>

#include <algorithm>
#include <string>

#include "bench_common.hpp"
#include "simd/kernels.hpp"

namespace tessera::bench {

namespace {

// Twelve independent chains of FMAs keep two units of latency 4 to 5 busy. Returns a number that depends on all.
template <class V>
inline __attribute__((always_inline)) float chains(std::size_t steps, float seed) {
    V a[12], m, c;
    for (std::size_t i = 0; i < sizeof(V) / sizeof(float); ++i) {
        m[i] = 0.999F + seed;
        c[i] = 1e-3F + seed;
    }
    for (int k = 0; k < 12; ++k) a[k] = c * float(k);
    for (std::size_t s = 0; s < steps; ++s) {
#pragma GCC unroll 12
        for (int k = 0; k < 12; ++k) a[k] = a[k] * m + c;
        asm volatile("" : "+r"(s));
    }
    float sum = 0;
    for (int k = 0; k < 12; ++k)
        for (std::size_t i = 0; i < sizeof(V) / sizeof(float); ++i) sum += a[k][i];
    return sum;
}

using V4 = float __attribute__((vector_size(16)));
using V8 = float __attribute__((vector_size(32)));
using V16 = float __attribute__((vector_size(64)));

float baselineChains(std::size_t steps, float seed) {
    return chains<V4>(steps, seed);
}
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float avx2Chains(std::size_t steps, float seed) {
    return chains<V8>(steps, seed);
}
__attribute__((target("avx512f"))) float avx512Chains(std::size_t steps, float seed) {
    return chains<V16>(steps, seed);
}
#endif

struct Chains {
    float (*run)(std::size_t, float);
    std::size_t lanes;
};

Chains chainsOf(const std::string& level) {
#if defined(__x86_64__)
    if (level == "avx512") return {avx512Chains, 16};
    if (level == "avx2") return {avx2Chains, 8};
#endif
    (void)level;
    return {baselineChains, 4};
}

}  // namespace

double fmaRate(int threads, int runs) {
    constexpr std::size_t steps = 10'000'000;
    const Chains c = chainsOf(simd::kernels().name);
    double best = 1e300;
    float sink = 0;
    for (int run = 0; run < runs; ++run)
        best = std::min(best, seconds([&] {
#pragma omp parallel num_threads(threads) reduction(+ : sink)
                            sink += c.run(steps, float(omp_get_thread_num()) * 1e-9F);
                        }));
    return sink == 42 ? 0 : double(steps) * 12 * double(c.lanes) * threads / best * 1e-9;
}

}  // namespace tessera::bench
