// RUBIX's convention of spectra against a plain loop.
#include <algorithm>

#include "gpu/device.hpp"
#include "kernels/rubix.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Library {
    std::vector<double> wavelength, flux;  // 12 templates: 4 ages, 3 metallicities
    Library() {
        std::mt19937_64 rng(3);
        std::uniform_real_distribution<double> uniform;
        for (double x = 4300; x < 5100; x += 12 + 8 * uniform(rng)) wavelength.push_back(x);
        for (std::size_t i = 0; i < 12 * wavelength.size(); ++i) flux.push_back(0.5 + uniform(rng));
    }
};

// np.interp
double interpolate(const std::vector<double>& x, const std::vector<double>& y, double at) {
    if (at <= x.front()) return y.front();
    if (at >= x.back()) return y.back();
    const auto m = std::size_t(std::upper_bound(x.begin(), x.end(), at) - x.begin()) - 1;
    return y[m] + (y[m + 1] - y[m]) * (at - x[m]) / (x[m + 1] - x[m]);
}

void addStar(const Library& l, const StarRecord& s, double redshift, const std::vector<double>& centre,
             std::vector<double>& sum) {
    const std::size_t n = l.wavelength.size();
    std::vector<double> x(n), y(n), g(centre.size());
    double total = 0, resampled = 0;
    for (std::size_t m = 0; m < n; ++m) {
        const auto t = [&](std::size_t k) { return l.flux[(std::size_t(s.corner) + k) * n + m]; };
        const double fa = double(s.ageFraction), fz = double(s.zFraction);
        x[m] = l.wavelength[m] * (1 + redshift) * std::exp(double(s.shift));
        y[m] = (1 - fz) * ((1 - fa) * t(0) + fa * t(1)) + fz * ((1 - fa) * t(4) + fa * t(5));
        if (m > 0 && x[m] >= centre.front() && x[m] <= centre.back()) total += y[m] * (x[m] - x[m - 1]);
    }
    for (std::size_t j = 0; j < centre.size(); ++j) {
        g[j] = interpolate(x, y, centre[j]);
        if (j > 0) resampled += g[j] * (centre[j] - centre[j - 1]);
    }
    for (std::size_t j = 0; j < centre.size(); ++j) sum[j] += double(s.mass) * total / resampled * g[j];
}

}  // namespace

TEST_CASE("RUBIX's spectra are those of a plain loop, for spaxels of any number of stars", "[gpu]") {
    const Library l;
    std::vector<double> centre;
    for (std::size_t j = 0; j < (racing ? 40U : 300U); ++j) centre.push_back(4900 + 1.25 * double(j));
    std::mt19937_64 rng(8);
    std::uniform_real_distribution<float> uniform;
    std::vector<StarRecord> star;
    std::vector<std::uint32_t> first{0}, lit;
    const std::vector<std::size_t> counts =
        racing ? std::vector<std::size_t>{0, 1, 5} : std::vector<std::size_t>{0, 1, 31, 32, 33, 0, 64, 65, 128, 300};
    for (const std::size_t n : counts) {
        if (n > 0) lit.push_back(std::uint32_t(first.size() - 1));
        for (std::size_t k = 0; k < n; ++k)
            star.push_back({int(rng() % 2) * 4 + int(rng() % 3), uniform(rng), uniform(rng),
                            k % 7 == 3 ? 0.0F : 1e5F * uniform(rng), 2e-3F * (uniform(rng) - 0.5F), 1, 0.01F, 0});
        first.push_back(std::uint32_t(star.size()));
    }
    const Stream s;
    const auto dStar = onDevice(s, star);
    const auto dFirst = onDevice(s, first), dLit = onDevice(s, lit);
    const auto dWavelength = onDevice(s, l.wavelength), dFlux = onDevice(s, l.flux), dCentre = onDevice(s, centre);
    const std::size_t offset = 3, stride = centre.size() + 5;
    const auto found = underSeeds(
        [&] {
            DeviceBuffer<double> factor(star.size(), s);
            DeviceBuffer<float> out(lit.size() * stride, s);
            out.zero();
            gpu::accumulateRubix(s, {dStar.view(), dFirst.view(), dLit.view(), dWavelength.view(), dFlux.view(), 4, 1,
                                     0.1, dCentre.view(), factor.view(), out.view(), stride, offset});
            return onHost(s, out);
        },
        schedules);
    for (std::size_t row = 0; row < lit.size(); ++row) {
        std::vector<double> expected(centre.size(), 0.0);
        for (std::uint32_t k = first[lit[row]]; k < first[lit[row] + 1]; ++k)
            addStar(l, star[k], 0.1, centre, expected);
        double mean = 0;
        for (const double e : expected) mean += e / double(centre.size());
        for (std::size_t j = 0; j < centre.size(); ++j)
            REQUIRE(std::fabs(double(found[row * stride + offset + j]) - expected[j]) <= 1e-6 * mean);
        CHECK(found[row * stride + offset - 1] == 0);
        CHECK(found[row * stride + offset + centre.size()] == 0);
    }
}
