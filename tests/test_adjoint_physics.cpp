// The adjoints of physics/, one by one: against dual numbers to rounding, against central differences whose error falls
// four times, and what is promised at edges.
#include <functional>

#include "gradcheck.hpp"
#include "support.hpp"
#include "tessera/physics/cosmology.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/instrument.hpp"
#include "tessera/physics/moments.hpp"
#include "tessera/physics/noise.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr int points = 100;

// Calls check(x, seed) at seeded points of the box.
void atPoints(const std::vector<std::pair<double, double>>& box,
              const std::function<void(const std::vector<double>&, std::uint64_t)>& check) {
    std::mt19937_64 rng(2026);
    for (int i = 0; i < points; ++i) {
        std::vector<double> x;
        for (const auto& [low, high] : box) x.push_back(std::uniform_real_distribution<double>(low, high)(rng));
        check(x, std::uint64_t(i));
    }
}

template <class T>
std::vector<T> flat(const Mat3<T>& m) {
    std::vector<T> out;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) out.push_back(m.row[i][j]);
    return out;
}
template <class T>
Mat3<T> matrixOf(const std::vector<T>& x, std::size_t first = 0) {
    Mat3<T> m;
    for (std::size_t i = 0; i < 9; ++i) m.row[i / 3][int(i % 3)] = x[first + i];
    return m;
}
using Vector = std::vector<double>;

}  // namespace

TEST_CASE("matrices and rotations", "[adjoint]") {
    atPoints(std::vector<std::pair<double, double>>(12, {-2, 2}), [](const Vector& x, std::uint64_t seed) {
        checkAdjoint(
            [](const auto& in) {
                using T = typename std::decay_t<decltype(in)>::value_type;
                const Vec3<T> y = matrixOf(in) * Vec3<T>{in[9], in[10], in[11]};
                return std::vector<T>{y.x, y.y, y.z};
            },
            [](const Vector& in, const Vector& bar) {
                Mat3d mBar = zeroMatrix<double>();
                Vec3d xBar;
                rotateAdjoint(matrixOf(in), {in[9], in[10], in[11]}, mBar, xBar, {bar[0], bar[1], bar[2]});
                Vector out = flat(mBar);
                for (int k = 0; k < 3; ++k) out.push_back(xBar[k]);
                return out;
            },
            x, Vector(12, 1e-3), seed);
    });
    atPoints(std::vector<std::pair<double, double>>(3, {-3, 3}), [](const Vector& x, std::uint64_t seed) {
        checkAdjoint([](const auto& a) { return flat(viewRotation(a[0], a[1], a[2])); },
                     [](const Vector& a, const Vector& bar) {
                         Vector out(3, 0.0);
                         viewRotationAdjoint(a[0], a[1], a[2], out[0], out[1], out[2], matrixOf(bar));
                         return out;
                     },
                     x, Vector(3, 1e-3), seed);
        checkAdjoint([](const auto& a) { return flat(eulerRotation(a[0], a[1], a[2])); },
                     [](const Vector& a, const Vector& bar) {
                         Vector out(3, 0.0);
                         eulerRotationAdjoint(a[0], a[1], a[2], out[0], out[1], out[2], matrixOf(bar));
                         return out;
                     },
                     x, Vector(3, 1e-3), seed);
    });
    atPoints({{0.5, 1}, {-3, -2}, {4, 5}}, [](const Vector& x, std::uint64_t seed) {
        checkAdjoint(
            [](const auto& a) {
                using T = typename std::decay_t<decltype(a)>::value_type;
                return flat(frameOfAxis(Vec3<T>{a[0], a[1], a[2]}));
            },
            [](const Vector& a, const Vector& bar) {
                Vec3d axisBar;
                frameOfAxisAdjoint({a[0], a[1], a[2]}, axisBar, matrixOf(bar));
                return Vector{axisBar.x, axisBar.y, axisBar.z};
            },
            x, Vector(3, 1e-3), seed);
    });
}

TEST_CASE("the nearest image moves with the particle, the nearest spaxel does not", "[adjoint]") {
    for (const double d : {-70.0, -12.0, 3.0, 49.0, 51.0, 260.0})
        checkAdjoint(
            [](const auto& x) {
                using T = typename std::decay_t<decltype(x)>::value_type;
                return std::vector<T>{nearestImage(x[0], 100)};
            },
            [](const Vector& x, const Vector& bar) {
                Vector out(1, 0.0);
                nearestImageAdjoint(x[0], 100, out[0], bar[0]);
                return out;
            },
            {d}, {0.1}, 1);
    const SpaxelGrid grid{4, 1, 2};
    double xBar = 0, yBar = 0;
    spaxelOfAdjoint(-2, 0, grid, xBar, yBar);
    CHECK(xBar == 0);
    CHECK(yBar == 0);
    CHECK(spaxelOf(-2 - 1e-9, 0, grid) + 1 == spaxelOf(-2, 0, grid));  // the jump that has no derivative
    CHECK(spaxelOf(-1, 0.3, grid) == spaxelOf(-1 + 1e-3, 0.3 + 1e-3, grid));
}

TEST_CASE("weights of the templates", "[adjoint]") {
    const double axis[] = {6, 6.3, 7.1, 9, 10.2};
    const auto check = [&](double value, std::uint64_t seed) {
        checkAdjoint(
            [&](const auto& x) {
                using T = typename std::decay_t<decltype(x)>::value_type;
                const SspWeights<T> w = sspWeights(locate(axis, 5, x[0]).fraction, x[1]);
                return std::vector<T>(w.w, w.w + 4);
            },
            [&](const Vector& x, const Vector& bar) {
                Vector out(2, 0.0);
                double fraction = 0;
                sspWeightsAdjoint(locate(axis, 5, x[0]).fraction, x[1], fraction, out[1],
                                  SspWeights<double>{{bar[0], bar[1], bar[2], bar[3]}});
                locateAdjoint(axis, 5, x[0], out[0], fraction);
                return out;
            },
            {value, 0.37}, {1e-3, 1e-3}, seed);
    };
    atPoints({{6.01, 6.29}}, [&](const Vector& x, std::uint64_t seed) { check(x[0], seed); });
    for (const double value : {5.0, 6.5, 8.0, 10.1, 11.0}) check(value, 3);  // outside and inside

    // At grid points the one-sided slope that the header promises; outside none.
    const auto slopeAt = [&](double value) {
        double bar = 0;
        locateAdjoint(axis, 5, value, bar, 1.0);
        return bar;
    };
    CHECK(slopeAt(6) == Approx(1 / 0.3));
    CHECK(slopeAt(6.3) == Approx(1 / 0.8));
    CHECK(slopeAt(10.2) == Approx(1 / 1.2));
    CHECK(slopeAt(std::nextafter(6.0, 0.0)) == 0);
    CHECK(slopeAt(std::nextafter(10.2, 11.0)) == 0);
    CHECK(slopeAt(-INFINITY) == 0);
    const double one[] = {1.0};
    double bar = 0;
    locateAdjoint(one, 1, 1.0, bar, 1.0);
    CHECK(bar == 0);

    atPoints({{1e-4, 0.05}}, [](const Vector& x, std::uint64_t seed) {
        checkAdjoint(
            [](const auto& z) {
                using T = typename std::decay_t<decltype(z)>::value_type;
                return std::vector<T>{logMetallicity(z[0])};
            },
            [](const Vector& z, const Vector& b) {
                Vector out(1, 0.0);
                logMetallicityAdjoint(z[0], out[0], b[0]);
                return out;
            },
            x, {1e-3 * x[0]}, seed);
    });
    logMetallicityAdjoint(0.0, bar, 1.0);
    CHECK(bar == 0);
}

TEST_CASE("Doppler's laws and the redshift", "[adjoint]") {
    for (const Doppler kind : {Doppler::relativistic, Doppler::classical, Doppler::exponential})
        for (const double size : {2000.0, 1e5})  // both forms of the relativistic one
            atPoints({{-size, size}}, [&](const Vector& x, std::uint64_t seed) {
                checkAdjoint(
                    [&](const auto& v) {
                        using T = typename std::decay_t<decltype(v)>::value_type;
                        return std::vector<T>{dopplerShift(v[0], kind)};
                    },
                    [&](const Vector& v, const Vector& bar) {
                        Vector out(1, 0.0);
                        dopplerShiftAdjoint(v[0], out[0], bar[0], kind);
                        return out;
                    },
                    x, {0.01 * size}, seed);
                checkAdjoint(
                    [&](const auto& v) {
                        using T = typename std::decay_t<decltype(v)>::value_type;
                        return std::vector<T>{velocityOfShift(v[0], kind)};
                    },
                    [&](const Vector& s, const Vector& bar) {
                        Vector out(1, 0.0);
                        velocityOfShiftAdjoint(s[0], out[0], bar[0], kind);
                        return out;
                    },
                    {x[0] / units::c_km_s}, {0.01 * size / units::c_km_s}, seed);
            });
    atPoints({{0.001, 3}}, [](const Vector& x, std::uint64_t seed) {
        checkAdjoint(
            [](const auto& z) {
                using T = typename std::decay_t<decltype(z)>::value_type;
                return std::vector<T>{cosmologicalShift(z[0])};
            },
            [](const Vector& z, const Vector& bar) {
                Vector out(1, 0.0);
                cosmologicalShiftAdjoint(z[0], out[0], bar[0]);
                return out;
            },
            x, {1e-3}, seed);
    });
}

TEST_CASE("pixel averages of piecewise linear spectra", "[adjoint]") {
    const double x[] = {4000, 4020, 4041, 4050, 4100};
    // Pixels inside an interval, over one and over several samples, over both ends, and beyond them.
    for (const auto& [low, high] : {std::pair{4003.0, 4004.25},
                                    {4019.2, 4021.0},
                                    {4030.0, 4090.0},
                                    {3990.0, 4001.0},
                                    {4099.0, 4200.0},
                                    {3900.0, 3901.0},
                                    {4300.0, 4301.0},
                                    {3000.0, 5000.0}})
        for (const double shift : {0.0, 1e-4, -3e-4})
            checkAdjoint(
                [&, low = low, high = high](const auto& in) {
                    using T = typename std::decay_t<decltype(in)>::value_type;
                    return std::vector<T>{pixelAverage(x, in.data(), 5, in[5], low, high)};
                },
                [&, low = low, high = high](const Vector& in, const Vector& bar) {
                    Vector out(6, 0.0);
                    pixelAverageAdjoint(x, in.data(), 5, in[5], low, high, out.data(), out[5], bar[0]);
                    return out;
                },
                {2, 3, 1, 4, 2.5, shift}, {0.1, 0.1, 0.1, 0.1, 0.1, 1e-6}, 5);
    // A pixel whose edge lies on a sample: the derivative is continuous there.
    const double y[] = {2, 3, 1, 4, 2.5};
    double yBar[5] = {}, at = 0, beside = 0;
    pixelAverageAdjoint(x, y, 5, 0.0, 4020.0, 4021.0, yBar, at, 1.0);
    pixelAverageAdjoint(x, y, 5, 1e-10, 4020.0, 4021.0, yBar, beside, 1.0);
    CHECK(at == Approx(beside).epsilon(1e-4));
    CHECK(valuePiecewiseLinear(x, y, 5, 3000.0) == 2);
    CHECK(valuePiecewiseLinear(x, y, 5, 5000.0) == 2.5);
    CHECK(valuePiecewiseLinear(x, y, 5, 4010.0) == 2.5);
}

TEST_CASE("flux and distance", "[adjoint]") {
    for (const Cosmology& c : {planck15(), Cosmology{0.7, 0.3, 0.6, -1, 0}, Cosmology{0.7, 0.3, 0.8, -0.9, 0.2}})
        for (const double z : {0.01, 0.1, 0.5, 2.0})
            checkAdjoint(
                [&](const auto& in) {
                    using T = typename std::decay_t<decltype(in)>::value_type;
                    return std::vector<T>{fluxPerLuminosity(in[0], luminosityDistanceMpc(c, in[0]))};
                },
                [&](const Vector& in, const Vector& bar) {
                    Vector out(1, 0.0);
                    double distance = 0;
                    fluxPerLuminosityAdjoint(in[0], luminosityDistanceMpc(c, in[0]), out[0], distance, bar[0]);
                    luminosityDistanceAdjoint(c, in[0], out[0], distance);
                    return out;
                },
                {z}, {1e-4 * z}, 7);
}

TEST_CASE("point spread functions", "[adjoint]") {
    atPoints({{0.3, 3}}, [](const Vector& x, std::uint64_t seed) {
        // Normalised taps of a Gaussian.
        constexpr int n = 9;
        checkAdjoint(
            [](const auto& in) {
                using T = typename std::decay_t<decltype(in)>::value_type;
                std::vector<T> taps;
                T sum(0);
                for (int i = 0; i < n; ++i) sum += taps.emplace_back(gaussianSpaxelWeight(i - n / 2, in[0]));
                for (T& t : taps) t /= sum;
                return taps;
            },
            [](const Vector& in, const Vector& bar) {
                Vector taps(n), weights(n, 0.0), out(1, 0.0);
                double sum = 0;
                for (int i = 0; i < n; ++i) sum += taps[std::size_t(i)] = gaussianSpaxelWeight(i - n / 2, in[0]);
                for (double& t : taps) t /= sum;
                normaliseTapsAdjoint(taps.data(), n, sum, weights.data(), bar.data());
                for (int i = 0; i < n; ++i)
                    gaussianSpaxelWeightAdjoint(i - n / 2, in[0], out[0], weights[std::size_t(i)]);
                return out;
            },
            x, {1e-3}, seed);
        checkAdjoint(
            [](const auto& in) {
                using T = typename std::decay_t<decltype(in)>::value_type;
                const DoubleGaussian<T> g = mangaDoubleGaussian(psfFwhm(in[0], 6000, 5000, -0.2));
                return std::vector<T>{g.sigma1, g.sigma2};
            },
            [](const Vector& in, const Vector& bar) {
                Vector out(1, 0.0);
                double fwhm = 0;
                mangaDoubleGaussianAdjoint(in[0], fwhm, bar[0], bar[1]);
                psfFwhmAdjoint(in[0], 6000, 5000, -0.2, out[0], fwhm);
                return out;
            },
            x, {1e-3}, seed);
    });
    atPoints({{0.5, 4}, {1.3, 5}}, [](const Vector& x, std::uint64_t seed) {
        for (const double r2 : {0.0, 0.5, 9.0})
            checkAdjoint(
                [&](const auto& in) {
                    using T = typename std::decay_t<decltype(in)>::value_type;
                    const T alpha = moffatAlpha(in[0], in[1]);
                    return std::vector<T>{moffatProfile(r2, alpha, in[1]), alpha};
                },
                [&](const Vector& in, const Vector& bar) {
                    Vector out(2, 0.0);
                    double alpha = bar[1];
                    moffatProfileAdjoint(r2, moffatAlpha(in[0], in[1]), in[1], alpha, out[1], bar[0]);
                    moffatAlphaAdjoint(in[0], in[1], out[0], out[1], alpha);
                    return out;
                },
                x, {1e-3, 1e-3}, seed);
    });
}

TEST_CASE("line spread functions", "[adjoint]") {
    atPoints({{2.6, 4}, {0, 0.5}}, [](const Vector& x, std::uint64_t seed) {
        for (const double distance : {0.5, 2.0, 4.0})
            checkAdjoint(
                [&](const auto& in) {
                    using T = typename std::decay_t<decltype(in)>::value_type;
                    return std::vector<T>{lineSpreadShare(distance, addedFwhm(in[0], 1.5, in[1]))};
                },
                [&](const Vector& in, const Vector& bar) {
                    Vector out(2, 0.0);
                    double added = 0;
                    lineSpreadShareAdjoint(distance, addedFwhm(in[0], 1.5, in[1]), added, bar[0]);
                    addedFwhmAdjoint(in[0], 1.5, in[1], out[0], out[1], added);
                    return out;
                },
                x, {1e-4, 1e-4}, seed);
        checkAdjoint(
            [](const auto& in) {
                using T = typename std::decay_t<decltype(in)>::value_type;
                return std::vector<T>{polynomial(in.data(), 2, 5.5)};
            },
            [](const Vector& in, const Vector& bar) {
                Vector out(2, 0.0);
                polynomialAdjoint(in.data(), 2, 5.5, out.data(), bar[0]);
                return out;
            },
            x, {1e-3, 1e-3}, seed);
    });
    double instrument = 0, redshift = 0;
    addedFwhmAdjoint(2.0, 3.0, 0.1, instrument, redshift, 1.0);  // the library is the coarser one
    CHECK(instrument == 0);
    CHECK(redshift == 0);
}

TEST_CASE("noise of a fixed realisation, and its variance", "[adjoint]") {
    atPoints({{0.1, 5}, {0.5, 2}}, [](const Vector& x, std::uint64_t seed) {
        const double normal = seed % 2 ? 1.3 : -0.6;
        checkAdjoint(
            [&](const auto& in) {
                using T = typename std::decay_t<decltype(in)>::value_type;
                const T target = targetVariance(in[0], in[1], 20), exposure = exposureVariance(in[0], 0.3, 7, 3, 2);
                return std::vector<T>{target, exposure, noisyFlux(in[0], target, normal),
                                      noisyFlux(in[0], exposure, normal)};
            },
            [&](const Vector& in, const Vector& bar) {
                Vector out(2, 0.0);
                const double target = targetVariance(in[0], in[1], 20),
                             exposure = exposureVariance(in[0], 0.3, 7, 3, 2);
                double targetBar = bar[0], exposureBar = bar[1];
                noisyFluxAdjoint(in[0], target, normal, out[0], targetBar, bar[2]);
                noisyFluxAdjoint(in[0], exposure, normal, out[0], exposureBar, bar[3]);
                targetVarianceAdjoint(in[0], in[1], 20, out[0], out[1], targetBar);
                exposureVarianceAdjoint(in[0], 7, out[0], exposureBar);
                return out;
            },
            x, {1e-3, 1e-3}, seed);
    });
    // Dark voxels of a target S/N have no noise; below zero the variance is flat.
    double flux = 0, variance = 0, reference = 0;
    noisyFluxAdjoint(0.0, 0.0, 1.0, flux, variance, 1.0);
    CHECK(flux == 1);
    CHECK(variance == 0);
    targetVarianceAdjoint(-1.0, 1.0, 20, flux, reference, 1.0);
    exposureVarianceAdjoint(-1.0, 7, flux, 1.0);
    CHECK(flux == 1);
    CHECK(reference == 0);
}

TEST_CASE("weighted moments", "[adjoint]") {
    constexpr std::size_t n = 5;
    atPoints({{0.5, 2}, {0.5, 2}, {0.5, 2}, {0.5, 2}, {0.5, 2}, {-3, 3}, {-3, 3}, {-3, 3}, {-3, 3}, {4, 5}},
             [](const Vector& x, std::uint64_t seed) {
                 const auto sums = [](const auto& in) {
                     MomentSums<typename std::decay_t<decltype(in)>::value_type> s;
                     for (std::size_t i = 0; i < n; ++i) s.add(in[i], in[n + i]);
                     return s;
                 };
                 checkAdjoint(
                     [&](const auto& in) {
                         const auto s = sums(in);
                         return std::vector{weightedMean(s), weightedDispersion(s)};
                     },
                     [&](const Vector& in, const Vector& bar) {
                         const auto s = sums(in);
                         Vector out(2 * n, 0.0);
                         for (std::size_t i = 0; i < n; ++i) {
                             weightedMeanAdjoint(s, in[i], in[n + i], out[i], out[n + i], bar[0]);
                             weightedDispersionAdjoint(s, in[i], in[n + i], out[i], out[n + i], bar[1]);
                         }
                         return out;
                     },
                     x, Vector(2 * n, 1e-3), seed);
             });
    MomentSums<double> one;
    one.add(2, 3);
    double wBar = 0, xBar = 0;
    weightedDispersionAdjoint(one, 2.0, 3.0, wBar, xBar, 1.0);
    CHECK(wBar == 0);
    CHECK(xBar == 0);
}
