#include "adjoint_oracle.hpp"

#include <algorithm>

#include "adjoint_oracle_parts.hpp"

namespace tessera::test {

namespace {

// The kernel's cotangent to FWHM [arcsec] and beta: through dual numbers' slopes of the same function, one input at a time.
void kernelAdjoint(const AdjointScene& s, const std::vector<double>& x, const std::vector<double>& tapBar,
                   std::vector<double>& xBar) {
    for (const std::size_t k : {s.global(AdjointScene::psfFwhm), s.global(AdjointScene::psfBeta)}) {
        if (x[k] == 0) continue;
        std::vector<Dual<double>> moved(x.begin(), x.end());
        moved[k].d = 1;
        const auto kernel = kernelOf(s, moved);
        for (std::size_t i = 0; i < tapBar.size(); ++i) xBar[k] += tapBar[i] * kernel.tap[i].d;
    }
}

// d/dz of libraryWidth(), F(u) (1 + z) at u = lambda / (1 + z): F - u F'.
double librarySlope(const AdjointScene& s, const std::vector<double>& x, double lambda) {
    const SspLibrary& l = s.library;
    if (!s.config.lsf->subtractLibrary || l.fwhm.empty()) return 0;
    const double stretch = 1 + x[s.global(AdjointScene::redshiftShift)], rest = lambda / stretch;
    const double own = libraryWidth(s, x, lambda) / stretch;
    for (std::size_t m = 0; m + 1 < l.nLambda(); ++m)
        if (l.wavelength[m] < rest && rest < l.wavelength[m + 1])
            return own - rest * (l.fwhm[m + 1] - l.fwhm[m]) / (l.wavelength[m + 1] - l.wavelength[m]);
    return own;
}

}  // namespace

std::vector<double> sceneInputs(AdjointScene& s, const Stars& stars) {
    s.nStars = stars.size();
    std::vector<double> x(s.inputs(), 0.0);
    for (std::size_t i = 0; i < stars.size(); ++i) {
        x[s.star(i, 0)] = double(stars.mass[i]);
        x[s.star(i, 1)] = logAgeYears(double(stars.age[i]));
        x[s.star(i, 2)] = double(stars.metallicity[i]);
        for (std::size_t k = 0; k < 3; ++k) {
            x[s.star(i, 3 + k)] = double(stars.velocity[i][int(k)]);
            x[s.star(i, 6 + k)] = stars.position[i][int(k)];
        }
        if (!stars.smoothing.empty()) x[s.star(i, 9)] = double(stars.smoothing[i]);
    }
    const Config& c = s.config;
    const ViewConfig& v = c.views[0];
    x[s.global(AdjointScene::redshiftShift)] = x[s.global(AdjointScene::redshiftDistance)] = v.redshift;
    x[s.global(AdjointScene::inclination)] = v.inclination;
    x[s.global(AdjointScene::positionAngle)] = v.positionAngle;
    x[s.global(AdjointScene::twist)] = v.twist;
    if (c.psf) x[s.global(AdjointScene::psfFwhm)] = c.psf->fwhm;
    if (c.psf && c.psf->kind == PsfKind::moffat) x[s.global(AdjointScene::psfBeta)] = c.psf->beta;
    if (c.lsf) {
        if (!c.lsf->fwhmPolynomial.empty())
            std::copy(c.lsf->fwhmPolynomial.begin(), c.lsf->fwhmPolynomial.end(), x.begin() + std::ptrdiff_t(s.lsf(0)));
        else
            x[s.lsf(0)] = c.lsf->fwhm ? *c.lsf->fwhm : (c.lsf->sigma ? *c.lsf->sigma : *c.lsf->resolution);
    }
    std::copy(s.library.flux.begin(), s.library.flux.end(), x.begin() + std::ptrdiff_t(s.spectrum(0)));
    return x;
}

template <class T>
std::vector<T> oracleObserve(const AdjointScene& s, const std::vector<T>& x) {
    const View<T> view = viewOf(s, x);
    std::vector<T> cube = stagesOf(s, x, view).blurred;
    for (T& v : cube) v *= view.scale;
    return cube;
}
template std::vector<double> oracleObserve(const AdjointScene&, const std::vector<double>&);
template std::vector<Dual<double>> oracleObserve(const AdjointScene&, const std::vector<Dual<double>>&);

std::vector<double> oracleAdjoint(const AdjointScene& s, const std::vector<double>& x,
                                  const std::vector<double>& cubeBar) {
    const std::size_t n = s.config.telescope.spaxels(), side = n + 2 * s.pad;
    const WavelengthGrid wide = extended(s);
    const std::size_t pixels = s.config.telescope.wavelengths().size;
    const View<double> view = viewOf(s, x);
    const Stages<double> f = stagesOf(s, x, view);
    std::vector<double> xBar(x.size(), 0.0);
    const auto g = [&](std::size_t k) -> double& { return xBar[s.global(k)]; };

    double scaleBar = 0;
    std::vector<double> blurredBar = cubeBar;
    for (std::size_t i = 0; i < cubeBar.size(); ++i) {
        scaleBar += cubeBar[i] * f.blurred[i];
        blurredBar[i] *= view.scale;
    }
    if (s.config.output.unit == CubeUnit::flux) {
        const double z = x[s.global(AdjointScene::redshiftDistance)];
        double distanceBar = 0;
        fluxPerLuminosityAdjoint(z, luminosityDistanceMpc(s.cosmology, z), g(AdjointScene::redshiftDistance),
                                 distanceBar, scaleBar);
        luminosityDistanceAdjoint(s.cosmology, z, g(AdjointScene::redshiftDistance), distanceBar);
    }
    std::vector<double> spreadBar(side * side * pixels, 0.0);
    if (s.config.psf) {
        const Kernel<double> kernel = kernelOf(s, x);
        std::vector<double> tapBar(kernel.tap.size(), 0.0);
        forEachKernelTap(s, [&](std::size_t to, std::size_t from, std::size_t k) {
            for (std::size_t j = 0; j < pixels; ++j) {
                tapBar[k] += blurredBar[to * pixels + j] * f.spread[from * pixels + j];
                spreadBar[from * pixels + j] += kernel.tap[k] * blurredBar[to * pixels + j];
            }
        });
        kernelAdjoint(s, x, tapBar, xBar);
    } else {
        spreadBar = blurredBar;
    }
    std::vector<double> spectraBar(side * side * wide.size, 0.0);
    if (s.config.lsf) {
        const LineSpread<double> lsf(s, x);
        std::vector<std::vector<double>> tapsBar(wide.size, std::vector<double>(2 * s.wings + 1, 0.0));
        forEachTap(s, [&](std::size_t k, std::size_t d, std::size_t j, double factor) {
            for (std::size_t p = 0; p < side * side; ++p) {
                tapsBar[k][d] += factor * f.spectra[p * wide.size + k] * spreadBar[p * pixels + j];
                spectraBar[p * wide.size + k] += factor * lsf.taps[k][d] * spreadBar[p * pixels + j];
            }
        });
        for (std::size_t k = 0; k < wide.size; ++k) {
            const double lambda = widthAt(s, k), sigma = sigmaOf(s, x, lambda);
            if (!(sigma > 0)) continue;
            std::vector<double> sharesBar(2 * s.wings + 1, 0.0);
            normaliseTapsAdjoint(lsf.taps[k].data(), int(sharesBar.size()), lsf.norm[k], sharesBar.data(),
                                 tapsBar[k].data());
            double sigmaBar = 0;
            for (std::size_t d = 0; d < sharesBar.size(); ++d) {
                const double j = double(k) + double(d) - double(s.wings);
                lineSpreadShareAdjoint(wide.centre(j) - wide.centre(double(k)), sigma, sigmaBar,
                                       sharesBar[d] * (wide.edge(j + 1) - wide.edge(j)));
            }
            // added^2 = instrument^2 - library^2, the library's observed at F(lambda / (1 + z)) (1 + z).
            const double instrument = instrumentWidth(s, x, lambda), library = libraryWidth(s, x, lambda);
            const double addedBar = sigmaBar / (sigma * sq(units::fwhm_per_sigma)), widthBar = addedBar * instrument;
            xBar[s.global(AdjointScene::redshiftShift)] -= addedBar * library * librarySlope(s, x, lambda);
            const LsfConfig& l = *s.config.lsf;
            if (l.fwhm)
                xBar[s.lsf(0)] += widthBar;
            else if (l.sigma)
                xBar[s.lsf(0)] += widthBar * units::fwhm_per_sigma;
            else if (l.resolution)
                xBar[s.lsf(0)] -= widthBar * lambda / sq(x[s.lsf(0)]);
            else
                polynomialAdjoint(x.data() + s.lsf(0), int(s.lsfSize()), lambda, xBar.data() + s.lsf(0), widthBar);
        }
    } else {
        spectraBar = spreadBar;
    }

    const Axes axes(s.library);
    const SspLibrary& l = s.library;
    Mat3d rotationBar = zeroMatrix<double>();
    for (std::size_t i = 0; i < s.stars(); ++i) {
        const Star<double> star = starOf(s, axes, view, x, i);
        if (star.shares.empty()) continue;
        const std::vector<double> y = spectrumOf(s, x, star);
        std::vector<double> yBar(y.size(), 0.0), shareBar(star.shares.size(), 0.0);
        double shiftBar = 0;
        for (std::size_t k = 0; k < wide.size; ++k) {
            const double low = wide.edge(double(k)), high = wide.edge(double(k) + 1),
                         average = pixelAverage(l.wavelength.data(), y.data(), int(y.size()), star.shift, low, high);
            double bar = 0;
            for (std::size_t p = 0; p < shareBar.size(); ++p) {
                const double spaxelBar = spectraBar[star.shares[p].spaxel * wide.size + k];
                bar += star.shares[p].share * spaxelBar;
                shareBar[p] += star.mass * average * spaxelBar;
            }
            xBar[s.star(i, 0)] += bar * average;
            pixelAverageAdjoint(l.wavelength.data(), y.data(), int(y.size()), star.shift, low, high, yBar.data(),
                                shiftBar, star.mass * bar);
        }
        Vec3d atBar, relativeBar;
        double spaxelBar = 0;
        sharesAdjoint(s, star.shares, star.at, view.spaxel, x[s.star(i, 9)], atBar, spaxelBar, xBar[s.star(i, 9)],
                      shareBar);
        rotateAdjoint(view.rotation, star.relative, rotationBar, relativeBar, atBar);
        kpcPerArcsecAdjoint(s.cosmology, x[s.global(AdjointScene::redshiftDistance)], g(AdjointScene::redshiftDistance),
                            spaxelBar * s.config.telescope.spaxel);
        for (int k = 0; k < 3; ++k) {
            xBar[s.star(i, 6 + std::size_t(k))] += relativeBar[k];
            g(AdjointScene::centre + std::size_t(k)) -= relativeBar[k];
        }
        SspWeights<double> wBar{};
        for (int c = 0; c < 4; ++c)
            for (std::size_t m = 0; m < y.size(); ++m) {
                wBar.w[c] += yBar[m] * x[s.spectrum(star.corner[c], m)];
                xBar[s.spectrum(star.corner[c], m)] += star.weights.w[c] * yBar[m];
            }
        double ageBar = 0, zBar = 0, logZBar = 0, vBar = 0;
        sspWeightsAdjoint(star.age.fraction, star.z.fraction, ageBar, zBar, wBar);
        locateAdjoint(l.logAge.data(), int(l.nAge()), x[s.star(i, 1)], xBar[s.star(i, 1)], ageBar);
        locateAdjoint(axes.logZ.data(), int(l.nZ()), logMetallicity(x[s.star(i, 2)]), logZBar, zBar);
        logMetallicityAdjoint(x[s.star(i, 2)], xBar[s.star(i, 2)], logZBar);
        cosmologicalShiftAdjoint(x[s.global(AdjointScene::redshiftShift)], g(AdjointScene::redshiftShift), shiftBar);
        dopplerShiftAdjoint(star.velocity, vBar, shiftBar, s.config.spectra.doppler);
        for (int k = 0; k < 3; ++k) {
            xBar[s.star(i, 3 + std::size_t(k))] += vBar * view.rotation.row[2][k];
            g(std::size_t(k)) -= vBar * view.rotation.row[2][k];
            rotationBar.row[2][k] += vBar * (x[s.star(i, 3 + std::size_t(k))] - view.systemic[k]);
        }
    }
    Mat3d viewBar = zeroMatrix<double>(), axesBar = viewBar;
    const double angles[] = {x[s.global(AdjointScene::inclination)] * degree,
                             x[s.global(AdjointScene::positionAngle)] * degree,
                             x[s.global(AdjointScene::twist)] * degree};
    productAdjoint(viewRotation(angles[0], angles[1], angles[2]), s.axes, viewBar, axesBar, rotationBar);
    double bar[3] = {};
    viewRotationAdjoint(angles[0], angles[1], angles[2], bar[0], bar[1], bar[2], viewBar);
    for (std::size_t k = 0; k < 3; ++k) g(AdjointScene::inclination + k) += bar[k] * degree;
    return xBar;
}

}  // namespace tessera::test
