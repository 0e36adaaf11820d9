// PSF and LSF against direct convolution in double precision with kernels integrated by brute force.
#include <numeric>
#include <random>

#include "instrumented.hpp"
#include "oracle.hpp"
#include "stages/instrument_slopes.hpp"
#include "stages/kernel_differences.hpp"
#include "support.hpp"
#include "tessera/physics/instrument.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr double fwhmPerSigma = 2.3548200450309493;

// A field of random spaxels [side side][pixels] with `pad` around n.
struct Field {
    std::size_t n, pad, pixels, stride;
    Buffer<float> work;
    std::vector<double> image;

    Field(std::size_t n_, std::size_t pad_, std::size_t pixels_, bool emptyPadding = false)
        : n(n_),
          pad(pad_),
          pixels(pixels_),
          stride((pixels_ + 15) / 16 * 16),
          work(side() * side() * stride + 32, 0.0F) {
        std::mt19937_64 rng(11);
        std::uniform_real_distribution<float> uniform;
        for (std::size_t s = 0; s < side() * side(); ++s)
            for (std::size_t j = 0; j < pixels; ++j) {
                const std::size_t y = s / side(), x = s % side();
                const bool inside = y >= pad && x >= pad && y < pad + n && x < pad + n;
                const float v = inside || !emptyPadding ? uniform(rng) : 0.0F;
                work[s * stride + j] = v;
                image.push_back(double(v));
            }
    }
    std::size_t side() const { return n + 2 * pad; }

    // Of the inner field, behind the PSF; every spaxel of the padded one counts as lit.
    Cube blurred(const Psf& psf, const WavelengthGrid& grid, int threads) const {
        const Optics optics(psf, {}, n, grid);
        std::vector<std::uint32_t> lit(side() * side());
        std::iota(lit.begin(), lit.end(), 0U);
        Cube out(n, n, pixels);
        Buffer<float> spectra = work.clone();
        const std::vector<std::uint8_t> wanted(n * n, 1);
        const std::vector<float> weight(pixels, 1.0F);
        std::vector<double> bandFlux(n * n, 0.0);
        convolve(Host{threads}, optics, {lit, spectra.data(), stride, 0, pixels}, wanted, weight, out, bandFlux);
        for (std::size_t s = 0; s < n * n; ++s)
            CHECK(bandFlux[s] ==
                  Approx(std::accumulate(out.spectrum(s), out.spectrum(s) + pixels, 0.0)).epsilon(1e-6).margin(1e-5));
        return out;
    }

    // Against the direct convolution with kernel(pixel) on the inner field.
    template <class Kernel>
    double worst(const Cube& blurred, Kernel kernel, std::size_t radius) const {
        double result = 0;
        for (std::size_t j = 0; j < pixels; ++j) {
            std::vector<double> plane;
            for (std::size_t s = 0; s < side() * side(); ++s) plane.push_back(image[s * pixels + j]);
            const std::vector<double> expected = oracleConvolve(plane, side(), 1, kernel(j), radius);
            for (std::size_t y = pad; y < pad + n; ++y)
                for (std::size_t x = pad; x < pad + n; ++x) {
                    const double found = double(blurred.spectrum(y - pad, x - pad)[j]);
                    result = std::max(result, std::fabs(found - expected[y * side() + x]));
                }
        }
        return result;
    }
};

// One spectrum through the LSF alone; `in` has the LSF's radius more pixels on both sides of [first, first + count).
std::vector<float> lineSpread(const Lsf& lsf, const WavelengthGrid& grid, const std::vector<float>& in,
                              std::size_t first, std::size_t count) {
    const Optics optics({}, lsf, 1, grid);
    std::vector<float> padded = in;
    padded.resize(in.size() + spectrumPadding, 0.0F);
    Cube out(1, 1, grid.size);
    const std::vector<std::uint32_t> lit{0};
    const std::vector<std::uint8_t> wanted{1};
    const std::vector<float> weight(grid.size, 1.0F);
    std::vector<double> bandFlux(1, 0.0);
    convolve(Host{1}, optics, {lit, padded.data(), padded.size(), first, count}, wanted, weight, out, bandFlux);
    return {out.spectrum(0) + first, out.spectrum(0) + first + count};
}

// fwhm in spaxels.
auto profileOf(PsfKind kind, double fwhm, double beta) {
    const double sigma = fwhm / fwhmPerSigma, theta = sigma / 1.05;
    const double alpha = fwhm / (2 * std::sqrt(std::pow(2, 1 / beta) - 1));
    return [=](double x, double y) {
        const double r2 = x * x + y * y;
        if (kind == PsfKind::gaussian) return std::exp(-r2 / (2 * sigma * sigma));
        if (kind == PsfKind::moffat) return std::pow(1 + r2 / (alpha * alpha), -beta);
        return 9.0 / 13 / (theta * theta) * std::exp(-r2 / (2 * theta * theta)) +
               4.0 / 13 / (4 * theta * theta) * std::exp(-r2 / (8 * theta * theta));
    };
}

// The derivative by central differences of a kernel in double precision.
template <class Kernel>
std::vector<double> kernelSlope(double at, double step, Kernel kernel) {
    std::vector<double> slope = kernel(at + step);
    const std::vector<double> below = kernel(at - step);
    for (std::size_t i = 0; i < slope.size(); ++i) slope[i] = (slope[i] - below[i]) / (2 * step);
    return slope;
}

}  // namespace

TEST_CASE("Gaussian, double Gaussian and Moffat PSFs", "[psf]") {
    const WavelengthGrid grid{5000, 1.25, 37, false};
    PsfConfig c;
    c.fwhm = 0.7;
    const double spaxel = 0.2, fwhm = c.fwhm / spaxel;
    for (const PsfKind kind : {PsfKind::gaussian, PsfKind::doubleGaussian, PsfKind::moffat}) {
        c.kind = kind;
        c.beta = 3.5;
        const Psf psf = makePsf(c, nullptr, grid, spaxel);
        Field f(13, psf.radius, grid.size);
        const Cube blurred = f.blurred(psf, grid, 2);
        const std::vector<double> kernel = oracleKernel(psf.radius, profileOf(kind, fwhm, c.beta), 41);
        INFO("kind " << int(kind) << " radius " << psf.radius);
        CHECK(f.worst(
                  blurred, [&](std::size_t) { return kernel; }, psf.radius) < 2e-5);
        double sum = 0;
        for (const double k : kernel) sum += k;
        CHECK(sum == Approx(1));
    }
}

TEST_CASE("a field behind the derivative of a PSF in its width", "[psf]") {
    const WavelengthGrid grid{5000, 1.25, 37, false};
    const double spaxel = 0.2;
    const auto check = [&](const PsfConfig& c, PsfParameter parameter, const std::vector<double>& expected) {
        const Psf slope = makePsfSlope(c, parameter, grid, spaxel);
        CHECK(slope.radius == makePsf(c, nullptr, grid, spaxel).radius);
        CHECK(slope.separable() == (c.kind != PsfKind::moffat));
        const PsfKernel& k = slope.kernels.front();
        double most = 0;
        for (const double e : expected) most = std::max(most, std::fabs(e));
        REQUIRE(k.full.size() == expected.size());  // what a GPU takes
        for (std::size_t i = 0; i < expected.size(); ++i)
            CHECK(double(k.full[i]) == Approx(expected[i]).margin(1e-4 * most));
        Field f(13, slope.radius, grid.size);
        CHECK(f.worst(
                  f.blurred(slope, grid, 2), [&](std::size_t) { return expected; }, slope.radius) < 5e-5);
    };
    PsfConfig c;
    c.fwhm = 0.7;
    c.beta = 3.5;
    for (const PsfKind kind : {PsfKind::gaussian, PsfKind::doubleGaussian, PsfKind::moffat}) {
        c.kind = kind;
        INFO("kind " << int(kind));
        const std::size_t radius = makePsf(c, nullptr, grid, spaxel).radius;
        check(c, PsfParameter::fwhm, kernelSlope(c.fwhm, 1e-3, [&](double fwhm) {
                  return oracleKernel(radius, profileOf(kind, fwhm / spaxel, c.beta), 41);
              }));
    }
    PsfConfig rubix;
    rubix.sigmaSpaxels = 1.3;
    rubix.size = 9;
    check(rubix, PsfParameter::sigmaSpaxels, kernelSlope(rubix.sigmaSpaxels, 1e-3, [](double sigma) {
              return oracleKernel(
                  4, [=](double x, double y) { return std::exp(-(x * x + y * y) / (2 * sigma * sigma)); }, 1);
          }));
}

TEST_CASE("a PSF that grows to the blue", "[psf]") {
    const WavelengthGrid grid{4000, instrumented ? 120.0 : 40.0, instrumented ? 30U : 90U, false};
    for (const PsfKind kind : {PsfKind::gaussian, PsfKind::moffat}) {
        PsfConfig c;
        c.kind = kind;
        c.fwhm = 0.6;
        c.referenceWavelength = 6000;
        c.power = -0.3;
        const Psf psf = makePsf(c, nullptr, grid, 0.2);
        CHECK(psf.kernels.size() > 10);
        Field f(9, psf.radius, grid.size);
        const Cube blurred = f.blurred(psf, grid, 2);
        const auto kernel = [&](std::size_t j) {
            const double fwhm = 3 * std::pow(grid.centre(double(j)) / 6000, -0.3), sigma = fwhm / fwhmPerSigma;
            const double alpha = fwhm / (2 * std::sqrt(std::pow(2, 1 / c.beta) - 1));
            return oracleKernel(
                psf.radius,
                [&](double x, double y) {
                    const double r2 = x * x + y * y;
                    return kind == PsfKind::gaussian ? std::exp(-r2 / (2 * sigma * sigma))
                                                     : std::pow(1 + r2 / (alpha * alpha), -c.beta);
                },
                21);
        };
        // Kernels are shared by pixels whose FWHM differs by up to 0.2 %; Moffat wings end at 99.9 %.
        CHECK(f.worst(blurred, kernel, psf.radius) < 3e-3);
    }
}

TEST_CASE("kernels of a PSF less one another", "[psf]") {
    const WavelengthGrid grid = testTelescope(1, 0.2, 4900, 5200, 1.25).wavelengths();
    for (const PsfKind kind : {PsfKind::gaussian, PsfKind::doubleGaussian, PsfKind::moffat}) {
        PsfConfig c;
        c.kind = kind;
        c.fwhm = 0.9;
        c.referenceWavelength = 5000;
        c.power = -1;
        const Psf psf = makePsf(c, nullptr, grid, 0.2);
        const KernelDifferences d = kernelDifferences(psf, 30);
        REQUIRE(psf.kernels.size() > 5);
        REQUIRE(d.psf.kernels.size() == d.of.size());
        CHECK(d.psf.radius == psf.radius);
        // Of neighbouring groups, and of those that are two apart.
        CHECK(d.of.size() > 2 * psf.kernels.size());
        CHECK(d.of[d(2, 0)] == std::array<std::size_t, 2>{2, 0});
        // Sum over the components where they are separable, else the full kernel.
        const auto at = [](const PsfKernel& k, int x, int y) {
            const int r = int(k.radius);
            if (std::max(std::abs(x), std::abs(y)) > r) return 0.0;
            if (k.separable.empty()) return double(k.full[std::size_t((y + r) * (2 * r + 1) + x + r)]);
            double sum = 0;
            for (std::size_t i = 0; i < k.separable.size(); ++i)
                sum += double(k.alongY(i)[std::size_t(y + r)]) * double(k.separable[i][std::size_t(x + r)]);
            return sum;
        };
        double worst = 0, largest = 0;
        for (std::size_t k = 0; k < d.of.size(); ++k) {
            const PsfKernel& found = d.psf.kernels[k];
            PsfKernel full = found;
            full.separable.clear();
            const int r = int(psf.radius);
            for (int y = -r; y <= r; ++y)
                for (int x = -r; x <= r; ++x) {
                    const double exact = at(psf.kernels[d.of[k][0]], x, y) - at(psf.kernels[d.of[k][1]], x, y);
                    largest = std::max(largest, std::fabs(exact));
                    worst = std::max({worst, std::fabs(at(found, x, y) - exact), std::fabs(at(full, x, y) - exact)});
                }
        }
        CHECK(worst < 1e-6 * largest);
    }
    CHECK(kernelDifferences(makePsf(PsfConfig{}, nullptr, grid, 0.2), 30).of.empty());
}

TEST_CASE("a PSF image acts as its pixels", "[psf]") {
    Image image{3, 3, {0, 1, 0, 2, 5, 0, 0, 0, 0}};  // asymmetric: flux goes up and to the left
    PsfConfig c;
    c.kind = PsfKind::fits;
    const WavelengthGrid grid{5000, 1, 5, false};
    const Psf psf = makePsf(c, &image, grid, 0.2);
    Field f(6, psf.radius, grid.size);
    const Cube blurred = f.blurred(psf, grid, 1);
    std::vector<double> kernel;
    for (const double v : image.data) kernel.push_back(v / 8);
    CHECK(f.worst(
              blurred, [&](std::size_t) { return kernel; }, 1) < 1e-6);
}

TEST_CASE("the PSF keeps the flux of a field with empty surroundings that is wide enough", "[psf]") {
    PsfConfig c;
    const WavelengthGrid grid{5000, 1, 20, false};
    for (const PsfKind kind : {PsfKind::gaussian, PsfKind::moffat, PsfKind::doubleGaussian}) {
        c.kind = kind;
        const Psf psf = makePsf(c, nullptr, grid, 0.2);
        const std::size_t n = 2 * psf.radius + 3;
        Field f(n, psf.radius, grid.size, true);
        // Only the central spaxel shines.
        std::fill(f.work.begin(), f.work.end(), 0.0F);
        const std::size_t centre = (f.side() / 2) * f.side() + f.side() / 2;
        for (std::size_t j = 0; j < grid.size; ++j) f.work[centre * f.stride + j] = 1;
        const Cube blurred = f.blurred(psf, grid, 1);
        double sum = 0;
        for (std::size_t s = 0; s < n * n; ++s) sum += double(blurred.spectrum(s)[3]);
        CHECK(sum == Approx(1).epsilon(1e-5));
    }
}

TEST_CASE("line spread of constant and varying width", "[lsf]") {
    SspLibrary library = syntheticLibrary(20, 0.2, 1, 2, 2);
    std::mt19937_64 rng(2);
    std::uniform_real_distribution<float> uniform;
    struct Row {
        const char* name;
        WavelengthGrid grid;
        LsfConfig config;
        std::function<double(double)> fwhm;
    };
    std::vector<Row> rows;
    const WavelengthGrid linear{5000, 1.25, 300, false}, log{4000, 1e-4, 300, true};
    LsfConfig c;
    c.fwhm = 2.5;
    rows.push_back({"fwhm", linear, c, [](double) { return 2.5; }});
    rows.push_back({"fwhm on a log grid", log, c, [](double) { return 2.5; }});
    c = {};
    c.sigma = 3;
    rows.push_back({"sigma", linear, c, [](double) { return 3 * fwhmPerSigma; }});
    c = {};
    c.resolution = 1800;
    rows.push_back({"resolution", linear, c, [](double x) { return x / 1800; }});
    c = {};
    c.fwhmPolynomial = {1, 2e-3, -1e-7};
    rows.push_back({"polynomial", linear, c, [](double x) { return 1 + 2e-3 * x - 1e-7 * x * x; }});
    for (const Row& row : rows) {
        const Lsf lsf = makeLsf(row.config, nullptr, row.grid, library, 0.1);
        const std::ptrdiff_t wings = std::ptrdiff_t(lsf.radius);
        // Wide enough that the oracle, which has no wings of its own, sees zeros beyond the input.
        const WavelengthGrid extended = row.grid.window(-wings, row.grid.size + 2 * lsf.radius);
        std::vector<float> in;
        std::vector<double> spectrum, sigma;
        for (std::size_t j = 0; j < extended.size; ++j) {
            in.push_back(uniform(rng));
            spectrum.push_back(double(in.back()));
            // The width is held outside the grid.
            const double x =
                std::clamp(extended.centre(double(j)), row.grid.centre(0), row.grid.centre(double(row.grid.size - 1)));
            sigma.push_back(row.fwhm(x) / fwhmPerSigma);
        }
        const std::vector<float> out = lineSpread(lsf, row.grid, in, 0, row.grid.size);
        // The oracle normalises over what it has: only pixels whose kernels lie inside are compared.
        const std::vector<double> expected = oracleLineSpread(spectrum, extended, sigma);
        double worst = 0;
        for (std::size_t j = lsf.radius; j + lsf.radius < row.grid.size; ++j)
            worst = std::max(worst, std::fabs(double(out[j]) - expected[j + lsf.radius]));
        INFO(row.name << " radius " << lsf.radius);
        CHECK(lsf.radius > 3);
        CHECK(worst < 1e-5);
        // A window in the middle of the grid gives the same values.
        const std::vector<float> part =
            lineSpread(lsf, row.grid, {in.begin() + 100, in.begin() + 150 + 2 * wings}, 100, 50);
        for (std::size_t j = 0; j < 50; ++j) CHECK(part[j] == Approx(out[100 + j]).epsilon(1e-6));
    }
}

TEST_CASE("a line of known width comes out with the width asked for", "[lsf]") {
    const WavelengthGrid grid{5000, 1.25, 401, false};
    const SspLibrary library = syntheticLibrary(20, 0.2, 1, 2, 2);
    LsfConfig c;
    c.fwhm = 6;
    const Lsf lsf = makeLsf(c, nullptr, grid, library, 0);
    std::vector<float> in(grid.size + 2 * lsf.radius, 0.0F);
    in[200 + lsf.radius] = 1;
    const std::vector<float> out = lineSpread(lsf, grid, in, 0, grid.size);
    double sum = 0, second = 0;
    for (std::size_t j = 0; j < grid.size; ++j) {
        sum += double(out[j]);
        second += double(out[j]) * sq((double(j) - 200) * 1.25);
    }
    CHECK(sum == Approx(1).epsilon(1e-6));
    CHECK(std::sqrt(second / sum) * fwhmPerSigma == Approx(6).epsilon(1e-3));
}

TEST_CASE("the library's own resolution is taken off, and reported where it is the coarser one", "[lsf]") {
    const WavelengthGrid grid{5000, 1.25, 400, false};
    SspLibrary library = syntheticLibrary(20, 0.2, 1, 2, 2);
    LsfConfig c;
    c.fwhm = 5;
    library.fwhm.assign(library.nLambda(), 3 / 1.1);
    const Lsf lsf = makeLsf(c, nullptr, grid, library, 0.1);
    LsfConfig four;
    four.fwhm = 4;
    four.subtractLibrary = false;
    const Lsf expected = makeLsf(four, nullptr, grid, library, 0.1);
    REQUIRE(lsf.taps.size() == expected.taps.size());
    for (std::size_t d = 0; d < lsf.taps.size(); ++d) CHECK(lsf.taps[d] == Approx(expected.taps[d]).margin(1e-6));
    CHECK(lsf.coarserFraction == 0);
    library.fwhm.assign(library.nLambda(), 20);
    const Lsf identity = makeLsf(c, nullptr, grid, library, 0.1);
    CHECK(identity.coarserFraction == 1);
    std::vector<float> in(grid.size + 2 * identity.radius, 0.0F);
    in[100 + identity.radius] = 1;
    const std::vector<float> out = lineSpread(identity, grid, in, 0, grid.size);
    CHECK(out[100] == 1);
    CHECK(out[101] == 0);
}
