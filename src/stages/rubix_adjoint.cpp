#include "stages/rubix_adjoint.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stages/blocks.hpp"
#include "tessera/core/dual.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera {

namespace {

// One star's spectrum before and after interpolation, and what its derivatives need.
struct RubixSpectrum {
    const SspLibrary& library;
    double redshift;
    std::vector<double> centre, x, y, g, change;  // change: of g in the shift, at constant samples
    std::vector<std::size_t> interval;
    const double* t[4];
    SspWeights<double> w;
    double mass = 0, fa = 0, fz = 0, total = 0, resampled = 0;  // T, N

    RubixSpectrum(const SspLibrary& l, double z, const WavelengthGrid& grid)
        : library(l),
          redshift(z),
          centre(grid.centres()),
          x(l.nLambda()),
          y(x.size()),
          g(grid.size),
          change(g.size()),
          interval(g.size()) {}

    bool inside(std::size_t m) const { return m > 0 && x[m] >= centre.front() && x[m] <= centre.back(); }
    double width(std::size_t j) const { return j > 0 ? centre[j] - centre[j - 1] : 0; }
    // Place of pixel j between its two samples; held beyond the library's ends.
    double fraction(std::size_t j) const {
        const std::size_t i = interval[j];
        const double u = (centre[j] - x[i]) / (x[i + 1] - x[i]);
        return u < 0 ? 0 : (u > 1 ? 1 : u);
    }

    // false: nothing shines.
    bool make(const StarRecord& star) {
        if (!(star.mass > 0)) return false;
        const std::size_t age = library.nAge() > 1 ? 1 : 0, z = library.nZ() > 1 ? library.nAge() : 0,
                          corner = std::size_t(star.corner), samples = x.size();
        fa = star.ageFraction;
        fz = star.zFraction;
        mass = star.mass;
        w = sspWeights(fa, fz);
        t[0] = library.spectrum(corner);
        t[1] = library.spectrum(corner + age);
        t[2] = library.spectrum(corner + z);
        t[3] = library.spectrum(corner + z + age);
        const double stretch = (1 + redshift) * std::exp(double(star.shift));
        total = resampled = 0;
        for (std::size_t m = 0; m < samples; ++m) {
            x[m] = library.wavelength[m] * stretch;
            y[m] = w.w[0] * t[0][m] + w.w[1] * t[1][m] + w.w[2] * t[2][m] + w.w[3] * t[3][m];
            if (inside(m)) total += y[m] * (x[m] - x[m - 1]);
        }
        std::size_t m = 0;
        for (std::size_t j = 0; j < g.size(); ++j) {
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
            resampled += g[j] * width(j);
        }
        return resampled > 0;
    }
};

}  // namespace

void accumulateRubixAdjoint(Host exec, const BinnedStars& b, const SspLibrary& library, double redshift,
                            const WavelengthGrid& grid, const float* spectraBar, std::size_t stride,
                            StarRecordBar* bar) {
    const std::size_t nSpaxels = b.start.size() - 1, samples = library.nLambda(), pixels = grid.size;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        RubixSpectrum s(library, redshift, grid);
        std::vector<double> yBar(samples);
#pragma omp for schedule(dynamic, 8)
        for (std::size_t spaxel = 0; spaxel < nSpaxels; ++spaxel) {
            const float* spectrumBar = spectraBar + spaxel * stride;
            for (std::size_t k = b.start[spaxel]; k < b.start[spaxel + 1]; ++k) {
                if (!s.make(b.stars[k])) continue;
                double product = 0;  // sum of cotangent times g
                for (std::size_t j = 0; j < pixels; ++j) product += double(spectrumBar[j]) * s.g[j];
                const double factor = s.total / s.resampled;
                bar[k].mass += float(factor * product);
                // T grows with the stretch; which samples lie inside is a step function of it.
                const double totalBar = s.mass * product / s.resampled;
                double shiftBar = totalBar * s.total;
                std::fill(yBar.begin(), yBar.end(), 0.0);
                for (std::size_t j = 0; j < pixels; ++j) {
                    const double gBar = s.mass * factor * (double(spectrumBar[j]) - product / s.resampled * s.width(j));
                    shiftBar += gBar * s.change[j];
                    const double u = s.fraction(j);
                    yBar[s.interval[j]] += gBar * (1 - u);
                    yBar[s.interval[j] + 1] += gBar * u;
                }
                SspWeights<double> wBar{};
                for (std::size_t i = 0; i < samples; ++i) {
                    if (s.inside(i)) yBar[i] += totalBar * (s.x[i] - s.x[i - 1]);
                    for (int c = 0; c < 4; ++c) wBar.w[c] += yBar[i] * s.t[c][i];
                }
                double ageBar = 0, zBar = 0;
                sspWeightsAdjoint(s.fa, s.fz, ageBar, zBar, wBar);
                bar[k].ageFraction += float(ageBar);
                bar[k].zFraction += float(zBar);
                bar[k].shift += float(shiftBar);
            }
        }
    }
}

void accumulateRubixTangent(Host exec, const BinnedStars& b, const SspLibrary& library, double redshift,
                            const WavelengthGrid& grid, const StarRecordBar* dot, float* out, std::size_t stride) {
    const std::size_t nSpaxels = b.start.size() - 1, samples = library.nLambda(), pixels = grid.size;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        RubixSpectrum s(library, redshift, grid);
        std::vector<double> yDot(samples), gDot(pixels), sum(pixels);
#pragma omp for schedule(dynamic, 8)
        for (std::size_t spaxel = 0; spaxel < nSpaxels; ++spaxel) {
            std::fill(sum.begin(), sum.end(), 0.0);
            for (std::size_t k = b.start[spaxel]; k < b.start[spaxel + 1]; ++k) {
                if (!s.make(b.stars[k])) continue;
                const StarRecordBar& d = dot[k];
                const auto w =
                    sspWeights(Dual<double>{s.fa, double(d.ageFraction)}, Dual<double>{s.fz, double(d.zFraction)});
                double totalDot = s.total * double(d.shift), resampledDot = 0;
                for (std::size_t i = 0; i < samples; ++i) {
                    yDot[i] = 0;
                    for (int c = 0; c < 4; ++c) yDot[i] += w.w[c].d * s.t[c][i];
                    if (s.inside(i)) totalDot += yDot[i] * (s.x[i] - s.x[i - 1]);
                }
                for (std::size_t j = 0; j < pixels; ++j) {
                    const double u = s.fraction(j);
                    gDot[j] =
                        (1 - u) * yDot[s.interval[j]] + u * yDot[s.interval[j] + 1] + s.change[j] * double(d.shift);
                    resampledDot += gDot[j] * s.width(j);
                }
                const double factor = s.mass * s.total / s.resampled,
                             factorDot = double(d.mass) * s.total / s.resampled + s.mass * totalDot / s.resampled -
                                         factor * resampledDot / s.resampled;
                for (std::size_t j = 0; j < pixels; ++j) sum[j] += factorDot * s.g[j] + factor * gDot[j];
            }
            for (std::size_t j = 0; j < pixels; ++j) out[spaxel * stride + j] = float(sum[j]);
        }
    }
}

}  // namespace tessera
