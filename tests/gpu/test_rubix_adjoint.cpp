// The transpose of RUBIX's spectra against dual numbers.
#include "gpu/cotangents.hpp"
#include "gpu/device.hpp"
#include "kernels/rubix_adjoint.hpp"
#include "tessera/core/dual.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

using D = Dual<double>;

// The product of a star's RUBIX spectrum with a cotangent.
D rubixProduct(const std::vector<double>& wavelength, const std::vector<double>& flux, int corner, D mass, D fa, D fz,
               D shift, double redshift, const std::vector<double>& centre, const float* bar) {
    const std::size_t n = wavelength.size();
    std::vector<D> x(n), y(n), g(centre.size());
    D total{}, resampled{}, product{};
    for (std::size_t m = 0; m < n; ++m) {
        const auto t = [&](std::size_t k) { return D(flux[(std::size_t(corner) + k) * n + m]); };
        x[m] = D(wavelength[m] * (1 + redshift)) * exp(shift);
        y[m] = (D(1.0) - fz) * ((D(1.0) - fa) * t(0) + fa * t(1)) + fz * ((D(1.0) - fa) * t(4) + fa * t(5));
        if (m > 0 && x[m] >= centre.front() && x[m] <= centre.back()) total += y[m] * (x[m] - x[m - 1]);
    }
    for (std::size_t j = 0; j < centre.size(); ++j) {
        std::size_t m = 0;
        while (m + 2 < n && x[m + 1] <= centre[j]) ++m;
        g[j] = y[m] + (y[m + 1] - y[m]) * (D(centre[j]) - x[m]) / (x[m + 1] - x[m]);
        if (j > 0) resampled += g[j] * D(centre[j] - centre[j - 1]);
        product += D(double(bar[j])) * g[j];
    }
    return mass * total / resampled * product;
}

}  // namespace

TEST_CASE("RUBIX's transpose is the derivative of its spectra, for spaxels of any number of stars", "[gpu][adjoint]") {
    std::mt19937_64 rng(8);
    std::uniform_real_distribution<double> uniform;
    std::vector<double> wavelength, flux, centre;
    for (double x = 4300; x < 5100; x += 12 + 8 * uniform(rng)) wavelength.push_back(x);
    for (std::size_t i = 0; i < 12 * wavelength.size(); ++i) flux.push_back(0.5 + uniform(rng));
    for (std::size_t j = 0; j < (racing ? 40U : 200U); ++j) centre.push_back(4900 + 1.25 * double(j));
    const std::vector<std::size_t> counts =
        racing ? std::vector<std::size_t>{0, 1, 5} : std::vector<std::size_t>{0, 1, 31, 0, 32, 33, 64, 65, 128};
    std::vector<StarRecord> star;
    std::vector<std::uint32_t> first{0};
    std::vector<std::array<double, 4>> expected;
    const std::size_t offset = 3, stride = centre.size() + 5;
    const std::vector<float> spectraBar = cotangents(counts.size() * stride, 6);
    for (std::size_t p = 0; p < counts.size(); ++p) {
        for (std::size_t k = 0; k < counts[p]; ++k) {
            StarRecord r = randomRecord(rng, float(2e-3 * (uniform(rng) - 0.5)));
            if (k % 7 == 3) r.mass = 0;  // dark
            star.push_back(r);
            std::array<double, 4> e{};
            for (std::size_t c = 0; c < 4 && r.mass > 0; ++c)
                e[c] = rubixProduct(wavelength, flux, r.corner, {double(r.mass), c == 0 ? 1.0 : 0.0},
                                    {double(r.ageFraction), c == 1 ? 1.0 : 0.0},
                                    {double(r.zFraction), c == 2 ? 1.0 : 0.0}, {double(r.shift), c == 3 ? 1.0 : 0.0},
                                    0.1, centre, spectraBar.data() + p * stride + offset)
                           .d;
            expected.push_back(e);
        }
        first.push_back(std::uint32_t(star.size()));
    }
    const Stream s;
    const auto dStar = onDevice(s, star);
    const auto dFirst = onDevice(s, first);
    const auto dWavelength = onDevice(s, wavelength), dFlux = onDevice(s, flux), dCentre = onDevice(s, centre);
    const auto dBar = onDevice(s, spectraBar);
    const auto found = underSeeds(
        [&] {
            DeviceBuffer<StarRecordBar> bar(star.size(), s);
            bar.zero();
            gpu::RubixArgs a;
            a.star = dStar.view();
            a.first = dFirst.view();
            a.wavelength = dWavelength.view();
            a.flux = dFlux.view();
            a.zStep = 4;
            a.ageStep = 1;
            a.redshift = 0.1;
            a.centre = dCentre.view();
            a.stride = stride;
            a.offset = offset;
            gpu::rubixAdjoint(s, {a, dBar.view(), bar.view()});
            return onHost(s, bar);
        },
        schedules);
    checkRecords(found, expected, {1e-5, 1e-5, 1e-5, 1e-5});
}
