#include <fftw3.h>

#include "tessera/gpu/fft.hpp"

namespace tessera::gpu {
inline namespace simtBackend {

struct Fft2d::Plans {
    fftwf_plan forward = nullptr, backward = nullptr;

    Plans(std::size_t size, std::size_t lanes) {
        const int n[2] = {narrow<int>(size), narrow<int>(size)}, many = narrow<int>(lanes);
        // Plans of this kind look at no data, but want to see pointers.
        float* image = fftwf_alloc_real(size * size * lanes);
        fftwf_complex* transform = fftwf_alloc_complex(size * (size / 2 + 1) * lanes);
        constexpr unsigned flags = FFTW_ESTIMATE | FFTW_UNALIGNED;
        forward = fftwf_plan_many_dft_r2c(2, n, many, image, nullptr, many, 1, transform, nullptr, many, 1, flags);
        backward = fftwf_plan_many_dft_c2r(2, n, many, transform, nullptr, many, 1, image, nullptr, many, 1, flags);
        fftwf_free(image);
        fftwf_free(transform);
        expects(forward != nullptr && backward != nullptr, "FFTW plans");
    }
    ~Plans() {
        fftwf_destroy_plan(forward);
        fftwf_destroy_plan(backward);
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
    s.push([plan = plans_->forward, from = image.data(), to = transform.data()] {
        fftwf_execute_dft_r2c(plan, from, reinterpret_cast<fftwf_complex*>(to));
    });
}
void Fft2d::backward(const Stream& s, DeviceBuffer<Complex>& transform, DeviceBuffer<float>& image) const {
    expects(image.size() >= imageFloats() && transform.size() >= transformValues(), "room for the images");
    s.push([plan = plans_->backward, from = transform.data(), to = image.data()] {
        fftwf_execute_dft_c2r(plan, reinterpret_cast<fftwf_complex*>(from), to);
    });
}

}  // namespace simtBackend
}  // namespace tessera::gpu
