// The pieces of the oracle of adjoint_oracle.hpp: one star, LSF, PSF, and what every stage leaves behind.
#pragma once

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>

#include "adjoint_oracle.hpp"
#include "stages/projected_kernel.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/instrument.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera::test {

inline constexpr double degree = units::pi / 180;

template <class T>
struct View {
    Mat3<T> rotation;
    Vec3<T> systemic, centre;
    T shift, scale, spaxel;  // spaxel [kpc]
};

template <class T>
View<T> viewOf(const AdjointScene& s, const std::vector<T>& x) {
    const auto g = [&](std::size_t k) { return x[s.global(k)]; };
    Mat3<T> axes;
    for (int i = 0; i < 3; ++i) axes.row[i] = {T(s.axes.row[i].x), T(s.axes.row[i].y), T(s.axes.row[i].z)};
    View<T> v;
    v.rotation = viewRotation(g(AdjointScene::inclination) * degree, g(AdjointScene::positionAngle) * degree,
                              g(AdjointScene::twist) * degree) *
                 axes;
    v.systemic = {g(0), g(1), g(2)};
    v.centre = {g(AdjointScene::centre), g(AdjointScene::centre + 1), g(AdjointScene::centre + 2)};
    v.shift = cosmologicalShift(g(AdjointScene::redshiftShift));
    const T z = g(AdjointScene::redshiftDistance);
    v.spaxel = s.config.telescope.spaxel * kpcPerArcsec(s.cosmology, z);
    v.scale = s.config.output.unit == CubeUnit::luminosity
                  ? T(1)
                  : fluxPerLuminosity(z, luminosityDistanceMpc(s.cosmology, z));
    return v;
}

struct Axes {
    std::vector<double> logZ;
    explicit Axes(const SspLibrary& l) {
        for (const double z : l.metallicity) logZ.push_back(std::log10(z));
    }
};

// Part of a star's light in a spaxel of the padded grid.
template <class T>
struct Share {
    std::size_t spaxel;
    T share;
};

// One star: where it shines, its four templates, their weights and its whole shift.
template <class T>
struct Star {
    std::vector<Share<T>> shares;
    Vec3<T> relative, at;  // to the centre, in the box's axes and on the sky
    T mass, shift, velocity;
    AxisPosition<T> age, z;
    SspWeights<T> weights;
    std::size_t corner[4];
};

// Q of the kernel at the lower left corner of spaxel (ix, iy) of n x n, see physics/project.hpp.
template <class T>
struct Corner {
    KernelTable table = projectedKernel();
    KernelEdge<T> x, y;
    Corner(std::size_t ix, std::size_t iy, const Vec3<T>& at, T h, T d, std::size_t n)
        : x(kernelEdge(edgeFromStar(double(ix), at.x, h, d, n), table.cells)),
          y(kernelEdge(edgeFromStar(double(iy), at.y, h, d, n), table.cells)) {}
    T value() const { return kernelCorner(table, x, y); }
};

// Every spaxel of the padded grid is asked for its share.
template <class T>
std::vector<Share<T>> sharesOf(const AdjointScene& s, const Vec3<T>& at, T d, T h) {
    const std::size_t n = s.config.telescope.spaxels() + 2 * s.pad;
    std::vector<Share<T>> out;
    if (s.config.projection.footprint == FootprintKind::nearest) {
        const std::uint32_t spaxel = spaxelOf(valueOf(at.x), valueOf(at.y), SpaxelGrid{n, 1, valueOf(d)});
        if (spaxel != outsideField) out.push_back({spaxel, T(1)});
        return out;
    }
    const CloudAxis<T> x = cloudAxis(at.x, d, n), y = cloudAxis(at.y, d, n);
    const auto cloud = [](const CloudAxis<T>& a, std::size_t i) {
        return double(i) == a.lower ? 1 - a.upper : (double(i) == a.lower + 1 ? a.upper : T(0));
    };
    for (std::size_t iy = 0; iy < n; ++iy)
        for (std::size_t ix = 0; ix < n; ++ix) {
            if (s.config.projection.footprint == FootprintKind::cloudInCell)
                out.push_back({iy * n + ix, cloud(x, ix) * cloud(y, iy)});
            else
                out.push_back({iy * n + ix, Corner<T>(ix + 1, iy + 1, at, h, d, n).value() -
                                                Corner<T>(ix, iy + 1, at, h, d, n).value() -
                                                Corner<T>(ix + 1, iy, at, h, d, n).value() +
                                                Corner<T>(ix, iy, at, h, d, n).value()});
        }
    return out;
}

inline void sharesAdjoint(const AdjointScene& s, const std::vector<Share<double>>& shares, const Vec3d& at, double d,
                          double h, Vec3d& atBar, double& dBar, double& hBar, const std::vector<double>& shareBar) {
    const std::size_t n = s.config.telescope.spaxels() + 2 * s.pad;
    if (s.config.projection.footprint == FootprintKind::nearest) {
        spaxelOfAdjoint(at.x, at.y, SpaxelGrid{n, 1, d}, atBar.x, atBar.y);
        return;
    }
    const CloudAxis<double> x = cloudAxis(at.x, d, n), y = cloudAxis(at.y, d, n);
    const auto cloud = [](const CloudAxis<double>& a, std::size_t i, double& slope) {
        slope = double(i) == a.lower ? -1 : (double(i) == a.lower + 1 ? 1 : 0);
        return slope < 0 ? 1 - a.upper : slope * a.upper;
    };
    for (std::size_t p = 0; p < shares.size(); ++p) {
        const std::size_t ix = shares[p].spaxel % n, iy = shares[p].spaxel / n;
        if (s.config.projection.footprint == FootprintKind::cloudInCell) {
            double slopeX, slopeY;
            const double sx = cloud(x, ix, slopeX), sy = cloud(y, iy, slopeY);
            cloudAxisAdjoint(at.x, d, atBar.x, dBar, slopeX * sy * shareBar[p]);
            cloudAxisAdjoint(at.y, d, atBar.y, dBar, slopeY * sx * shareBar[p]);
            continue;
        }
        for (const std::size_t i : {0, 1})
            for (const std::size_t j : {0, 1}) {
                const Corner<double> corner(ix + i, iy + j, at, h, d, n);
                double a = 0, b = 0;
                kernelCornerAdjoint(corner.table, corner.x, corner.y, a, b, i == j ? shareBar[p] : -shareBar[p]);
                edgeFromStarAdjoint(double(ix + i), at.x, h, d, n, atBar.x, hBar, dBar, a);
                edgeFromStarAdjoint(double(iy + j), at.y, h, d, n, atBar.y, hBar, dBar, b);
            }
    }
}

template <class T>
Star<T> starOf(const AdjointScene& s, const Axes& axes, const View<T>& view, const std::vector<T>& x, std::size_t i) {
    Star<T> star{};
    star.relative = Vec3<T>{x[s.star(i, 6)], x[s.star(i, 7)], x[s.star(i, 8)]} - view.centre;
    star.at = view.rotation * star.relative;
    star.shares = sharesOf(s, star.at, view.spaxel, x[s.star(i, 9)]);
    star.mass = x[s.star(i, 0)];
    const Vec3<T> v = Vec3<T>{x[s.star(i, 3)], x[s.star(i, 4)], x[s.star(i, 5)]} - view.systemic;
    star.velocity = dot(view.rotation.row[2], v);
    star.shift = dopplerShift(star.velocity, s.config.spectra.doppler) + view.shift;
    const SspLibrary& l = s.library;
    star.age = locate(l.logAge.data(), int(l.nAge()), x[s.star(i, 1)]);
    star.z = locate(axes.logZ.data(), int(l.nZ()), logMetallicity(x[s.star(i, 2)]));
    star.weights = sspWeights(star.age.fraction, star.z.fraction);
    const std::size_t age = l.nAge() > 1 ? 1 : 0, z = l.nZ() > 1 ? l.nAge() : 0;
    star.corner[0] = std::size_t(star.z.lower) * l.nAge() + std::size_t(star.age.lower);
    star.corner[1] = star.corner[0] + age;
    star.corner[2] = star.corner[0] + z;
    star.corner[3] = star.corner[0] + z + age;
    return star;
}

template <class T>
std::vector<T> spectrumOf(const AdjointScene& s, const std::vector<T>& x, const Star<T>& star) {
    std::vector<T> y(s.library.nLambda(), T(0));
    for (int c = 0; c < 4; ++c)
        for (std::size_t m = 0; m < y.size(); ++m) y[m] += star.weights.w[c] * x[s.spectrum(star.corner[c], m)];
    return y;
}

inline WavelengthGrid extended(const AdjointScene& s) {
    const WavelengthGrid g = s.config.telescope.wavelengths();
    return g.window(-std::ptrdiff_t(s.wings), g.size + 2 * s.wings);
}

// ---- LSF: share[k][d] of source pixel k (of the extended grid) to pixel k + d - wings; pixels of the grid's end hold the
// width of its last.
inline double widthAt(const AdjointScene& s, std::size_t k) {  // lambda where the width is taken
    const WavelengthGrid g = s.config.telescope.wavelengths();
    return g.centre(std::clamp(double(k) - double(s.wings), 0.0, double(g.size - 1)));
}

template <class T>
T instrumentWidth(const AdjointScene& s, const std::vector<T>& x, double lambda) {
    const LsfConfig& l = *s.config.lsf;
    const T p = x[s.lsf(0)];
    if (l.fwhm) return p;
    if (l.sigma) return p * units::fwhm_per_sigma;
    if (l.resolution) return lambda / p;
    return polynomial(x.data() + s.lsf(0), int(s.lsfSize()), lambda);
}

// The library's own FWHM as observed.
template <class T>
T libraryWidth(const AdjointScene& s, const std::vector<T>& x, double lambda) {
    const SspLibrary& l = s.library;
    if (!s.config.lsf->subtractLibrary || l.fwhm.empty()) return T(0);
    const T stretch = T(1) + x[s.global(AdjointScene::redshiftShift)];
    const std::vector<T> own(l.fwhm.begin(), l.fwhm.end());
    return valuePiecewiseLinear(l.wavelength.data(), own.data(), int(own.size()), lambda / stretch) * stretch;
}

template <class T>
T sigmaOf(const AdjointScene& s, const std::vector<T>& x, double lambda) {
    using std::sqrt;
    const T instrument = instrumentWidth(s, x, lambda), library = libraryWidth(s, x, lambda);
    const T d = instrument * instrument - library * library;
    return (d > T(0) ? sqrt(d) : T(0)) / units::fwhm_per_sigma;
}

template <class T>
std::vector<T> sharesOf(const AdjointScene& s, T sigma, std::size_t k) {
    const WavelengthGrid g = extended(s);
    std::vector<T> out;
    for (std::ptrdiff_t d = -std::ptrdiff_t(s.wings); d <= std::ptrdiff_t(s.wings); ++d) {
        const double j = double(k) + double(d), width = g.edge(j + 1) - g.edge(j);
        out.push_back(lineSpreadShare(g.centre(j) - g.centre(double(k)), sigma) * width);
    }
    return out;
}

// Flux density of pixel j behind the LSF: sum over k of in[k] width_k share[k -> j] / (norm_k width_j).
template <class T>
struct LineSpread {
    std::vector<std::vector<T>> taps;  // [source][d]
    std::vector<T> norm;
    LineSpread(const AdjointScene& s, const std::vector<T>& x) {
        const WavelengthGrid g = extended(s);
        for (std::size_t k = 0; k < g.size; ++k) {
            taps.push_back(sharesOf(s, sigmaOf(s, x, widthAt(s, k)), k));
            T sum(0);
            for (const T& t : taps.back()) sum += t;
            norm.push_back(sum);
            for (T& t : taps.back()) t /= sum;
        }
    }
};

// Calls f(source k of the extended grid, tap, pixel of the grid, factor).
template <class F>
void forEachTap(const AdjointScene& s, F f) {
    const WavelengthGrid g = extended(s);
    const std::size_t size = s.config.telescope.wavelengths().size;
    const auto width = [&](std::size_t k) { return g.edge(double(k) + 1) - g.edge(double(k)); };
    for (std::size_t k = 0; k < g.size; ++k)
        for (std::size_t d = 0; d <= 2 * s.wings; ++d)
            if (k + d >= 2 * s.wings && k + d - 2 * s.wings < size)
                f(k, d, k + d - 2 * s.wings, width(k) / width(k + d - s.wings));
}

// ---- PSF: kernel [2 pad + 1]^2.
template <class T>
struct Kernel {
    std::vector<T> weight, tap;
    T sum{0};
};
template <class T>
Kernel<T> kernelOf(const AdjointScene& s, const std::vector<T>& x) {
    const PsfConfig& c = *s.config.psf;
    const T fwhm = x[s.global(AdjointScene::psfFwhm)] / s.config.telescope.spaxel,
            beta = x[s.global(AdjointScene::psfBeta)];
    const int r = int(s.pad);
    Kernel<T> k;
    const auto gaussian = [&](T sigma, double weight) {
        T sum(0);
        for (int d = -r; d <= r; ++d) sum += gaussianSpaxelWeight(d, sigma);
        std::size_t i = 0;
        for (int dy = -r; dy <= r; ++dy)
            for (int dx = -r; dx <= r; ++dx, ++i)
                k.weight[i] += weight * gaussianSpaxelWeight(dy, sigma) * gaussianSpaxelWeight(dx, sigma) / (sum * sum);
    };
    k.weight.assign(std::size_t((2 * r + 1) * (2 * r + 1)), T(0));
    if (c.kind == PsfKind::gaussian) {
        gaussian(fwhm / units::fwhm_per_sigma, 1);
    } else if (c.kind == PsfKind::doubleGaussian) {
        const DoubleGaussian<T> g = mangaDoubleGaussian(fwhm);
        gaussian(g.sigma1, g.weight1);
        gaussian(g.sigma2, g.weight2);
    } else {
        const T alpha = moffatAlpha(fwhm, beta);
        using Rule = boost::math::quadrature::gauss<double, 30>;
        std::vector<std::pair<double, double>> nodes;
        for (std::size_t i = 0; i < Rule::abscissa().size(); ++i)
            for (const double sign : {-1.0, 1.0})
                nodes.emplace_back(0.5 * sign * Rule::abscissa()[i], 0.5 * Rule::weights()[i]);
        std::size_t i = 0;
        for (int dy = -r; dy <= r; ++dy)
            for (int dx = -r; dx <= r; ++dx, ++i)
                for (const auto& [y, wy] : nodes)
                    for (const auto& [u, wu] : nodes)
                        k.weight[i] += wy * wu * moffatProfile(sq(dx + u) + sq(dy + y), alpha, beta);
    }
    for (const T& w : k.weight) k.sum += w;
    for (const T& w : k.weight) k.tap.push_back(w / k.sum);
    return k;
}
// Calls f(spaxel of the field, spaxel of the padded field, place in the kernel).
template <class F>
void forEachKernelTap(const AdjointScene& s, F f) {
    const std::size_t n = s.config.telescope.spaxels(), side = n + 2 * s.pad, width = 2 * s.pad + 1;
    for (std::size_t y = 0; y < n; ++y)
        for (std::size_t x = 0; x < n; ++x)
            for (std::size_t dy = 0; dy < width; ++dy)
                for (std::size_t dx = 0; dx < width; ++dx)
                    f(y * n + x, (y + 2 * s.pad - dy) * side + x + 2 * s.pad - dx, dy * width + dx);
}

// What every stage leaves behind.
template <class T>
struct Stages {
    std::vector<T> spectra, spread, blurred;  // [padded][extended], [padded][pixels], [field][pixels]
};

template <class T>
Stages<T> stagesOf(const AdjointScene& s, const std::vector<T>& x, const View<T>& view) {
    const std::size_t n = s.config.telescope.spaxels(), side = n + 2 * s.pad;
    const WavelengthGrid wide = extended(s);
    const std::size_t pixels = s.config.telescope.wavelengths().size;
    const Axes axes(s.library);
    Stages<T> out;
    out.spectra.assign(side * side * wide.size, T(0));
    for (std::size_t i = 0; i < s.stars(); ++i) {
        const Star<T> star = starOf(s, axes, view, x, i);
        if (star.shares.empty()) continue;
        const std::vector<T> y = spectrumOf(s, x, star);
        for (std::size_t k = 0; k < wide.size; ++k) {
            const T value = star.mass * pixelAverage(s.library.wavelength.data(), y.data(), int(y.size()), star.shift,
                                                     wide.edge(double(k)), wide.edge(double(k) + 1));
            for (const Share<T>& p : star.shares) out.spectra[p.spaxel * wide.size + k] += p.share * value;
        }
    }
    if (s.config.lsf) {
        const LineSpread<T> lsf(s, x);
        out.spread.assign(side * side * pixels, T(0));
        forEachTap(s, [&](std::size_t k, std::size_t d, std::size_t j, double factor) {
            for (std::size_t p = 0; p < side * side; ++p)
                out.spread[p * pixels + j] += lsf.taps[k][d] * factor * out.spectra[p * wide.size + k];
        });
    } else {
        out.spread = out.spectra;
    }
    if (s.config.psf) {
        const Kernel<T> kernel = kernelOf(s, x);
        out.blurred.assign(n * n * pixels, T(0));
        forEachKernelTap(s, [&](std::size_t to, std::size_t from, std::size_t k) {
            for (std::size_t j = 0; j < pixels; ++j)
                out.blurred[to * pixels + j] += kernel.tap[k] * out.spread[from * pixels + j];
        });
    } else {
        out.blurred = out.spread;
    }
    return out;
}

}  // namespace tessera::test
