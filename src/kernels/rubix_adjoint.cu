#include "kernels/rubix_adjoint.hpp"

#include "kernels/reduce.hpp"
#include "kernels/rubix_star.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

// Of one star and its four templates, linear in the pixels and the samples: with C the cotangent and D the widths of the pixels,
// g a template at the pixels' centres, h the slope of the star's spectrum in the shift there.
struct RubixSums {
    double product[4] = {};    // sum of C g
    double resampled[4] = {};  // sum of D g
    double total[4] = {};      // sum over the samples inside
    double slope = 0;          // sum of C h
    double widthSlope = 0;     // sum of D h
    __device__ RubixSums& operator+=(const RubixSums& o) {
        for (int c = 0; c < 4; ++c) {
            product[c] += o.product[c];
            resampled[c] += o.resampled[c];
            total[c] += o.total[c];
        }
        slope += o.slope;
        widthSlope += o.widthSlope;
        return *this;
    }
};

__device__ double weighted(const SspWeights<double>& w, const double (&v)[4]) {
    return w.w[0] * v[0] + w.w[1] * v[1] + w.w[2] * v[2] + w.w[3] * v[3];
}

// The spaxel of a star: the last whose first star is not behind it.
__device__ std::size_t spaxelOfStar(const View<const std::uint32_t>& first, std::uint32_t star) {
    std::size_t low = 0, high = first.size() - 1;
    while (high - low > 1) {
        const std::size_t middle = (low + high) / 2;
        (first[middle] <= star ? low : high) = middle;
    }
    return low;
}

// A block a star.
__global__ void __launch_bounds__(threads) rubixAdjointKernel(RubixAdjointArgs g) {
    const RubixArgs& a = g.sum;
    const StarRecord star = a.star[blockIdx.x];
    if (!(star.mass > 0)) return;
    const StarSpectrum s(a, star);
    const SspWeights<double> w = sspWeights(s.fa, s.fz);
    const std::size_t pixels = a.centre.size(), corner[4] = {s.row, s.row + s.age, s.row + s.z, s.row + s.z + s.age};
    const double first = a.centre[0], last = a.centre[pixels - 1];
    const std::size_t spectrum = spaxelOfStar(a.first, blockIdx.x) * a.stride + a.offset;
    RubixSums sums;
    for (std::size_t m = 1 + threadIdx.x; m < a.wavelength.size(); m += threads)
        if (const double x = s.x(m); x >= first && x <= last)
            for (int c = 0; c < 4; ++c) sums.total[c] += a.flux[corner[c] + m] * (x - s.x(m - 1));
    for (std::size_t j = threadIdx.x; j < pixels; j += threads) {
        const double lambda = a.centre[j], width = j > 0 ? lambda - a.centre[j - 1] : 0;
        const double cotangent = double(g.spectraBar[spectrum + j]);
        const SamplePlace p = s.place(lambda);
        double slope[4];
        for (int c = 0; c < 4; ++c) {
            const double low = a.flux[corner[c] + p.low], change = a.flux[corner[c] + p.low + 1] - low;
            const double value = low + change * p.fraction;
            sums.product[c] += cotangent * value;
            sums.resampled[c] += width * value;
            slope[c] = change;
        }
        if (!p.inside) continue;
        const double h = -lambda * weighted(w, slope) / (s.x(p.low + 1) - s.x(p.low));
        sums.slope += cotangent * h;
        sums.widthSlope += width * h;
    }
    sums = blockSum<threads>(sums);
    if (threadIdx.x != 0) return;
    const double total = weighted(w, sums.total), resampled = weighted(w, sums.resampled);
    if (!(resampled > 0)) return;
    const double factor = total / resampled, mass = double(star.mass), product = weighted(w, sums.product);
    // T grows with the stretch; which samples lie inside is a step function of it.
    const double totalBar = mass * product / resampled, ratio = product / resampled;
    SspWeights<double> wBar{};
    for (int c = 0; c < 4; ++c)
        wBar.w[c] = mass * factor * (sums.product[c] - ratio * sums.resampled[c]) + totalBar * sums.total[c];
    double ageBar = 0, zBar = 0;
    sspWeightsAdjoint(s.fa, s.fz, ageBar, zBar, wBar);
    StarRecordBar& bar = g.bar[blockIdx.x];
    bar.mass += float(factor * product);
    bar.ageFraction += float(ageBar);
    bar.zFraction += float(zBar);
    bar.shift += float(totalBar * total + mass * factor * (sums.slope - ratio * sums.widthSlope));
}

}  // namespace

void rubixAdjoint(const Stream& s, const RubixAdjointArgs& a) {
    launch(dim3(unsigned(a.sum.star.size())), threads, 0, s, rubixAdjointKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
