#include <algorithm>
#include <cmath>
#include <string>

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

Lsf makeLsf(const LsfConfig& c, const LineWidthTable* table, const WavelengthGrid& grid, const SspLibrary& library,
            double redshift) {
    std::size_t coarser = 0;
    // Width at pixel j of the grid (held at its ends).
    std::vector<double> sigma(grid.size);
    double widest = 0, narrowest = INFINITY;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double lambda = grid.centre(double(j)), instrument = instrumentFwhm(c, table, lambda);
        const double own = c.subtractLibrary && !library.fwhm.empty()
                               ? interpolate(library.wavelength, library.fwhm, lambda / (1 + redshift))
                               : 0;
        const double added = addedFwhm(instrument, own, redshift);
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

}  // namespace tessera
