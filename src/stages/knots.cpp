#include <algorithm>
#include <cmath>

#include "stages/nodes.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Observed wavelength of a library wavelength at shift 0, in the telescope's medium. The redshift acts in vacuum; a
// library that states no medium is taken to be in the telescope's.
double observed(double rest, const std::string& from, const std::string& to, double redshift) {
    if (from == "unstated") return rest * (1 + redshift);
    const double vacuum = (from == "air" ? vacuumOfAir(rest) : rest) * (1 + redshift);
    return to == "air" ? airOfVacuum(vacuum) : vacuum;
}

// Largest |D| x^2 / (8 width) over knots, relative to the template's mean flux density; where fine D is the change of slope
// over a pixel.
double kinkError(const double* flux, const std::vector<double>& x, const WavelengthGrid& window, bool fine) {
    const std::size_t n = x.size();
    double mean = 0, worst = 0;
    for (std::size_t m = 0; m + 1 < n; ++m) mean += 0.5 * (flux[m] + flux[m + 1]) * (x[m + 1] - x[m]);
    mean /= x[n - 1] - x[0];
    if (!(mean > 0)) return 0;
    const auto slope = [&](std::size_t m) { return (flux[m + 1] - flux[m]) / (x[m + 1] - x[m]); };
    for (std::size_t m = 1; m + 1 < n; ++m) {
        const double width = window.log ? x[m] * std::log(10.0) * window.step : window.step, before = slope(m - 1);
        double change = std::fabs(slope(m) - before);
        if (fine) {
            for (std::size_t k = m + 1; k + 1 < n && x[k] - x[m] < width * 1.01; ++k)
                change = std::max(change, std::fabs(slope(k) - before));
        }
        worst = std::max(worst, change * x[m] * x[m] / (8 * width));
    }
    return worst / mean;
}

}  // namespace

KnotTable knots(const SspLibrary& library, double redshift, const std::string& medium, const WavelengthGrid& window,
                float shiftMin, float shiftMax, double accuracy) {
    expects(window.size > 0 && shiftMin <= shiftMax, "a wavelength window and an ordered range of shifts");
    const std::size_t all = library.nLambda();
    std::vector<double> x(all);
    for (std::size_t m = 0; m < all; ++m) x[m] = observed(library.wavelength[m], library.medium, medium, redshift);
    // From the last knot that is left of the window under every shift to the first that is right of it, those of nodes
    // beyond the stars' included.
    const double margin = nodesBeyond * widestNodeStep, left = window.edge(0) * std::exp(-double(shiftMax) - margin),
                 right = window.edge(double(window.size)) * std::exp(margin - double(shiftMin));
    std::size_t first = std::size_t(std::upper_bound(x.begin(), x.end(), left) - x.begin());
    first = first > 0 ? first - 1 : 0;
    std::size_t last = std::size_t(std::lower_bound(x.begin(), x.end(), right) - x.begin());
    last = std::max(std::min(last, all - 1), first);

    KnotTable t;
    t.position.assign(x.begin() + std::ptrdiff_t(first), x.begin() + std::ptrdiff_t(last) + 1);
    t.first = first;
    const std::size_t n = t.size();
    t.lnPosition.resize(n);
    t.inverseStep.assign(n, 0);
    for (std::size_t m = 0; m < n; ++m) t.lnPosition[m] = std::log(t.position[m]);
    for (std::size_t m = 0; m + 1 < n; ++m) t.inverseStep[m] = 1 / (t.position[m + 1] - t.position[m]);
    t.stride = (n + 15) / 16 * 16;
    t.nAge = narrow<int>(library.nAge());
    t.nZ = narrow<int>(library.nZ());
    t.logAgeGyr.resize(library.nAge());
    for (std::size_t a = 0; a < library.nAge(); ++a) t.logAgeGyr[a] = library.logAge[a] - 9;
    t.zAxis.resize(library.nZ());
    for (std::size_t z = 0; z < library.nZ(); ++z) t.zAxis[z] = std::log10(library.metallicity[z]);

    t.fine = n > window.size / 2;
    t.lanes = (t.templates() + 15) / 16 * 16;
    t.byKnot = Buffer<float>(n * t.lanes, 0.0F);
    t.flux = Buffer<float>(library.nTemplates() * t.stride + 32, 0.0F);  // whole vectors are read from any knot on
    double worst = 0;
    for (std::size_t k = 0; k < library.nTemplates(); ++k) {
        const double* source = library.spectrum(k) + first;
        float* row = t.flux.data() + k * t.stride;
        for (std::size_t m = 0; m < t.stride; ++m) {
            const float value = m < n ? float(source[m]) : 0.0F;
            row[m] = std::fabs(value) < 1e-30F ? 0.0F : value;  // denormal floats would slow every sum down
        }
        for (std::size_t m = 0; m < n; ++m) t.byKnot[m * t.lanes + k] = row[m];
        if (n > 1) worst = std::max(worst, kinkError(source, t.position, window, t.fine));
    }
    t.shiftMin = shiftMin;
    t.shiftMax = shiftMax;
    t.shiftStep = worst > 0 ? std::sqrt(0.9 * accuracy / worst) : 1e-3;
    t.shiftStep = std::clamp(t.shiftStep, 1e-8, 1e-3);
    return t;
}

KnotRange knotRange(const KnotTable& table, const WavelengthGrid& window) {
    const auto& x = table.position;
    const double margin = nodesBeyond * table.nodeStep,
                 left = window.edge(0) * std::exp(-double(table.shiftMax) - margin),
                 right = window.edge(double(window.size)) * std::exp(margin - double(table.shiftMin));
    std::size_t first = std::size_t(std::upper_bound(x.begin(), x.end(), left) - x.begin());
    first = first > 0 ? first - 1 : 0;
    const std::size_t last =
        std::min(std::size_t(std::lower_bound(x.begin(), x.end(), right) - x.begin()), x.size() - 1);
    return {first, last - first + 1};
}

}  // namespace tessera
