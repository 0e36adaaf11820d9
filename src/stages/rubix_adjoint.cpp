#include "stages/rubix_adjoint.hpp"

#include <cmath>
#include <vector>

#include "stages/blocks.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera {

void accumulateRubixAdjoint(Host exec, const BinnedStars& b, const SspLibrary& library, double redshift,
                            const WavelengthGrid& grid, const float* spectraBar, std::size_t stride,
                            StarRecordBar* bar) {
    const std::size_t nSpaxels = b.start.size() - 1, samples = library.nLambda(), pixels = grid.size;
    const std::vector<double> centre = grid.centres();
    const std::size_t age = library.nAge() > 1 ? 1 : 0, z = library.nZ() > 1 ? library.nAge() : 0;

#pragma omp parallel num_threads(threadsOf(exec))
    {
        std::vector<double> x(samples), y(samples), yBar(samples), g(pixels), change(pixels);
        std::vector<std::size_t> interval(pixels);
#pragma omp for schedule(dynamic, 8)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            const float* spectrumBar = spectraBar + s * stride;
            for (std::size_t k = b.start[s]; k < b.start[s + 1]; ++k) {
                const StarRecord& star = b.stars[k];
                if (!(star.mass > 0)) continue;
                const double fa = star.ageFraction, fz = star.zFraction, mass = star.mass;
                const SspWeights<double> w = sspWeights(fa, fz);
                const std::size_t corner = std::size_t(star.corner);
                const double* t[] = {library.spectrum(corner), library.spectrum(corner + age),
                                     library.spectrum(corner + z), library.spectrum(corner + z + age)};
                const double stretch = (1 + redshift) * std::exp(double(star.shift));
                const auto inside = [&](std::size_t m) {
                    return m > 0 && x[m] >= centre.front() && x[m] <= centre.back();
                };
                double total = 0, resampled = 0, product = 0;  // T, N, sum of cotangent times g
                for (std::size_t m = 0; m < samples; ++m) {
                    x[m] = library.wavelength[m] * stretch;
                    y[m] = w.w[0] * t[0][m] + w.w[1] * t[1][m] + w.w[2] * t[2][m] + w.w[3] * t[3][m];
                    if (inside(m)) total += y[m] * (x[m] - x[m - 1]);
                    yBar[m] = 0;
                }
                std::size_t m = 0;
                for (std::size_t j = 0; j < pixels; ++j) {
                    while (m + 2 < samples && x[m + 1] <= centre[j]) ++m;
                    interval[j] = m;
                    change[j] = 0;
                    if (centre[j] <= x[0]) {
                        g[j] = y[0];
                    } else if (centre[j] >= x[samples - 1]) {
                        g[j] = y[samples - 1];
                    } else {
                        const double slope = (y[m + 1] - y[m]) / (x[m + 1] - x[m]);
                        g[j] = y[m] + slope * (centre[j] - x[m]);
                        change[j] = -slope * centre[j];
                    }
                    if (j > 0) resampled += g[j] * (centre[j] - centre[j - 1]);
                    product += double(spectrumBar[j]) * g[j];
                }
                if (!(resampled > 0)) continue;
                const double factor = total / resampled;
                bar[k].mass += float(factor * product);
                // T grows with the stretch; which samples lie inside is a step function of it.
                const double totalBar = mass * product / resampled;
                double shiftBar = totalBar * total;
                for (std::size_t j = 0; j < pixels; ++j) {
                    double gBar = mass * factor * double(spectrumBar[j]);
                    if (j > 0) gBar -= mass * factor * product / resampled * (centre[j] - centre[j - 1]);
                    shiftBar += gBar * change[j];
                    const std::size_t i = interval[j];
                    double u = (centre[j] - x[i]) / (x[i + 1] - x[i]);
                    u = u < 0 ? 0 : (u > 1 ? 1 : u);
                    yBar[i] += gBar * (1 - u);
                    yBar[i + 1] += gBar * u;
                }
                SspWeights<double> wBar{};
                for (std::size_t i = 0; i < samples; ++i) {
                    if (inside(i)) yBar[i] += totalBar * (x[i] - x[i - 1]);
                    for (int c = 0; c < 4; ++c) wBar.w[c] += yBar[i] * t[c][i];
                }
                double ageBar = 0, zBar = 0;
                sspWeightsAdjoint(fa, fz, ageBar, zBar, wBar);
                bar[k].ageFraction += float(ageBar);
                bar[k].zFraction += float(zBar);
                bar[k].shift += float(shiftBar);
            }
        }
    }
}

}  // namespace tessera
