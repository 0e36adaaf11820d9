// Value functions of physics/ against published numbers, closed forms and brute force.
#include <random>

#include "gradcheck.hpp"
#include "support.hpp"
#include "tessera/physics/cosmology.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/instrument.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/ssp.hpp"

using namespace tessera;

TEST_CASE("distances and ages agree with astropy 8.0 (no radiation)", "[cosmology]") {
    struct Row {
        Cosmology c;
        double z, luminosity, angular, age;
    };
    const Cosmology curved{0.7, 0.3, 0.6, -1, 0}, dynamic{0.6774, 0.3089, 1 - 0.3089, -0.9, 0.2};
    // FlatLambdaCDM(67.74, 0.3075), LambdaCDM(70, 0.3, 0.6), Flatw0waCDM(67.74, 0.3089, -0.9, 0.2), all with Tcmb0 = 0.
    for (const Row& r : {Row{planck15(), 0.01, 44.59560908104808, 43.71689940304684, 13.677039865827524},
                         Row{planck15(), 0.1, 475.3907902839981, 392.88495064793227, 12.476364021217304},
                         Row{planck15(), 1, 6797.986797507374, 1699.4966993768435, 5.878864970072011},
                         Row{planck15(), 5, 47817.08551159041, 1328.252375321956, 1.1787152302035686},
                         Row{curved, 0.1, 458.1760876875745, 378.6579237087392, 11.76650886468139},
                         Row{curved, 1, 6479.83450952653, 1619.9586273816326, 5.545584391703881},
                         Row{curved, 5, 47383.72905956088, 1316.2146960989132, 1.1364403450784168},
                         Row{dynamic, 0.1, 472.9819149573017, 390.89414459281124, 12.126800672985455},
                         Row{dynamic, 1, 6607.106131471303, 1651.7765328678258, 5.72644314922978},
                         Row{dynamic, 5, 46476.36982073882, 1291.0102727983005, 1.1706200611721254}}) {
        INFO("z " << r.z << " Om " << r.c.omegaM << " w0 " << r.c.w0);
        CHECK(luminosityDistanceMpc(r.c, r.z) == Approx(r.luminosity).epsilon(1e-9));
        CHECK(angularDistanceMpc(r.c, r.z) == Approx(r.angular).epsilon(1e-9));
        CHECK(cosmicTimeGyr(r.c, 1 / (1 + r.z)) == Approx(r.age).epsilon(1e-6));  // their Gyr differs in the 8th digit
    }
    CHECK(kpcPerArcsec(planck15(), 0.1) == Approx(1.90476).epsilon(1e-5));
    CHECK(rubixComovingDistanceMpc(planck15(), 0.1) == Approx(comovingDistanceMpc(planck15(), 0.1)).epsilon(1e-6));
}

TEST_CASE("the nearest image wraps across the box border", "[orient]") {
    CHECK(nearestImage(90.0, 100) == Approx(-10));
    CHECK(nearestImage(-90.0, 100) == Approx(10));
    CHECK(nearestImage(10.0, 100) == Approx(10));
    CHECK(nearestImage(290.0, 100) == Approx(-10));
    CHECK(nearestImage(90.0, 0) == Approx(90));
    const Vec3d d = nearestImage(Vec3d{99, -51, 3}, 100);
    CHECK(d.x == Approx(-1));
    CHECK(d.y == Approx(49));
    CHECK(d.z == Approx(3));
}

TEST_CASE("rotations are proper and turn the way they say", "[orient]") {
    const double q = units::pi / 2;
    const Vec3d y = rotationX(q) * Vec3d{0, 1, 0}, x = rotationY(q) * Vec3d{0, 0, 1}, z = rotationZ(q) * Vec3d{1, 0, 0};
    CHECK(y.z == Approx(1));
    CHECK(x.x == Approx(1));
    CHECK(z.y == Approx(1));
    std::mt19937_64 rng(3);
    std::uniform_real_distribution<double> angle(-4, 4);
    for (int i = 0; i < 100; ++i) {
        const Mat3d m = i % 2 ? eulerRotation(angle(rng), angle(rng), angle(rng))
                              : viewRotation(angle(rng), angle(rng), angle(rng)) *
                                    frameOfAxis(Vec3d{angle(rng), angle(rng), angle(rng)});
        CHECK(determinant(m) == Approx(1).epsilon(1e-12));
        const Mat3d unit = m * transpose(m);
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b) CHECK(unit.row[a][b] == Approx(a == b).margin(1e-12));
    }
    // Row vectors: x' = x Rz(gamma) Ry(beta) Rx(alpha), each R the standard matrix; by hand for x = (1, 2, 3).
    const double a = 0.3, b = 0.4, g = 0.5;
    const Vec3d v{1, 2, 3};
    const Vec3d rz{v.x * std::cos(g) + v.y * std::sin(g), -v.x * std::sin(g) + v.y * std::cos(g), v.z};
    const Vec3d ry{rz.x * std::cos(b) - rz.z * std::sin(b), rz.y, rz.x * std::sin(b) + rz.z * std::cos(b)};
    const Vec3d rx{ry.x, ry.y * std::cos(a) + ry.z * std::sin(a), -ry.y * std::sin(a) + ry.z * std::cos(a)};
    const Vec3d got = eulerRotation(a, b, g) * v;
    for (int k = 0; k < 3; ++k) CHECK(got[k] == Approx(rx[k]).epsilon(1e-12));
}

TEST_CASE("the frame of an axis looks along it", "[orient]") {
    for (const Vec3d& axis : {Vec3d{0, 0, 2}, Vec3d{1, 0, 0}, Vec3d{0, -3, 0}, Vec3d{1, 1, 1}, Vec3d{-0.2, 5, 0.1}}) {
        const Vec3d seen = frameOfAxis(axis) * axis;
        CHECK(seen.x == Approx(0).margin(1e-12));
        CHECK(seen.y == Approx(0).margin(1e-12));
        CHECK(seen.z == Approx(norm(axis)));
    }
}

TEST_CASE("spaxels are half-open bins of a centred grid", "[project]") {
    const SpaxelGrid g{4, 1, 2};  // from -4 to 4 kpc
    CHECK(spaxelOf(-4, -4, g) == 0);
    CHECK(spaxelOf(-2.0000001, -4, g) == 0);
    CHECK(spaxelOf(-2, -4, g) == 1);
    CHECK(spaxelOf(3.9999, 3.9999, g) == 15);
    CHECK(spaxelOf(0, -3, g) == 2);
    CHECK(spaxelOf(-3, 0, g) == 8);  // [iy][ix]
    CHECK(spaxelOf(4, 0, g) == outsideField);
    CHECK(spaxelOf(0, -4.0001, g) == outsideField);
    CHECK(spaxelOf(NAN, 0, g) == outsideField);
    CHECK(spaxelOf(1e30, 0, g) == outsideField);
    const SpaxelGrid odd{5, 1, 1};
    CHECK(spaxelOf(0, 0, odd) == 12);
    CHECK(spaxelOf(-0.5, 0.49, odd) == 12);
    CHECK(spaxelOf(0.5, 0, odd) == 13);
}

TEST_CASE("apertures have the areas of their shapes", "[project]") {
    const double fov = 20;
    const int n = 2000;
    for (const auto& [shape, area] : {std::pair{Aperture::square, fov * fov},
                                      {Aperture::circle, units::pi * 100},
                                      {Aperture::hexagon, 1.5 * std::sqrt(3.0) * 100}}) {
        double inside = 0;
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j)
                inside += insideAperture(shape, (i + 0.5) * fov / n - fov / 2, (j + 0.5) * fov / n - fov / 2, fov);
        CHECK(inside * sq(fov / n) == Approx(area).epsilon(2e-3));
    }
    CHECK(insideAperture(Aperture::hexagon, 9.99, 0, fov));
    CHECK(!insideAperture(Aperture::hexagon, 0, 9, fov));
}

TEST_CASE("axis positions reproduce the value and clamp outside", "[ssp]") {
    const std::vector<double> axis{0, 5.1, 5.15, 6, 10.3};
    const int n = int(axis.size());
    for (const double v : {0.0, 2.5, 5.1, 5.12, 5.15, 7.0, 10.3}) {
        const auto p = locate(axis.data(), n, v);
        CHECK(!p.clamped);
        CHECK(axis[std::size_t(p.lower)] * (1 - p.fraction) + axis[std::size_t(p.lower) + 1] * p.fraction ==
              Approx(v).margin(1e-14));
    }
    for (const double v : {-1.0, -double(INFINITY), double(NAN)}) {
        const auto p = locate(axis.data(), n, v);
        CHECK((p.clamped && p.lower == 0 && p.fraction == 0));
    }
    const auto high = locate(axis.data(), n, 11.0);
    CHECK((high.clamped && high.lower == n - 2 && high.fraction == 1));
    const double one = 3;
    CHECK(locate(&one, 1, 2.0).clamped);
    CHECK(!locate(&one, 1, 3.0).clamped);
    CHECK(logAgeYears(1.0) == Approx(9));
}

TEST_CASE("adjoints of the SSP axes and of the Doppler shift", "[ssp][doppler][adjoint]") {
    const std::vector<double> axis{0, 5.1, 5.15, 6, 10.3};
    std::mt19937_64 rng(5);
    std::uniform_real_distribution<double> uniform;
    for (int i = 0; i < 100; ++i) {
        // Inside a cell, away from its ends, where the derivative jumps.
        const std::size_t cell = std::size_t(4 * uniform(rng));
        const double v = axis[cell] + (0.1 + 0.8 * uniform(rng)) * (axis[cell + 1] - axis[cell]);
        double bar = 0;
        locateAdjoint(axis.data(), 5, v, bar, 1.0);
        test::checkDerivative([&](double x) { return locate(axis.data(), 5, x).fraction; }, v, bar, 1e-3);
        const double speed = 2e4 * (uniform(rng) - 0.5);
        for (const Doppler kind : {Doppler::relativistic, Doppler::classical, Doppler::exponential}) {
            double velocityBar = 0;
            dopplerShiftAdjoint(speed, velocityBar, 2.0, kind);
            test::checkDerivative([&](double x) { return 2 * dopplerShift(x, kind); }, speed, velocityBar, 500);
            CHECK(velocityOfShift(dopplerShift(speed, kind), kind) == Approx(speed).epsilon(1e-12));
        }
    }
    double clamped = 0;
    locateAdjoint(axis.data(), 5, 11.0, clamped, 1.0);
    locateAdjoint(axis.data(), 5, -1.0, clamped, 1.0);
    CHECK(clamped == 0);
}

TEST_CASE("Doppler shifts", "[doppler]") {
    const double beta = 0.01, v = beta * units::c_km_s;
    CHECK(dopplerShift(v) == Approx(0.5 * std::log((1 + beta) / (1 - beta))).epsilon(1e-12));
    CHECK(dopplerShift(v, Doppler::classical) == Approx(std::log(1 + beta)).epsilon(1e-12));
    CHECK(dopplerShift(v, Doppler::exponential) == Approx(beta).epsilon(1e-12));
    CHECK(dopplerShift(v) > 0);  // receding: redder
}

TEST_CASE("air and vacuum wavelengths", "[doppler]") {
    // NIST ASD: [O III] 5008.240 vacuum is 5006.843 in air, H alpha 6564.61 is 6562.80, Na D1 5897.558 is 5895.924.
    CHECK(airOfVacuum(5008.240) == Approx(5006.843).margin(2e-3));
    CHECK(airOfVacuum(6564.61) == Approx(6562.80).margin(6e-3));
    CHECK(airOfVacuum(5897.558) == Approx(5895.924).margin(2e-3));
    for (double x = 2500; x < 30000; x *= 1.3) CHECK(vacuumOfAir(airOfVacuum(x)) == Approx(x).epsilon(1e-12));
}

TEST_CASE("integral of a piecewise linear function by brute force", "[doppler]") {
    const std::vector<double> x{1, 2, 4, 4.5, 9}, y{3, -1, 5, 5, 0};
    std::mt19937_64 rng(7);
    std::uniform_real_distribution<double> uniform(-2, 12);
    for (int i = 0; i < 50; ++i) {
        double a = uniform(rng), b = uniform(rng);
        if (a > b) std::swap(a, b);
        const int n = 200000;
        double sum = 0;
        for (int k = 0; k < n; ++k) {
            const double at = a + (b - a) * (k + 0.5) / n;
            std::size_t m = 0;
            while (m + 2 < x.size() && x[m + 1] < at) ++m;
            const double inside = y[m] + (y[m + 1] - y[m]) * (at - x[m]) / (x[m + 1] - x[m]);
            sum += (at < x.front() ? y.front() : (at > x.back() ? y.back() : inside)) * (b - a) / n;
        }
        CHECK(integratePiecewiseLinear(x.data(), y.data(), 5, a, b) == Approx(sum).epsilon(1e-8).margin(1e-8));
    }
}

TEST_CASE("flux of one solar luminosity per Angstrom", "[flux]") {
    // 3.828e33 / (4 pi (10 pc)^2) erg/s/cm2 at 10 pc, by hand 3.1993e-7... / 1e-20.
    const double d = 10 * 3.0856775814913673e18;
    CHECK(fluxPerLuminosity(0, 1e-5) == Approx(3.828e33 / (4 * 3.14159265358979 * d * d) / 1e-20).epsilon(1e-12));
    CHECK(fluxPerLuminosity(1, 100.0) == Approx(fluxPerLuminosity(0, 100.0) / 2).epsilon(1e-12));
}

TEST_CASE("instrument profiles", "[instrument]") {
    // Half of the peak at half of the FWHM.
    CHECK(moffatProfile(sq(0.5 * 3.0), moffatAlpha(3, 2.5), 2.5) == Approx(0.5));
    // The enclosed fraction by integration in rings.
    const double alpha = moffatAlpha(3, 2.5), radius = moffatRadius(0.9, alpha, 2.5);
    double inside = 0, total = 0;
    for (double r = 0.0005; r < 1e4; r += (r < 100 ? 0.001 : 1)) {
        const double ring = 2 * units::pi * r * moffatProfile(r * r, alpha, 2.5) * (r < 100 ? 0.001 : 1);
        total += ring;
        if (r < radius) inside += ring;
    }
    CHECK(inside / total == Approx(0.9).epsilon(2e-3));
    double sum = 0;
    for (int d = -20; d <= 20; ++d) sum += gaussianSpaxelWeight(d, 1.7);
    CHECK(sum == Approx(1).epsilon(1e-12));
    CHECK(gaussianSpaxelWeight(0, 0.05) == Approx(1).epsilon(1e-12));
    const DoubleGaussian<double> g = mangaDoubleGaussian(2.5);
    CHECK(g.weight1 + g.weight2 == Approx(1));
    const auto profile = [&](double r) {
        return g.weight1 / sq(g.sigma1) * std::exp(-r * r / (2 * sq(g.sigma1))) +
               g.weight2 / sq(g.sigma2) * std::exp(-r * r / (2 * sq(g.sigma2)));
    };
    CHECK(profile(1.25) / profile(0) == Approx(0.5).epsilon(5e-3));  // the FWHM is the one asked for
    CHECK(psfFwhm(0.8, 5000, 5000, -0.2) == Approx(0.8));
    CHECK(psfFwhm(0.8, 10000, 5000, -0.2) == Approx(0.8 * std::pow(2, -0.2)));
    CHECK(psfFwhm(0.8, 10000, 0, -0.2) == Approx(0.8));
    CHECK(addedFwhm(5.0, 3, 0) == Approx(4));
    CHECK(addedFwhm(3.0, 2.9, 0.1) == 0);
}
