// Convolution of a stack of square images with one kernel by FFT (FFTW, single precision), images interleaved:
// data[y][x][lane].
#pragma once

#include <fftw3.h>

#include <cstddef>
#include <vector>

namespace tessera {

class FftKernel;

// Buffers of one thread.
class FftWorkspace {
public:
    explicit FftWorkspace(const FftKernel&);
    ~FftWorkspace();
    FftWorkspace(const FftWorkspace&) = delete;
    FftWorkspace& operator=(const FftWorkspace&) = delete;
    float* image() { return real_; }  // [size][size][lanes] of the kernel it was made for

private:
    friend class FftKernel;
    float* real_;
    fftwf_complex* spectrum_;
};

class FftKernel {
public:
    // kernel[2 radius + 1]^2; images of `side` x `side` whose outermost `radius` pixels are padding.
    FftKernel(const std::vector<float>& kernel, std::size_t radius, std::size_t side, std::size_t lanes);
    ~FftKernel();
    FftKernel(const FftKernel&) = delete;
    FftKernel& operator=(const FftKernel&) = delete;

    std::size_t size() const { return size_; }  // pixels a side of the images that are transformed
    std::size_t lanes() const { return lanes_; }
    // In place on the workspace's image.
    void convolve(FftWorkspace&) const;

private:
    friend class FftWorkspace;
    std::size_t size_ = 0, lanes_ = 0;
    std::vector<float> transform_;  // [size][size/2 + 1][2]
    fftwf_plan forward_ = nullptr, backward_ = nullptr;
};

}  // namespace tessera
