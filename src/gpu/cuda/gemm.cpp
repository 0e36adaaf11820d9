#include "tessera/gpu/gemm.hpp"

#include <cublasLt.h>

#include <string>

namespace tessera::gpu {
inline namespace cuda {

namespace {

void check(cublasStatus_t status, SourceLocation where = SourceLocation::current()) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw Error(std::string("cuBLASLt: ") + cublasLtGetStatusString(status) + " at " + where.file_name() + ":" +
                        std::to_string(where.line()),
                    where);
}

// Rows of ours are columns of cuBLASLt's.
struct Layout {
    cublasLtMatrixLayout_t native{};
    template <class T>
    explicit Layout(const Matrix<T>& m) {
        check(cublasLtMatrixLayoutCreate(&native, CUDA_R_32F, m.columns, m.rows, std::int64_t(m.stride)));
    }
    ~Layout() { cublasLtMatrixLayoutDestroy(native); }
    Layout(const Layout&) = delete;
    Layout& operator=(const Layout&) = delete;
};

}  // namespace

struct Gemm::Library {
    cublasLtHandle_t handle{};
    cublasLtMatmulDesc_t product{};
    cublasLtMatmulPreference_t preference{};
    DeviceBuffer<unsigned char> workspace;

    explicit Library(const Stream& s) : workspace(std::size_t(32) << 20, s) {
        check(cublasLtCreate(&handle));
        check(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
        check(cublasLtMatmulPreferenceCreate(&preference));
        const std::size_t bytes = workspace.size();
        check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                                   sizeof bytes));
    }
    ~Library() {
        cublasLtMatmulPreferenceDestroy(preference);
        cublasLtMatmulDescDestroy(product);
        cublasLtDestroy(handle);
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
};

Gemm::Gemm(const Stream& s) : s_(s), library_(std::make_unique<Library>(s)) {}
Gemm::~Gemm() = default;

void Gemm::operator()(const Matrix<const float>& a, const Matrix<const float>& b, const Matrix<float>& c) const {
    expects(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns, "matrices that fit each other");
    if (c.rows == 0 || c.columns == 0) return;
    const Layout first(b), second(a), result(c);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    check(cublasLtMatmulAlgoGetHeuristic(library_->handle, library_->product, first.native, second.native,
                                         result.native, result.native, library_->preference, 1, &best, &found));
    if (found == 0) throw Error("cuBLASLt has no product of these matrices");
    const float one = 1, zero = 0;
    check(cublasLtMatmul(library_->handle, library_->product, &one, b.data.data(), first.native, a.data.data(),
                         second.native, &zero, c.data.data(), result.native, c.data.data(), result.native, &best.algo,
                         library_->workspace.data(), library_->workspace.size(), s_.native()));
}

}  // namespace cuda
}  // namespace tessera::gpu
