#include "tessera/gpu/gemm.hpp"

#include <Eigen/Core>

namespace tessera::gpu {
inline namespace simtBackend {

struct Gemm::Library {};

Gemm::Gemm(const Stream& s) : s_(s) {}
Gemm::~Gemm() = default;

void Gemm::operator()(const Matrix<const float>& a, const Matrix<const float>& b, const Matrix<float>& c) const {
    expects(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns, "matrices that fit each other");
    using Values = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto shaped = [](auto* data, const auto& m) {
        using Data = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(data)>>, const Values, Values>;
        return Eigen::Map<Data, 0, Eigen::OuterStride<>>(data, Eigen::Index(m.rows), Eigen::Index(m.columns),
                                                         Eigen::OuterStride<>(Eigen::Index(m.stride)));
    };
    s_.push([=] { shaped(c.data.data(), c).noalias() = shaped(a.data.data(), a) * shaped(b.data.data(), b); });
}

}  // namespace simtBackend
}  // namespace tessera::gpu
