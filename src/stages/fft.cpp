#include "stages/fft.hpp"

#include <new>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Smallest 2^a 3^b 5^c 7^d >= n: FFTW is fast there.
std::size_t goodSize(std::size_t n) {
    for (;; ++n) {
        std::size_t rest = n;
        for (const std::size_t p : {2, 3, 5, 7})
            while (rest % p == 0) rest /= p;
        if (rest == 1) return n;
    }
}

template <class T>
T* allocate(std::size_t n) {
    T* p = static_cast<T*>(fftwf_malloc(n * sizeof(T)));
    if (p == nullptr) throw std::bad_alloc();
    return p;
}

}  // namespace

FftWorkspace::FftWorkspace(const FftKernel& k)
    : real_(allocate<float>(k.size_ * k.size_ * k.lanes_)),
      spectrum_(allocate<fftwf_complex>(k.size_ * (k.size_ / 2 + 1) * k.lanes_)) {}

FftWorkspace::~FftWorkspace() {
    fftwf_free(real_);
    fftwf_free(spectrum_);
}

FftKernel::FftKernel(const std::vector<float>& kernel, std::size_t radius, std::size_t side, std::size_t lanes)
    : size_(goodSize(side)), lanes_(lanes) {
    // Around the border the circular convolution mixes opposite sides; that falls into the padding.
    expects(kernel.size() == (2 * radius + 1) * (2 * radius + 1) && size_ > 2 * radius,
            "a kernel smaller than the field");
    const std::size_t half = size_ / 2 + 1;
    const int dims[2] = {narrow<int>(size_), narrow<int>(size_)};

    transform_.resize(size_ * half * 2);
    {
        std::vector<float> image(size_ * size_, 0.0F);
        const std::size_t width = 2 * radius + 1;
        for (std::size_t y = 0; y < width; ++y)
            for (std::size_t x = 0; x < width; ++x)
                image[(y + size_ - radius) % size_ * size_ + (x + size_ - radius) % size_] =
                    kernel[y * width + x] / float(size_ * size_);
        auto* out = reinterpret_cast<fftwf_complex*>(transform_.data());
        const fftwf_plan plan = fftwf_plan_dft_r2c(2, dims, image.data(), out, FFTW_ESTIMATE | FFTW_UNALIGNED);
        fftwf_execute(plan);
        fftwf_destroy_plan(plan);
    }

    FftWorkspace w(*this);
    const int many = narrow<int>(lanes_);
    forward_ =
        fftwf_plan_many_dft_r2c(2, dims, many, w.real_, nullptr, many, 1, w.spectrum_, nullptr, many, 1, FFTW_ESTIMATE);
    backward_ =
        fftwf_plan_many_dft_c2r(2, dims, many, w.spectrum_, nullptr, many, 1, w.real_, nullptr, many, 1, FFTW_ESTIMATE);
    expects(forward_ != nullptr && backward_ != nullptr, "FFTW plans");
}

FftKernel::~FftKernel() {
    fftwf_destroy_plan(forward_);
    fftwf_destroy_plan(backward_);
}

void FftKernel::convolve(FftWorkspace& w) const {
    fftwf_execute_dft_r2c(forward_, w.real_, w.spectrum_);
    const std::size_t modes = size_ * (size_ / 2 + 1);
    for (std::size_t k = 0; k < modes; ++k) {
        const float re = transform_[2 * k], im = transform_[2 * k + 1];
        fftwf_complex* s = w.spectrum_ + k * lanes_;
        for (std::size_t l = 0; l < lanes_; ++l) {
            const float a = s[l][0], b = s[l][1];
            s[l][0] = a * re - b * im;
            s[l][1] = a * im + b * re;
        }
    }
    fftwf_execute_dft_c2r(backward_, w.spectrum_, w.real_);
}

}  // namespace tessera
