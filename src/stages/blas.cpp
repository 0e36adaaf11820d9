#include "stages/blas.hpp"

#include <omp.h>

#include <mutex>

#include "tessera/core/error.hpp"

extern "C" {
// The Fortran interface, which every BLAS has.
void sgemm_(const char* transA, const char* transB, const int* m, const int* n, const int* k, const float* alpha,
            const float* a, const int* lda, const float* b, const int* ldb, const float* beta, float* c,
            const int* ldc);
// OpenBLAS's own; null with another BLAS.
[[gnu::weak]] int openblas_get_parallel(void);
[[gnu::weak]] void openblas_set_num_threads(int);
}

namespace tessera {

namespace {

enum class BlasThreads { other, none, pthreads, openmp };

BlasThreads blasThreads() {
    static const BlasThreads kind = [] {
        if (openblas_get_parallel == nullptr || openblas_set_num_threads == nullptr) return BlasThreads::other;
        switch (openblas_get_parallel()) {
            case 0:
                return BlasThreads::none;
            case 1:
                openblas_set_num_threads(1);
                return BlasThreads::pthreads;
            default:
                return BlasThreads::openmp;
        }
    }();
    return kind;
}

}  // namespace

void oneBlasThread() {
    if (blasThreads() == BlasThreads::openmp) omp_set_num_threads(1);  // of this thread of the region only
}

void multiply(bool transposeA, bool transposeB, std::size_t m, std::size_t n, std::size_t k, const float* a,
              std::size_t lda, const float* b, std::size_t ldb, float* c, std::size_t ldc, bool add) {
    const int m_ = narrow<int>(m), n_ = narrow<int>(n), k_ = narrow<int>(k), lda_ = narrow<int>(lda),
              ldb_ = narrow<int>(ldb), ldc_ = narrow<int>(ldc);
    const float one = 1, before = add ? 1 : 0;
    const auto product = [&] {
        sgemm_(transposeA ? "T" : "N", transposeB ? "T" : "N", &m_, &n_, &k_, &one, a, &lda_, b, &ldb_, &before, c,
               &ldc_);
    };
    // An OpenBLAS that was built without threads mixes up the buffers of two callers.
    if (blasThreads() == BlasThreads::none) {
        static std::mutex turn;
        const std::lock_guard lock(turn);
        product();
    } else {
        product();
    }
}

}  // namespace tessera
