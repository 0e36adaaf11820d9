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

    // in: [side][side] spectra `stride` floats apart, of which the first `count` values are taken. out[n][n][outLanes]:
    // the convolved images without `pad` pixels on every side.
    void convolve(FftWorkspace&, const float* in, std::size_t stride, std::size_t side, std::size_t pad, std::size_t n,
                  std::size_t count, std::size_t outLanes, float* out) const;

private:
    friend class FftWorkspace;
    std::size_t size_ = 0, lanes_ = 0;
    std::vector<float> transform_;  // [size][size/2 + 1][2]
    fftwf_plan forward_ = nullptr, backward_ = nullptr;
};

}  // namespace tessera
