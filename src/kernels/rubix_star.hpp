// The spectrum of 1 Msun of a star in RUBIX's convention, and where pixels lie among its samples.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/rubix.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A wavelength between two samples: value (1 - fraction) of the lower plus fraction of the next; outside the samples the value
// of the last is held.
struct SamplePlace {
    std::size_t low;
    double fraction;
    bool inside;
};

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
    __device__ SamplePlace place(double lambda) const {
        const std::size_t last = a.wavelength.size() - 1;
        if (lambda <= x(0)) return {0, 0, false};
        if (lambda >= x(last)) return {last - 1, 1, false};
        std::size_t low = 0, high = last;
        while (high - low > 1) {
            const std::size_t middle = (low + high) / 2;
            if (x(middle) <= lambda)
                low = middle;
            else
                high = middle;
        }
        return {low, (lambda - x(low)) / (x(high) - x(low)), true};
    }
    __device__ double at(double lambda) const {
        const SamplePlace p = place(lambda);
        const double low = y(p.low);
        return low + (y(p.low + 1) - low) * p.fraction;
    }
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
