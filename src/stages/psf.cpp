#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <string>

#include "stages/instrument_slopes.hpp"
#include "tessera/core/dual.hpp"
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

namespace {

// Widths [spaxels] of the kernels of groups of pixels.
struct WidthGroups {
    std::vector<double> fwhm;
    std::vector<std::uint32_t> ofPixel;
};
WidthGroups groupsOf(const PsfConfig& c, const WavelengthGrid& grid, double spaxelArcsec) {
    WidthGroups g;
    for (std::size_t j = 0; j < grid.size; ++j) {
        const double fwhm = psfFwhm(c.fwhm, grid.centre(double(j)), c.referenceWavelength, c.power) / spaxelArcsec;
        if (g.fwhm.empty() || std::fabs(fwhm / g.fwhm.back() - 1) > groupTolerance) {
            // The group reaches on for as far again: its kernel is that of its middle.
            const double towards = c.power < 0 ? 1 - groupTolerance : 1 + groupTolerance;
            g.fwhm.push_back(fwhm * towards);
        }
        g.ofPixel.push_back(std::uint32_t(g.fwhm.size() - 1));
    }
    return g;
}

bool varies(const PsfConfig& c) {
    return c.kind != PsfKind::fits && c.referenceWavelength > 0 && c.power != 0;
}

using Slope = Dual<double>;

// The full kernel normalised, as derivatives; `profile` gives the weight of a spaxel (dx, dy) away.
template <class Profile>
PsfKernel slopeKernel(std::size_t radius, Profile profile) {
    PsfKernel k;
    k.radius = radius;
    const int r = int(radius);
    std::vector<Slope> image;
    Slope sum = 0;
    for (int dy = -r; dy <= r; ++dy)
        for (int dx = -r; dx <= r; ++dx) sum += image.emplace_back(profile(dx, dy));
    for (const Slope& w : image) k.full.push_back(float((w / sum).d));
    return k;
}

// Of the sum of weight t(dx) t(dy) over components, whose taps t are normalised here: t' across t, and t across t'.
PsfKernel separableSlope(const std::vector<std::pair<std::vector<Slope>, double>>& components) {
    PsfKernel k;
    const std::size_t width = components.front().first.size();
    k.radius = width / 2;
    std::vector<double> full(width * width, 0.0);
    for (const auto& [taps, weight] : components) {
        Slope sum = 0;
        for (const Slope& t : taps) sum += t;
        std::vector<float> value, slope;
        for (const Slope& t : taps) {
            value.push_back(float((t / sum).v));
            slope.push_back(float(weight * (t / sum).d));
        }
        for (std::size_t y = 0; y < width; ++y)
            for (std::size_t x = 0; x < width; ++x) full[y * width + x] += weight * (taps[y] / sum * (taps[x] / sum)).d;
        k.separable.insert(k.separable.end(), {slope, value});
        k.across.insert(k.across.end(), {value, slope});
    }
    k.full.assign(full.begin(), full.end());
    return k;
}

PsfKernel gaussianSlope(const std::vector<std::pair<Slope, double>>& components, std::size_t radius) {
    std::vector<std::pair<std::vector<Slope>, double>> taps;
    for (const auto& [sigma, weight] : components) {
        std::vector<Slope>& t = taps.emplace_back(std::vector<Slope>{}, weight).first;
        for (int d = -int(radius); d <= int(radius); ++d) t.push_back(gaussianSpaxelWeight(d, sigma));
    }
    return separableSlope(taps);
}

PsfKernel moffatSlope(const Slope& fwhm, const Slope& beta) {
    const Slope alpha = moffatAlpha(fwhm, beta);
    using boost::math::quadrature::gauss;
    const auto over = [&](auto rule, int dx, int dy) {
        using Nodes = decltype(rule);
        Slope sum = 0;
        const auto& at = Nodes::abscissa();
        const auto& weight = Nodes::weights();
        // Nodes of an odd rule begin with the middle one, which stands alone.
        const auto forEach = [&](auto f) {
            for (std::size_t i = 0; i < at.size(); ++i) {
                f(0.5 * at[i], 0.5 * weight[i]);
                if (at[i] != 0) f(-0.5 * at[i], 0.5 * weight[i]);
            }
        };
        forEach([&](double y, double wy) {
            forEach([&](double x, double wx) { sum += wy * wx * moffatProfile(sq(dx + x) + sq(dy + y), alpha, beta); });
        });
        return sum;
    };
    const auto radius = std::size_t(std::ceil(moffatRadius(moffatEnclosed, alpha.v, beta.v)));
    return slopeKernel(radius, [&](int dx, int dy) {
        return dx * dx + dy * dy <= 8 ? over(gauss<double, 30>{}, dx, dy) : over(gauss<double, 7>{}, dx, dy);
    });
}

// fwhm [spaxels]
PsfKernel kernelSlope(const PsfConfig& c, const Slope& fwhm, const Slope& beta) {
    if (c.kind == PsfKind::moffat) return moffatSlope(fwhm, beta);
    if (c.kind == PsfKind::gaussian) {
        const Slope sigma = fwhm / units::fwhm_per_sigma;
        return gaussianSlope({{sigma, 1.0}}, gaussianRadius(sigma.v));
    }
    const DoubleGaussian<Slope> g = mangaDoubleGaussian(fwhm);
    return gaussianSlope({{g.sigma1, g.weight1}, {g.sigma2, g.weight2}},
                         gaussianRadius(std::max(g.sigma1.v, g.sigma2.v)));
}

}  // namespace

std::vector<PsfParameter> psfParameters(const PsfConfig& c) {
    if (c.sigmaSpaxels > 0) return {PsfParameter::sigmaSpaxels};
    if (c.kind == PsfKind::fits) return {};
    if (c.kind == PsfKind::moffat) return {PsfParameter::fwhm, PsfParameter::beta};
    return {PsfParameter::fwhm};
}

Psf makePsfSlope(const PsfConfig& c, PsfParameter parameter, const WavelengthGrid& grid, double spaxelArcsec) {
    Psf psf;
    psf.padded = c.border == PsfBorder::padded;
    if (parameter == PsfParameter::sigmaSpaxels) {
        const Slope sigma{c.sigmaSpaxels, 1};
        std::vector<Slope> taps;
        for (int d = -(c.size / 2); d <= c.size / 2; ++d) taps.push_back(exp(-(d * d) / (2 * sigma * sigma)));
        psf.kernels = {separableSlope({{std::move(taps), 1.0}})};
    } else {
        const bool ofFwhm = parameter == PsfParameter::fwhm;
        const Slope beta{c.beta, ofFwhm ? 0.0 : 1.0};
        const WidthGroups groups =
            varies(c) ? groupsOf(c, grid, spaxelArcsec) : WidthGroups{{c.fwhm / spaxelArcsec}, {}};
        for (const double fwhm : groups.fwhm)
            psf.kernels.push_back(kernelSlope(c, {fwhm, ofFwhm ? fwhm / c.fwhm : 0}, beta));
        psf.kernelOfPixel = groups.ofPixel;
    }
    for (const PsfKernel& k : psf.kernels) psf.radius = std::max(psf.radius, k.radius);
    return psf;
}

Psf makePsf(const PsfConfig& c, const Image* image, const WavelengthGrid& grid, double spaxelArcsec) {
    Psf psf;
    psf.padded = c.border == PsfBorder::padded;
    if (c.sigmaSpaxels > 0) {
        if (c.size < 1 || c.size % 2 == 0)
            throw ConfigError("psf.size is " + std::to_string(c.size) + ": an odd number of taps is needed");
        psf.kernels = {rubixKernel(c.sigmaSpaxels, c.size)};
    } else if (!varies(c)) {
        psf.kernels = {makeKernel(c, image, c.fwhm / spaxelArcsec)};
    } else {
        const WidthGroups groups = groupsOf(c, grid, spaxelArcsec);
        for (const double fwhm : groups.fwhm) psf.kernels.push_back(makeKernel(c, image, fwhm));
        psf.kernelOfPixel = groups.ofPixel;
    }
    for (const PsfKernel& k : psf.kernels) psf.radius = std::max(psf.radius, k.radius);
    return psf;
}

}  // namespace tessera
