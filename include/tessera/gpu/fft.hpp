// Batched Fourier transforms of square real images: cuFFT | FFTW, single precision.
#pragma once

#include <cstddef>
#include <memory>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct Complex {
    float re, im;
};

// `lanes` images of size x size, interleaved: image[y][x][lane], transform[ky][kx][lane] with kx <= size / 2. Neither
// direction is normalised: forward and backward multiply by size^2.
class Fft2d {
public:
    Fft2d(std::size_t size, std::size_t lanes);
    ~Fft2d();
    Fft2d(Fft2d&&) noexcept;
    Fft2d& operator=(Fft2d&&) noexcept;

    std::size_t imageFloats() const { return size_ * size_ * lanes_; }
    std::size_t modes() const { return size_ * (size_ / 2 + 1); }
    std::size_t transformValues() const { return modes() * lanes_; }
    std::size_t size() const { return size_; }
    std::size_t lanes() const { return lanes_; }
    void forward(const Stream&, DeviceBuffer<float>& image, DeviceBuffer<Complex>& transform) const;
    void backward(const Stream&, DeviceBuffer<Complex>& transform,
                  DeviceBuffer<float>& image) const;  // spoils transform

private:
    struct Plans;
    std::size_t size_ = 0, lanes_ = 0;
    std::unique_ptr<Plans> plans_;
};

// The next size that is fast: 2^a 3^b 5^c 7^d.
inline std::size_t fastFftSize(std::size_t least) {
    for (std::size_t n = least > 0 ? least : 1;; ++n) {
        std::size_t rest = n;
        for (const std::size_t factor : {2, 3, 5, 7})
            while (rest % factor == 0) rest /= factor;
        if (rest == 1) return n;
    }
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
