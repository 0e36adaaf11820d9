#include <algorithm>
#include <cmath>
#include <string>

#include "stages/instrument_slopes.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/instrument.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

constexpr double gaussianEnd = 5;  // sigma

double interpolate(const std::vector<double>& x, const std::vector<double>& y, double at) {
    if (at <= x.front()) return y.front();
    if (at >= x.back()) return y.back();
    const std::size_t m = std::size_t(std::upper_bound(x.begin(), x.end(), at) - x.begin());
    return y[m - 1] + (y[m] - y[m - 1]) * (at - x[m - 1]) / (x[m] - x[m - 1]);
}

// Slope of interpolate().
double interpolateSlope(const std::vector<double>& x, const std::vector<double>& y, double at) {
    if (at <= x.front() || at >= x.back()) return 0;
    const std::size_t m = std::size_t(std::upper_bound(x.begin(), x.end(), at) - x.begin());
    return (y[m] - y[m - 1]) / (x[m] - x[m - 1]);
}

double instrumentFwhm(const LsfConfig& c, const LineWidthTable* table, double lambda) {
    if (c.fwhm) return *c.fwhm;
    if (c.sigma) return *c.sigma * units::fwhm_per_sigma;
    if (c.resolution) return lambda / *c.resolution;
    if (table != nullptr) return interpolate(table->wavelength, table->fwhm, lambda);
    const double sum = polynomial(c.fwhmPolynomial.data(), int(c.fwhmPolynomial.size()), lambda);
    if (!(sum > 0))
        throw Error("lsf.fwhm_polynomial is " + std::to_string(sum) + " Angstrom at " + std::to_string(lambda) +
                    " Angstrom: it must be positive over the telescope's range");
    return sum;
}

}  // namespace

namespace {

// The library's own FWHM at an observed wavelength; 0 where it is not to be subtracted.
double libraryFwhm(const LsfConfig& c, const SspLibrary& library, double redshift, double lambda) {
    return c.subtractLibrary && !library.fwhm.empty()
               ? interpolate(library.wavelength, library.fwhm, lambda / (1 + redshift))
               : 0;
}

}  // namespace

Lsf makeLsf(const LsfConfig& c, const LineWidthTable* table, const WavelengthGrid& grid, const SspLibrary& library,
            double redshift) {
    std::size_t coarser = 0;
    // Width at pixel j of the grid (held at its ends).
    std::vector<double> sigma(grid.size);
    double widest = 0, narrowest = INFINITY;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double lambda = grid.centre(double(j)), instrument = instrumentFwhm(c, table, lambda);
        const double added = addedFwhm(instrument, libraryFwhm(c, library, redshift, lambda), redshift);
        coarser += added == 0;
        sigma[j] = added / units::fwhm_per_sigma;
        widest = std::max(widest, sigma[j] / grid.width(j));
        narrowest = std::min(narrowest, sigma[j]);
    }
    Lsf lsf;
    lsf.coarserFraction = double(coarser) / double(grid.size);
    lsf.radius = std::size_t(std::ceil(gaussianEnd * widest));
    const std::ptrdiff_t r = std::ptrdiff_t(lsf.radius), n = std::ptrdiff_t(grid.size);
    const std::size_t width = 2 * lsf.radius + 1;
    const auto sigmaAt = [&](std::ptrdiff_t k) { return sigma[std::size_t(std::clamp<std::ptrdiff_t>(k, 0, n - 1))]; };
    const auto pixelWidth = [&](std::ptrdiff_t k) { return grid.edge(double(k + 1)) - grid.edge(double(k)); };
    const auto norm = [&](std::ptrdiff_t k) {
        if (sigmaAt(k) == 0) return pixelWidth(k);
        double sum = 0;
        for (std::ptrdiff_t j = k - r; j <= k + r; ++j)
            sum += lineSpreadShare(grid.centre(double(j)) - grid.centre(double(k)), sigmaAt(k)) * pixelWidth(j);
        return sum;
    };
    const auto tap = [&](std::ptrdiff_t j, std::ptrdiff_t k, double normOfK) {
        const double g = sigmaAt(k) == 0 ? double(j == k)
                                         : lineSpreadShare(grid.centre(double(j)) - grid.centre(double(k)), sigmaAt(k));
        return float(g * pixelWidth(k) / normOfK);
    };
    lsf.constant = !grid.log && *std::max_element(sigma.begin(), sigma.end()) == narrowest;
    if (lsf.constant) {
        const double total = norm(0);
        for (std::ptrdiff_t d = -r; d <= r; ++d) lsf.taps.push_back(tap(0, d, total));
        return lsf;
    }
    std::vector<double> norms(grid.size + 2 * lsf.radius);
    for (std::ptrdiff_t k = -r; k < n + r; ++k) norms[std::size_t(k + r)] = norm(k);
    const std::size_t stride = grid.size + spectrumPadding;
    lsf.taps.resize(width * stride);
    for (std::ptrdiff_t d = -r; d <= r; ++d)
        for (std::ptrdiff_t j = 0; j < n; ++j)
            lsf.taps[std::size_t(d + r) * stride + std::size_t(j)] = tap(j, j + d, norms[std::size_t(j + d + r)]);
    return lsf;
}

std::vector<LsfParameter> lsfParameters(const LsfConfig& c, const LineWidthTable* table, const WavelengthGrid& grid,
                                        const SspLibrary& library, double redshift) {
    std::vector<LsfParameter> out;
    const char* name = c.fwhm ? "fwhm" : (c.sigma ? "sigma" : (c.resolution ? "resolution" : "fwhm_polynomial"));
    const std::size_t count = !c.fwhmPolynomial.empty() ? c.fwhmPolynomial.size() : (c.table.empty() ? 1 : 0);
    for (std::size_t k = 0; k < count; ++k) out.push_back({name, k, std::vector<double>(grid.size, 0.0)});
    std::vector<double> slope(std::max<std::size_t>(count, 1));
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double lambda = grid.centre(double(j)), instrument = instrumentFwhm(c, table, lambda);
        double instrumentBar = 0, redshiftBar = 0;
        addedFwhmAdjoint(instrument, libraryFwhm(c, library, redshift, lambda), redshift, instrumentBar, redshiftBar,
                         1 / units::fwhm_per_sigma);
        std::fill(slope.begin(), slope.end(), 0.0);
        if (!c.fwhmPolynomial.empty())
            polynomialAdjoint(c.fwhmPolynomial.data(), int(count), lambda, slope.data(), instrumentBar);
        else if (c.resolution)
            slope[0] = -instrumentBar * lambda / sq(*c.resolution);
        else
            slope[0] = instrumentBar * (c.sigma ? units::fwhm_per_sigma : 1);
        for (std::size_t k = 0; k < count; ++k) out[k].sigmaSlope[j] = slope[k];
    }
    return out;
}

std::vector<double> lineSigmaSlopes(const LsfConfig& c, const LineWidthTable* table, const WavelengthGrid& grid,
                                    const SspLibrary& library, double redshift) {
    std::vector<double> slopes(grid.size, 0.0);
    if (!c.subtractLibrary || library.fwhm.empty()) return slopes;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double lambda = grid.centre(double(j)), rest = lambda / (1 + redshift);
        const double fwhm = libraryFwhm(c, library, redshift, lambda);
        const double added = addedFwhm(instrumentFwhm(c, table, lambda), fwhm, redshift);
        if (!(added > 0)) continue;
        const double slope = fwhm - interpolateSlope(library.wavelength, library.fwhm, rest) * rest;
        slopes[j] = -fwhm * (1 + redshift) * slope / added / units::fwhm_per_sigma;
    }
    return slopes;
}

LsfSlope makeLsfSlope(const std::vector<double>& sigma, const WavelengthGrid& grid, std::size_t radius) {
    LsfSlope out{radius, grid.size, {}};
    const std::ptrdiff_t r = std::ptrdiff_t(radius), n = std::ptrdiff_t(grid.size);
    out.taps.assign((2 * radius + 1) * out.sources(), 0.0);
    const auto pixelWidth = [&](std::ptrdiff_t k) { return grid.edge(double(k + 1)) - grid.edge(double(k)); };
    std::vector<double> share(2 * radius + 1), tapSlope(2 * radius + 1);
    for (std::ptrdiff_t k = -r; k < n + r; ++k) {
        const double s = sigma[std::size_t(std::clamp<std::ptrdiff_t>(k, 0, n - 1))];
        if (!(s > 0)) continue;
        double sum = 0, sumSlope = 0;
        for (std::ptrdiff_t d = -r; d <= r; ++d) {  // to pixel k + d
            const double distance = grid.centre(double(k + d)) - grid.centre(double(k)), width = pixelWidth(k + d);
            double slope = 0;
            lineSpreadShareAdjoint(distance, s, slope, width);
            share[std::size_t(d + r)] = lineSpreadShare(distance, s) * width;
            tapSlope[std::size_t(d + r)] = slope;
            sum += share[std::size_t(d + r)];
            sumSlope += slope;
        }
        for (std::ptrdiff_t d = -r; d <= r; ++d) {
            const std::ptrdiff_t j = k + d;
            if (j < 0 || j >= n) continue;
            const std::size_t i = std::size_t(d + r);
            const double slope = (tapSlope[i] - share[i] / sum * sumSlope) / sum;
            out.taps[i * out.sources() + std::size_t(k + r)] = slope * pixelWidth(k) / pixelWidth(j);
        }
    }
    return out;
}

Lsf LsfSlope::along(const std::vector<double>& sigma) const {
    Lsf lsf;
    lsf.radius = radius;
    const std::size_t width = 2 * radius + 1, stride = pixels + spectrumPadding;
    lsf.taps.assign(width * stride, 0.0F);
    for (std::size_t d = 0; d < width; ++d)
        for (std::size_t j = 0; j < pixels; ++j) {
            const std::size_t k = j + d;  // source; the gather form counts them from the left
            const std::ptrdiff_t pixel = std::ptrdiff_t(k) - std::ptrdiff_t(radius);
            const double change = sigma[std::size_t(std::clamp<std::ptrdiff_t>(pixel, 0, std::ptrdiff_t(pixels) - 1))];
            lsf.taps[d * stride + j] = float(change * taps[(width - 1 - d) * sources() + k]);
        }
    return lsf;
}

std::vector<double> lineSigmas(const LsfConfig& c, const LineWidthTable* table, const WavelengthGrid& grid,
                               const SspLibrary& library, double redshift) {
    std::vector<double> sigma;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double lambda = grid.centre(double(j));
        sigma.push_back(
            addedFwhm(instrumentFwhm(c, table, lambda), libraryFwhm(c, library, redshift, lambda), redshift) /
            units::fwhm_per_sigma);
    }
    return sigma;
}

}  // namespace tessera
