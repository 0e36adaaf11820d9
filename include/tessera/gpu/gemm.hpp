// Products of matrices: cuBLASLt | Eigen, single precision throughout.
#pragma once

#include <cstddef>
#include <memory>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A matrix of rows that lie `stride` floats apart.
template <class T>
struct Matrix {
    View<T> data;
    std::size_t rows = 0, columns = 0, stride = 0;
};

class Gemm {
public:
    explicit Gemm(const Stream&);
    ~Gemm();
    Gemm(const Gemm&) = delete;
    Gemm& operator=(const Gemm&) = delete;

    // c = a b
    void operator()(const Matrix<const float>& a, const Matrix<const float>& b, const Matrix<float>& c) const;

private:
    struct Library;
    const Stream& s_;
    std::unique_ptr<Library> library_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
