#include "kernels/convolve.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// The kernel about the image's corner, divided by what the two transforms multiply with.
struct CornerArgs {
    View<const float> taps;  // [2 radius + 1]^2
    std::size_t radius = 0, size = 0;
    View<float> image;  // [size][size]
};
__global__ void __launch_bounds__(threads) cornerKernel(CornerArgs a) {
    const std::size_t i = std::size_t(blockIdx.x) * threads + threadIdx.x;
    if (i >= a.image.size()) return;
    const std::size_t width = 2 * a.radius + 1;
    const std::size_t y = (i / a.size + a.radius) % a.size, x = (i % a.size + a.radius) % a.size;
    a.image[i] = y < width && x < width ? a.taps[y * width + x] / float(a.size * a.size) : 0.0F;
}

struct ImageArgs {
    PsfArgs psf;
    std::size_t size = 0, lanes = 0;
    View<float> image;  // [size][size][lanes]
};
__global__ void __launch_bounds__(threads) toImageKernel(ImageArgs a) {
    const std::size_t j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (j >= a.lanes) return;
    const PsfArgs& p = a.psf;
    const std::size_t side = p.n + 2 * p.pad, y = blockIdx.x / a.size, x = blockIdx.x % a.size;
    const std::uint32_t slot = y < side && x < side ? p.slot[y * side + x] : nowhere;
    a.image[blockIdx.x * a.lanes + j] =
        slot != nowhere && j < p.count ? p.in.data[slot * p.in.stride + p.in.first + j] : 0.0F;
}

__global__ void __launch_bounds__(threads) fromImageKernel(ImageArgs a) {
    const std::size_t j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    const PsfArgs& p = a.psf;
    const std::uint32_t place = p.place[blockIdx.x];
    if (j >= p.count || place == nowhere) return;
    const std::size_t y = blockIdx.x / p.n + p.pad, x = blockIdx.x % p.n + p.pad;
    p.out.data[place * p.out.stride + p.out.first + j] = a.image[(y * a.size + x) * a.lanes + j];
}

struct ProductArgs {
    View<const Complex> kernel;  // [modes]
    View<Complex> transform;     // [modes][lanes]
    std::size_t lanes = 0;
};
__global__ void __launch_bounds__(threads) productKernel(ProductArgs a) {
    const std::size_t j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (j >= a.lanes) return;
    const Complex k = a.kernel[blockIdx.x];
    Complex& t = a.transform[blockIdx.x * a.lanes + j];
    t = {t.re * k.re - t.im * k.im, t.re * k.im + t.im * k.re};
}

}  // namespace

FftBlur::FftBlur(const Stream& s, View<const float> kernel, std::size_t radius, std::size_t side, std::size_t count)
    : fft_(fastFftSize(side), count), transform_(fft_.transformValues(), s), image_(fft_.imageFloats(), s) {
    expects(fft_.size() > 2 * radius, "a kernel smaller than the field");
    const std::size_t size = fft_.size();
    const Fft2d one(size, 1);
    DeviceBuffer<float> corner(one.imageFloats(), s);
    kernel_ = DeviceBuffer<Complex>(one.transformValues(), s);
    launch(blocksFor(corner.size(), threads), threads, 0, s, cornerKernel,
           CornerArgs{kernel, radius, size, corner.view()});
    one.forward(s, corner, kernel_);
    s.synchronize();  // before the plan goes
}

void FftBlur::operator()(const Stream& s, const PsfArgs& psf) {
    expects(psf.count <= count(), "no more pixels than the plan is for");
    const std::size_t size = fft_.size(), lanes = fft_.lanes();
    const unsigned chunks = blocksFor(lanes, threads);
    const ImageArgs a{psf, size, lanes, image_.view()};
    launch(dim3(unsigned(size * size), chunks), threads, 0, s, toImageKernel, a);
    fft_.forward(s, image_, transform_);
    launch(dim3(unsigned(fft_.modes()), chunks), threads, 0, s, productKernel,
           ProductArgs{kernel_.view(), transform_.view(), lanes});
    fft_.backward(s, transform_, image_);
    launch(dim3(unsigned(psf.n * psf.n), blocksFor(psf.count, threads)), threads, 0, s, fromImageKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
