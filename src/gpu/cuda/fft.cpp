#include <cufft.h>

#include "tessera/gpu/fft.hpp"

namespace tessera::gpu {
inline namespace cuda {

namespace {

void check(cufftResult r, SourceLocation where = SourceLocation::current()) {
    if (r != CUFFT_SUCCESS)
        throw Error(
            "cuFFT: error " + std::to_string(int(r)) + " at " + where.file_name() + ":" + std::to_string(where.line()),
            where);
}

}  // namespace

struct Fft2d::Plans {
    cufftHandle forward = 0, backward = 0;

    Plans(std::size_t size, std::size_t lanes) {
        int n[2] = {narrow<int>(size), narrow<int>(size)}, real[2] = {n[0], n[1]}, half[2] = {n[0], n[1] / 2 + 1};
        const int many = narrow<int>(lanes);
        check(cufftPlanMany(&forward, 2, n, real, many, 1, half, many, 1, CUFFT_R2C, many));
        check(cufftPlanMany(&backward, 2, n, half, many, 1, real, many, 1, CUFFT_C2R, many));
    }
    ~Plans() {
        cufftDestroy(forward);
        cufftDestroy(backward);
    }
    Plans(const Plans&) = delete;
    Plans& operator=(const Plans&) = delete;
};

Fft2d::Fft2d(std::size_t size, std::size_t lanes)
    : size_(size), lanes_(lanes), plans_(std::make_unique<Plans>(size, lanes)) {}
Fft2d::~Fft2d() = default;
Fft2d::Fft2d(Fft2d&&) noexcept = default;
Fft2d& Fft2d::operator=(Fft2d&&) noexcept = default;

void Fft2d::forward(const Stream& s, DeviceBuffer<float>& image, DeviceBuffer<Complex>& transform) const {
    expects(image.size() >= imageFloats() && transform.size() >= transformValues(), "room for the images");
    check(cufftSetStream(plans_->forward, s.native()));
    check(cufftExecR2C(plans_->forward, image.data(), reinterpret_cast<cufftComplex*>(transform.data())));
}
void Fft2d::backward(const Stream& s, DeviceBuffer<Complex>& transform, DeviceBuffer<float>& image) const {
    expects(image.size() >= imageFloats() && transform.size() >= transformValues(), "room for the images");
    check(cufftSetStream(plans_->backward, s.native()));
    check(cufftExecC2R(plans_->backward, reinterpret_cast<cufftComplex*>(transform.data()), image.data()));
}

}  // namespace cuda
}  // namespace tessera::gpu
