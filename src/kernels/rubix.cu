#include "kernels/rubix.hpp"

#include <cmath>

#include "kernels/reduce.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// The spectrum of 1 Msun of a star.
struct StarSpectrum {
    const RubixArgs& a;
    std::size_t row, age, z;
    double fa, fz, stretch;

    __device__ StarSpectrum(const RubixArgs& args, const StarRecord& s)
        : a(args),
          row(std::size_t(s.corner) * args.wavelength.size()),
          age(std::size_t(args.ageStep) * args.wavelength.size()),
          z(std::size_t(args.zStep) * args.wavelength.size()),
          fa(double(s.ageFraction)),
          fz(double(s.zFraction)),
          stretch((1 + args.redshift) * std::exp(double(s.shift))) {}

    __device__ double x(std::size_t m) const { return a.wavelength[m] * stretch; }
    __device__ double y(std::size_t m) const {
        const std::size_t t = row + m;
        return (1 - fz) * ((1 - fa) * a.flux[t] + fa * a.flux[t + age]) +
               fz * ((1 - fa) * a.flux[t + z] + fa * a.flux[t + z + age]);
    }
    // Linear between the samples; outside them the value of the last is held.
    __device__ double at(double lambda) const {
        const std::size_t last = a.wavelength.size() - 1;
        if (lambda <= x(0)) return y(0);
        if (lambda >= x(last)) return y(last);
        std::size_t low = 0, high = last;
        while (high - low > 1) {
            const std::size_t middle = (low + high) / 2;
            if (x(middle) <= lambda)
                low = middle;
            else
                high = middle;
        }
        return y(low) + (y(high) - y(low)) * (lambda - x(low)) / (x(high) - x(low));
    }
};

// A block a star.
__global__ void __launch_bounds__(threads) factorKernel(RubixArgs a) {
    const StarRecord star = a.star[blockIdx.x];
    const StarSpectrum s(a, star);
    const std::size_t pixels = a.centre.size();
    const double first = a.centre[0], last = a.centre[pixels - 1];
    double total = 0, resampled = 0;
    for (std::size_t m = 1 + threadIdx.x; m < a.wavelength.size(); m += threads)
        if (const double x = s.x(m); x >= first && x <= last) total += s.y(m) * (x - s.x(m - 1));
    for (std::size_t j = 1 + threadIdx.x; j < pixels; j += threads)
        resampled += s.at(a.centre[j]) * (a.centre[j] - a.centre[j - 1]);
    total = blockSum<threads>(total);
    resampled = blockSum<threads>(resampled);
    if (threadIdx.x == 0)
        a.factor[blockIdx.x] = star.mass > 0 && resampled > 0 ? double(star.mass) * total / resampled : 0;
}

__global__ void __launch_bounds__(threads) sumKernel(RubixArgs a) {
    const std::size_t j = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (j >= a.centre.size()) return;
    const std::uint32_t spaxel = a.spaxel[blockIdx.x];
    double sum = 0;
    for (std::uint32_t k = a.first[spaxel]; k < a.first[spaxel + 1]; ++k)
        if (const double factor = a.factor[k]; factor > 0) sum += factor * StarSpectrum(a, a.star[k]).at(a.centre[j]);
    a.out[blockIdx.x * a.stride + a.offset + j] = float(sum);
}

}  // namespace

void accumulateRubix(const Stream& s, const RubixArgs& a) {
    launch(dim3(unsigned(a.star.size())), threads, 0, s, factorKernel, a);
    launch(dim3(unsigned(a.spaxel.size()), blocksFor(a.centre.size(), threads)), threads, 0, s, sumKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
