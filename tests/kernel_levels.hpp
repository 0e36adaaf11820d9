// What the tests of the hot loops share: every instruction set that this CPU has, and random numbers.
#pragma once

#include <cstdint>
#include <random>

#include "simd/kernels.hpp"
#include "support.hpp"

namespace tessera::test {

template <class F>
void atEveryLevel(F test) {
    int levels = 0;
    for (const char* level : {"baseline", "avx2", "avx512"})
        if (const simd::Kernels* k = simd::kernelsOf(level)) {
            INFO("level " << level);
            test(*k);
            ++levels;
        }
    REQUIRE(levels > 0);
}

class Random {
public:
    explicit Random(std::uint64_t seed) : rng_(seed) {}
    double operator()(double low = 0, double high = 1) { return low + (high - low) * uniform_(rng_); }
    int below(int n) { return int((*this)(0, n)); }

private:
    std::mt19937_64 rng_;
    std::uniform_real_distribution<double> uniform_;
};

}  // namespace tessera::test
