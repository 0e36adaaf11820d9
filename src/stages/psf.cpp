#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "stages/fft.hpp"
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
    const DoubleGaussian g = mangaDoubleGaussian(fwhm);
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

// [begin, end) of pixels that share a kernel.
struct Segment {
    std::size_t begin, end;
    const PsfKernel* kernel;
};

std::vector<Segment> segments(const Psf& psf, std::size_t count, std::ptrdiff_t firstPixel, std::size_t longest) {
    const auto kernelOf = [&](std::size_t j) -> std::size_t {
        if (psf.kernelOfPixel.empty()) return 0;
        const std::ptrdiff_t last = std::ptrdiff_t(psf.kernelOfPixel.size()) - 1;
        return psf.kernelOfPixel[std::size_t(std::clamp<std::ptrdiff_t>(std::ptrdiff_t(j) + firstPixel, 0, last))];
    };
    std::vector<Segment> out;
    for (std::size_t j = 0; j < count;) {
        const std::size_t kernel = kernelOf(j);
        std::size_t end = j + 1;
        while (end < count && end - j < longest && kernelOf(end) == kernel) ++end;
        out.push_back({j, end, &psf.kernels[kernel]});
        j = end;
    }
    return out;
}

struct Field {
    std::size_t n, pad;
    float* work;
    std::size_t stride;
    std::size_t side() const { return n + 2 * pad; }
    float* at(std::size_t y, std::size_t x) const { return work + (y * side() + x) * stride; }
};

// Two passes of taps over `lanes` wavelengths at once: along x into rows[side][n][lanes], then along y into
// out[n][n][lanes].
void convolveSeparable(const Field& f, const Segment& s, std::size_t lanes, float* rows, float* out) {
    const auto& kernels = simd::kernels();
    const std::size_t width = 2 * s.kernel->radius + 1, skip = f.pad - s.kernel->radius;
    bool add = false;
    for (const std::vector<float>& taps : s.kernel->separable) {
        for (std::size_t y = skip; y < f.side() - skip; ++y)
            kernels.columns(taps.data(), width, f.at(y, skip) + s.begin, f.stride, rows + y * f.n * lanes, lanes, f.n,
                            lanes, false);
        for (std::size_t x = 0; x < f.n; ++x)
            kernels.columns(taps.data(), width, rows + (skip * f.n + x) * lanes, f.n * lanes, out + x * lanes,
                            f.n * lanes, f.n, lanes, add);
        add = true;
    }
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

void convolvePsf(Host exec, const Psf& psf, std::size_t n, std::size_t pad, std::size_t count,
                 std::ptrdiff_t firstPixel, float* work, std::size_t stride) {
    expects(pad >= psf.radius && stride >= count, "a field padded by the kernel's radius");
    const Field f{n, pad, work, stride};
    constexpr std::size_t longest = 32;
    const std::vector<Segment> all = segments(psf, count, firstPixel, longest);
    std::vector<std::unique_ptr<FftKernel>> transformed(psf.kernels.size());
    for (std::size_t k = 0; k < psf.kernels.size(); ++k)
        if (psf.kernels[k].separable.empty())
            transformed[k] = std::make_unique<FftKernel>(psf.kernels[k].full, psf.kernels[k].radius, f.side(), longest);

#pragma omp parallel num_threads(threadsOf(exec))
    {
        Buffer<float> rows(f.side() * n * longest), out(n * n * longest);
        std::unique_ptr<FftWorkspace> workspace;
#pragma omp for schedule(dynamic, 1)
        for (std::size_t i = 0; i < all.size(); ++i) {
            const Segment& s = all[i];
            // Whole vectors are computed, possibly over the segment's end; only the segment is written back.
            const std::size_t lanes = (s.end - s.begin + 15) / 16 * 16;
            const FftKernel* fft = transformed[std::size_t(s.kernel - psf.kernels.data())].get();
            if (fft == nullptr) {
                convolveSeparable(f, s, lanes, rows.data(), out.data());
            } else {
                if (!workspace) workspace = std::make_unique<FftWorkspace>(*fft);
                fft->convolve(*workspace, f.at(0, 0) + s.begin, stride, f.side(), pad, n, s.end - s.begin, lanes,
                              out.data());
            }
            for (std::size_t y = 0; y < n; ++y)
                for (std::size_t x = 0; x < n; ++x)
                    std::memcpy(f.at(pad + y, pad + x) + s.begin, out.data() + (y * n + x) * lanes,
                                (s.end - s.begin) * sizeof(float));
        }
    }
}

}  // namespace tessera
