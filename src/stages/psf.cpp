#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <string>

#include "tessera/core/error.hpp"
#include "tessera/model/image.hpp"
#include "tessera/physics/instrument.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

constexpr double gaussianEnd = 5;         // sigma; 3.7e-6 of the flux lies outside
constexpr double moffatEnclosed = 0.999;  // of the flux
constexpr double groupTolerance = 2e-3;   // relative FWHM within a group of wavelength pixels

std::vector<float> gaussianTaps(double sigma, std::size_t radius, double weight) {
    std::vector<double> taps(2 * radius + 1);
    double sum = 0;
    for (std::size_t i = 0; i < taps.size(); ++i)
        sum += taps[i] = gaussianSpaxelWeight(double(i) - double(radius), sigma);
    std::vector<float> out(taps.size());
    // The outer square carries the component's weight.
    for (std::size_t i = 0; i < taps.size(); ++i) out[i] = float(taps[i] / sum * std::sqrt(weight));
    return out;
}

std::size_t gaussianRadius(double sigma) {
    return std::size_t(std::ceil(gaussianEnd * sigma));
}

PsfKernel gaussianKernel(double sigma) {
    PsfKernel k;
    k.radius = gaussianRadius(sigma);
    k.separable = {gaussianTaps(sigma, k.radius, 1)};
    return k;
}

PsfKernel doubleGaussianKernel(double fwhm) {
    const DoubleGaussian<double> g = mangaDoubleGaussian(fwhm);
    PsfKernel k;
    k.radius = gaussianRadius(std::max(g.sigma1, g.sigma2));
    k.separable = {gaussianTaps(g.sigma1, k.radius, g.weight1), gaussianTaps(g.sigma2, k.radius, g.weight2)};
    return k;
}

void normalise(const std::vector<double>& image, std::vector<float>& out) {
    double sum = 0;
    for (const double v : image) sum += v;
    out.resize(image.size());
    for (std::size_t i = 0; i < image.size(); ++i) out[i] = float(image[i] / sum);
}

// Integral of the profile over the spaxel (dx, dy) away; Gauss-Legendre, dense where the profile is steep.
double moffatSpaxel(int dx, int dy, double alpha, double beta) {
    const auto over = [&](auto rule) {
        return rule.integrate(
            [&](double y) {
                return rule.integrate([&](double x) { return moffatProfile(x * x + y * y, alpha, beta); }, dx - 0.5,
                                      dx + 0.5);
            },
            dy - 0.5, dy + 0.5);
    };
    using boost::math::quadrature::gauss;
    return dx * dx + dy * dy <= 8 ? over(gauss<double, 30>{}) : over(gauss<double, 7>{});
}

PsfKernel moffatKernel(double fwhm, double beta) {
    const double alpha = moffatAlpha(fwhm, beta);
    PsfKernel k;
    k.radius = std::size_t(std::ceil(moffatRadius(moffatEnclosed, alpha, beta)));
    const int r = int(k.radius);
    std::vector<double> image;
    for (int dy = -r; dy <= r; ++dy)
        for (int dx = -r; dx <= r; ++dx) image.push_back(moffatSpaxel(dx, dy, alpha, beta));
    normalise(image, k.full);
    return k;
}

// RUBIX: values of the Gaussian at the tap centres, size x size taps, normalised.
PsfKernel rubixKernel(double sigma, int size) {
    PsfKernel k;
    k.radius = std::size_t(size / 2);
    std::vector<double> taps(std::size_t(size), 0.0);
    double sum = 0;
    for (int i = 0; i < size; ++i) sum += taps[std::size_t(i)] = std::exp(-sq(i - size / 2) / (2 * sq(sigma)));
    std::vector<float> out;
    for (const double t : taps) out.push_back(float(t / sum));
    k.separable = {out};
    return k;
}

PsfKernel imageKernel(const Image& image) {
    PsfKernel k;
    k.radius = image.nx / 2;
    normalise(image.data, k.full);
    return k;
}

PsfKernel makeKernel(const PsfConfig& c, const Image* image, double fwhmSpaxels) {
    switch (c.kind) {
        case PsfKind::gaussian:
            return gaussianKernel(fwhmSpaxels / units::fwhm_per_sigma);
        case PsfKind::doubleGaussian:
            return doubleGaussianKernel(fwhmSpaxels);
        case PsfKind::moffat:
            return moffatKernel(fwhmSpaxels, c.beta);
        case PsfKind::fits:
            break;
    }
    expects(image != nullptr, "the image of a PSF of kind fits");
    return imageKernel(*image);
}

}  // namespace

Psf makePsf(const PsfConfig& c, const Image* image, const WavelengthGrid& grid, double spaxelArcsec) {
    Psf psf;
    psf.padded = c.border == PsfBorder::padded;
    if (c.sigmaSpaxels > 0) {
        if (c.size < 1 || c.size % 2 == 0)
            throw ConfigError("psf.size is " + std::to_string(c.size) + ": an odd number of taps is needed");
        psf.kernels = {rubixKernel(c.sigmaSpaxels, c.size)};
    } else if (c.kind == PsfKind::fits || c.referenceWavelength <= 0 || c.power == 0) {
        psf.kernels = {makeKernel(c, image, c.fwhm / spaxelArcsec)};
    } else {
        double groupFwhm = 0;
        for (std::size_t j = 0; j < grid.size; ++j) {
            const double fwhm = psfFwhm(c.fwhm, grid.centre(double(j)), c.referenceWavelength, c.power) / spaxelArcsec;
            if (psf.kernels.empty() || std::fabs(fwhm / groupFwhm - 1) > groupTolerance) {
                // The group reaches on for as far again: its kernel is that of its middle.
                const double towards = c.power < 0 ? 1 - groupTolerance : 1 + groupTolerance;
                groupFwhm = fwhm * towards;
                psf.kernels.push_back(makeKernel(c, image, groupFwhm));
            }
            psf.kernelOfPixel.push_back(std::uint32_t(psf.kernels.size() - 1));
        }
    }
    for (const PsfKernel& k : psf.kernels) psf.radius = std::max(psf.radius, k.radius);
    return psf;
}

}  // namespace tessera
