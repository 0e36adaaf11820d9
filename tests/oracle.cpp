#include "oracle.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::test {

namespace {

constexpr double c = 299792.458;

// Weight of the upper neighbour on an ascending axis, clamped.
void bracket(const std::vector<double>& axis, double value, std::size_t& lower, double& upperWeight) {
    lower = 0;
    upperWeight = 0;
    if (axis.size() == 1 || value <= axis.front()) return;
    if (value >= axis.back()) {
        lower = axis.size() - 2;
        upperWeight = 1;
        return;
    }
    while (axis[lower + 1] <= value) ++lower;
    upperWeight = (value - axis[lower]) / (axis[lower + 1] - axis[lower]);
}

// Average over [a, b] of the function through (x, y), held outside; x and y stretched by `stretch`.
double pixelAverage(const std::vector<double>& x, const std::vector<double>& y, double stretch, double a, double b) {
    const auto value = [&](double at) {
        const double rest = at / stretch;
        if (rest <= x.front()) return y.front();
        if (rest >= x.back()) return y.back();
        const std::size_t m = std::size_t(std::upper_bound(x.begin(), x.end(), rest) - x.begin()) - 1;
        return y[m] + (y[m + 1] - y[m]) * (rest - x[m]) / (x[m + 1] - x[m]);
    };
    double sum = 0, from = a;
    const auto addUpTo = [&](double to) {
        sum += (to - from) * 0.5 * (value(from) + value(to));
        from = to;
    };
    auto it = std::upper_bound(x.begin(), x.end(), a / stretch);
    for (; it != x.end() && *it * stretch < b; ++it) addUpTo(*it * stretch);
    addUpTo(b);
    return sum / (b - a);
}

}  // namespace

std::vector<double> oracleTemplate(const SspLibrary& l, double ageGyr, double metallicity) {
    std::vector<double> logZ;
    for (const double z : l.metallicity) logZ.push_back(std::log10(z));
    std::size_t a = 0, z = 0;
    double wa = 0, wz = 0;
    bracket(l.logAge, std::log10(ageGyr * 1e9), a, wa);
    bracket(logZ, std::log10(metallicity), z, wz);
    std::vector<double> y(l.nLambda());
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            const double w = (i ? wz : 1 - wz) * (j ? wa : 1 - wa);
            if (w == 0) continue;
            const double* t = l.spectrum((z + std::size_t(i)) * l.nAge() + a + std::size_t(j));
            for (std::size_t m = 0; m < y.size(); ++m) y[m] += w * t[m];
        }
    return y;
}

std::vector<double> oracleSpectra(const Stars& stars, const OracleView& view, const SspLibrary& library,
                                  const SpaxelGrid& grid, const WavelengthGrid& window) {
    std::vector<double> cube(grid.n * grid.n * window.size, 0.0);
    for (std::size_t i = 0; i < stars.size(); ++i) {
        Vec3d d = stars.position[i] - view.centre;
        if (view.boxSize > 0)
            for (int k = 0; k < 3; ++k) {
                while (d[k] > view.boxSize / 2) d[k] -= view.boxSize;
                while (d[k] < -view.boxSize / 2) d[k] += view.boxSize;
            }
        const Vec3d x = view.rotation * d;
        const double v = (view.rotation * (stars.velocity[i].to<double>() - view.velocity)).z;
        const double ix = std::floor((x.x + grid.sideKpc() / 2) / grid.spaxelKpc);
        const double iy = std::floor((x.y + grid.sideKpc() / 2) / grid.spaxelKpc);
        if (ix < 0 || iy < 0 || ix >= double(grid.n) || iy >= double(grid.n)) continue;
        const std::vector<double> y = oracleTemplate(library, double(stars.age[i]), double(stars.metallicity[i]));
        const double stretch = (1 + view.redshift) * std::sqrt((1 + v / c) / (1 - v / c));
        double* out = cube.data() + (std::size_t(iy) * grid.n + std::size_t(ix)) * window.size;
        for (std::size_t j = 0; j < window.size; ++j)
            out[j] += view.scale * double(stars.mass[i]) *
                      pixelAverage(library.wavelength, y, stretch, window.edge(double(j)), window.edge(double(j) + 1));
    }
    return cube;
}

std::vector<double> oracleConvolve(const std::vector<double>& cube, std::size_t side, std::size_t pixels,
                                   const std::vector<double>& kernel, std::size_t radius) {
    std::vector<double> out(cube.size(), 0.0);
    const int n = int(side), r = int(radius);
    for (int y = 0; y < n; ++y)
        for (int x = 0; x < n; ++x)
            for (int dy = -r; dy <= r; ++dy)
                for (int dx = -r; dx <= r; ++dx) {
                    if (y - dy < 0 || y - dy >= n || x - dx < 0 || x - dx >= n) continue;
                    const double k = kernel[std::size_t((dy + r) * (2 * r + 1) + dx + r)];
                    for (std::size_t j = 0; j < pixels; ++j)
                        out[std::size_t(y * n + x) * pixels + j] +=
                            k * cube[std::size_t((y - dy) * n + x - dx) * pixels + j];
                }
    return out;
}

std::vector<double> oracleLineSpread(const std::vector<double>& spectrum, const WavelengthGrid& grid,
                                     const std::vector<double>& sigma) {
    const int n = int(spectrum.size());
    std::vector<double> out(spectrum.size(), 0.0);
    for (int k = 0; k < n; ++k) {
        const double s = sigma[std::size_t(k)], centre = grid.centre(k);
        std::vector<double> share(spectrum.size());
        double total = 0;
        for (int j = 0; j < n; ++j) {
            share[std::size_t(j)] =
                std::exp(-0.5 * std::pow((grid.centre(j) - centre) / s, 2)) * grid.width(std::size_t(j));
            total += share[std::size_t(j)];
        }
        for (int j = 0; j < n; ++j)
            out[std::size_t(j)] += spectrum[std::size_t(k)] * grid.width(std::size_t(k)) * share[std::size_t(j)] /
                                   total / grid.width(std::size_t(j));
    }
    return out;
}

Difference compareSpectra(const float* a, std::size_t stride, const std::vector<double>& b, std::size_t spaxels,
                          std::size_t pixels) {
    Difference d;
    for (std::size_t s = 0; s < spaxels; ++s) {
        double mean = 0;
        for (std::size_t j = 0; j < pixels; ++j) mean += std::fabs(b[s * pixels + j]) / double(pixels);
        d.brightest = std::max(d.brightest, mean);
        for (std::size_t j = 0; j < pixels; ++j) {
            const double difference = std::fabs(double(a[s * stride + j]) - b[s * pixels + j]);
            const double relative = mean > 0 ? difference / mean : (difference > 0 ? INFINITY : 0);
            if (!(relative <= d.worst)) d = {relative, s, j, d.brightest};
        }
    }
    return d;
}

}  // namespace tessera::test
