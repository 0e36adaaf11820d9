// Small observations with every stage in them, for the tests of adjoints.
#pragma once

#include "adjoint_oracle.hpp"
#include "observing.hpp"
#include "tessera/stages.hpp"

namespace tessera::test {

struct SceneOptions {
    double libraryStep = 20;
    bool log = false;
    std::optional<PsfKind> psf = PsfKind::gaussian;
    enum class Lsf { none, fwhm, sigma, resolution, polynomial } lsf = Lsf::fwhm;
    std::size_t pixels = 60;
    Doppler doppler = Doppler::relativistic;
    CubeUnit unit = CubeUnit::flux;
    bool libraryResolution = false;
    FootprintKind footprint = FootprintKind::nearest;
};

inline AdjointScene makeScene(const SceneOptions& o) {
    AdjointScene s;
    Config& c = s.config;
    c.telescope = testTelescope(1, 0.25, 4900.15, 4900.15 + (double(o.pixels) - 0.5) * 1.25, 1.25);
    if (o.log) {
        c.telescope.log = true;
        c.telescope.wavelengthMin = 4900;
        c.telescope.wavelengthStep = 1e-4;
        c.telescope.wavelengthMax = 4900 * std::pow(10, 1e-4 * (double(o.pixels) - 0.5));
    }
    ViewConfig& v = c.views[0];
    v.redshift = 0.1;
    v.orientation = Orientation::matrix;
    v.matrix = transpose(Mat3d{{{0.6, 0, -0.8}, {0, 1, 0}, {0.8, 0, 0.6}}});
    s.axes = transpose(v.matrix);
    v.inclination = 35;
    v.positionAngle = 20;
    v.twist = 10;
    v.systemicVelocity = SystemicVelocity::none;
    c.spectra.doppler = o.doppler;
    c.output.unit = o.unit;
    c.projection.footprint = o.footprint;
    // The part of a library that the telescope sees.
    SspLibrary all = syntheticLibrary(o.libraryStep, 0.3, 7, 4, 3);
    s.library = all;
    s.library.wavelength.clear();
    s.library.flux.clear();
    const WavelengthGrid g = c.telescope.wavelengths();
    const double low = g.edge(0) / 1.1 - 60, high = g.edge(double(g.size)) / 1.1 + 60;
    for (std::size_t t = 0; t < all.nTemplates(); ++t)
        for (std::size_t m = 0; m < all.nLambda(); ++m)
            if (all.wavelength[m] > low && all.wavelength[m] < high) {
                if (t == 0) s.library.wavelength.push_back(all.wavelength[m]);
                s.library.flux.push_back(all.spectrum(t)[m]);
            }
    if (o.libraryResolution)
        for (const double lambda : s.library.wavelength) s.library.fwhm.push_back(1.1 + 1e-3 * (lambda - low));
    if (o.psf) {
        c.psf = PsfConfig{};
        c.psf->kind = *o.psf;
        c.psf->fwhm = 0.45;
        s.pad = makePsf(*c.psf, nullptr, g, c.telescope.spaxel).radius;
    }
    if (o.lsf != SceneOptions::Lsf::none) {
        c.lsf = LsfConfig{};
        if (o.lsf == SceneOptions::Lsf::fwhm) c.lsf->fwhm = 2.6;
        if (o.lsf == SceneOptions::Lsf::sigma) c.lsf->sigma = 1.1;
        if (o.lsf == SceneOptions::Lsf::resolution) c.lsf->resolution = 1800;
        if (o.lsf == SceneOptions::Lsf::polynomial) c.lsf->fwhmPolynomial = {-46, 0.01};
        s.wings = makeLsf(*c.lsf, nullptr, g, s.library, v.redshift).radius;
    }
    return s;
}

// Inside the library's grid but for the first two, which are older and richer than all templates.
inline Stars sceneStars(std::size_t n, std::uint64_t seed = 41) {
    Stars stars = randomStars(n, seed, 0.7, 150);
    stars.smoothing = Buffer<float>(n);
    for (std::size_t i = 0; i < n; ++i) {
        stars.age[i] = std::max(stars.age[i], 0.0011F);
        stars.smoothing[i] = 0.1F + 0.13F * float(i % 8);  // [kpc]; a spaxel is 0.48
    }
    if (n > 1) {
        stars.age[0] = 20;
        stars.metallicity[1] = 0.2F;
    }
    return stars;
}

}  // namespace tessera::test
