#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "stages/blocks.hpp"
#include "tessera/core/units.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

template <class Real>
void accumulateTo(Host exec, const BinnedStars& b, const SspLibrary& library, double redshift,
                  const WavelengthGrid& grid, Real* out, std::size_t stride) {
    const std::size_t nSpaxels = b.start.size() - 1, samples = library.nLambda(), pixels = grid.size;
    const std::vector<double> centre = grid.centres();
    const std::size_t age = library.nAge() > 1 ? 1 : 0, z = library.nZ() > 1 ? library.nAge() : 0;

#pragma omp parallel num_threads(threadsOf(exec))
    {
        std::vector<double> x(samples), y(samples), g(pixels), sum(pixels);
#pragma omp for schedule(dynamic, 8)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            Real* spectrum = out + s * stride;
            std::fill(sum.begin(), sum.end(), 0.0);
            for (std::size_t k = b.start[s]; k < b.start[s + 1]; ++k) {
                const StarRecord& star = b.stars[k];
                if (!(star.mass > 0)) continue;
                const double fa = star.ageFraction, fz = star.zFraction;
                const double* t00 = library.spectrum(std::size_t(star.corner));
                const double* t01 = library.spectrum(std::size_t(star.corner) + age);
                const double* t10 = library.spectrum(std::size_t(star.corner) + z);
                const double* t11 = library.spectrum(std::size_t(star.corner) + z + age);
                const double stretch = (1 + redshift) * std::exp(double(star.shift));
                double total = 0;  // T
                for (std::size_t m = 0; m < samples; ++m) {
                    x[m] = library.wavelength[m] * stretch;
                    y[m] = (1 - fz) * ((1 - fa) * t00[m] + fa * t01[m]) + fz * ((1 - fa) * t10[m] + fa * t11[m]);
                    if (m > 0 && x[m] >= centre.front() && x[m] <= centre.back()) total += y[m] * (x[m] - x[m - 1]);
                }
                double resampled = 0;  // N
                std::size_t m = 0;
                for (std::size_t j = 0; j < pixels; ++j) {
                    while (m + 2 < samples && x[m + 1] <= centre[j]) ++m;
                    if (centre[j] <= x[0])
                        g[j] = y[0];
                    else if (centre[j] >= x[samples - 1])
                        g[j] = y[samples - 1];
                    else
                        g[j] = y[m] + (y[m + 1] - y[m]) * (centre[j] - x[m]) / (x[m + 1] - x[m]);
                    if (j > 0) resampled += g[j] * (centre[j] - centre[j - 1]);
                }
                if (!(resampled > 0)) continue;
                const double factor = double(star.mass) * total / resampled;
                for (std::size_t j = 0; j < pixels; ++j) sum[j] += factor * g[j];
            }
            for (std::size_t j = 0; j < pixels; ++j) spectrum[j] = Real(sum[j]);
        }
    }
}

}  // namespace

void accumulateRubix(Host exec, const BinnedStars& b, const SspLibrary& library, double redshift,
                     const WavelengthGrid& grid, float* out, std::size_t stride) {
    accumulateTo(exec, b, library, redshift, grid, out, stride);
}

void accumulateRubix(Host exec, const BinnedStars& b, const SspLibrary& library, double redshift,
                     const WavelengthGrid& grid, double* out, std::size_t stride) {
    accumulateTo(exec, b, library, redshift, grid, out, stride);
}

Lsf makeRubixLsf(double sigma, double step) {
    Lsf lsf;
    lsf.radius = 12;
    lsf.constant = true;
    std::vector<double> taps;
    double sum = 0;
    for (int d = -12; d <= 12; ++d) sum += taps.emplace_back(std::exp(-0.5 * sq(d * step / sigma)));
    for (const double t : taps) lsf.taps.push_back(float(t / sum));
    return lsf;
}

}  // namespace tessera
