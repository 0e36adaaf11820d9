// Matrix products by the BLAS that the program is linked with, called from many threads at once.
#pragma once

#include <cstddef>

namespace tessera {

// To be called once by every thread of a parallel region before its first product: the BLAS must not start threads of
// its own below ours.
void oneBlasThread();

// C = op(A) op(B), or C += op(A) op(B), column-major: op(A) is m x k, op(B) k x n.
void multiply(bool transposeA, bool transposeB, std::size_t m, std::size_t n, std::size_t k, const float* a,
              std::size_t lda, const float* b, std::size_t ldb, float* c, std::size_t ldc, bool add = false);

}  // namespace tessera
