// The rate of float fused multiply-adds from registers at the SIMD level that Tessera uses.
#pragma once

namespace tessera::bench {

// [1e9 FMA/s] the best of some runs of about 20 ms.
double fmaRate(int threads, int runs);

}  // namespace tessera::bench
