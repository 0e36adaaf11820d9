#include "kernels/coefficients.hpp"

#include <cmath>

#include "kernels/reduce.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

struct Sums : SpanSums {
    __device__ Sums() : SpanSums{0, INFINITY, -INFINITY} {}
    __device__ Sums& operator+=(const Sums& o) {
        mass += o.mass;
        shiftMin = o.shiftMin < shiftMin ? o.shiftMin : shiftMin;
        shiftMax = o.shiftMax > shiftMax ? o.shiftMax : shiftMax;
        return *this;
    }
};

__global__ void __launch_bounds__(threads) spanKernel(SpanArgs a) {
    const StarSpan span = a.span[blockIdx.x];
    Sums sums;
    for (std::uint32_t i = span.first + threadIdx.x; i < span.end; i += threads) {
        const StarRecord s = a.star[i];
        Sums one;
        one.mass = double(s.mass);
        one.shiftMin = one.shiftMax = s.shift;
        sums += one;
    }
    sums = blockSum<threads>(sums);
    if (threadIdx.x == 0) a.sums[blockIdx.x] = sums;
}

__global__ void __launch_bounds__(threads) scatterKernel(ScatterArgs a) {
    const DensePart part = a.part[blockIdx.x];
    const DenseNodes nodes = a.dense[part.spaxel];
    const double perUnit = 1 / nodes.unit;
    for (std::uint32_t i = part.stars.first + threadIdx.x; i < part.stars.end; i += threads) {
        const StarRecord s = a.star[i];
        const double at = double(s.shift) * a.inverseNodeStep, below = std::floor(at), t = at - below;
        // The cubic through the nodes at -1, 0, 1 and 2.
        const double lagrange[4] = {-t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2,
                                    -(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6};
        const SspWeights<double> w = sspWeights(double(s.ageFraction), double(s.zFraction));
        const std::size_t row = nodes.row + std::size_t(int(below) - 1 - nodes.firstNode);
        const std::size_t step[4] = {0, std::size_t(a.ageStep), std::size_t(a.zStep), std::size_t(a.zStep + a.ageStep)};
        for (int c = 0; c < 4; ++c) {
            const double weight = double(s.mass) * w.w[c] * perUnit;
            if (weight == 0) continue;
            for (std::size_t k = 0; k < 4; ++k)
                atomicAdd(&a.sum[(row + k) * a.templates + std::size_t(s.corner) + step[c]],
                          static_cast<unsigned long long>(llrint(weight * lagrange[k])));
        }
    }
}

__global__ void __launch_bounds__(threads) coefficientKernel(CoefficientArgs a) {
    const std::size_t t = std::size_t(blockIdx.y) * threads + threadIdx.x;
    if (t >= a.templates) return;
    const std::size_t i = blockIdx.x * a.templates + t;
    a.out[i] = float(double(static_cast<long long>(a.sum[i])) * a.unit[blockIdx.x]);
}

}  // namespace

void sumSpans(const Stream& s, const SpanArgs& a) {
    launch(unsigned(a.span.size()), threads, 0, s, spanKernel, a);
}

// The weights of the cubic sum to 1.25 at most, without their signs.
double coefficientUnit(double mass) {
    return mass > 0 ? std::ldexp(1.0, std::ilogb(1.25 * mass) + 1 - 62) : 1;
}

void scatterCoefficients(const Stream& s, const ScatterArgs& a) {
    launch(unsigned(a.part.size()), threads, 0, s, scatterKernel, a);
}

void coefficients(const Stream& s, const CoefficientArgs& a) {
    launch(dim3(unsigned(a.unit.size()), blocksFor(a.templates, threads)), threads, 0, s, coefficientKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
