// Inputs, tangents and cotangents of a scene as vectors of numbers.
#pragma once

#include <algorithm>

#include "adjoint_scene.hpp"
#include "tessera/adjoint.hpp"

namespace tessera::test {

using Vector = std::vector<double>;

// Inputs as one vector, in the scene's order.
inline Vector flat(const AdjointScene& s, const InputsBar& g) {
    Vector x(s.inputs(), 0.0);
    for (std::size_t i = 0; i < g.stars.size(); ++i) {
        x[s.star(i, 0)] = double(g.stars.mass[i]);
        x[s.star(i, 1)] = double(g.stars.logAge[i]);
        x[s.star(i, 2)] = double(g.stars.metallicity[i]);
        for (std::size_t k = 0; k < 3; ++k) {
            x[s.star(i, 3 + k)] = double(g.stars.velocity[i][int(k)]);
            if (!g.stars.position.empty()) x[s.star(i, 6 + k)] = double(g.stars.position[i][int(k)]);
        }
        if (!g.stars.smoothing.empty()) x[s.star(i, 9)] = double(g.stars.smoothing[i]);
    }
    for (std::size_t k = 0; k < 3; ++k) {
        x[s.global(k)] = g.systemicVelocity[int(k)];
        x[s.global(AdjointScene::centre + k)] = g.centre[int(k)];
    }
    x[s.global(AdjointScene::redshiftShift)] = g.redshiftShift;
    x[s.global(AdjointScene::redshiftDistance)] = g.redshiftDistance;
    x[s.global(AdjointScene::inclination)] = g.inclination;
    x[s.global(AdjointScene::positionAngle)] = g.positionAngle;
    x[s.global(AdjointScene::twist)] = g.twist;
    x[s.global(AdjointScene::psfFwhm)] = g.psfFwhm;
    x[s.global(AdjointScene::psfBeta)] = g.psfBeta;
    std::copy(g.lsf.begin(), g.lsf.end(), x.begin() + std::ptrdiff_t(s.lsf(0)));
    std::copy(g.templates.begin(), g.templates.end(), x.begin() + std::ptrdiff_t(s.spectrum(0)));
    return x;
}

inline InputsBar unflat(const AdjointScene& s, const Vector& x) {
    InputsBar g;
    g.stars = StarsBar(s.stars());
    const FootprintKind footprint = s.config.projection.footprint;
    const bool moves = footprint != FootprintKind::nearest;
    if (moves) g.stars.position = Buffer<Vec3f>(s.stars(), Vec3f{});
    if (footprint == FootprintKind::sph) g.stars.smoothing = Buffer<float>(s.stars(), 0.0F);
    for (std::size_t i = 0; i < s.stars(); ++i) {
        g.stars.mass[i] = float(x[s.star(i, 0)]);
        g.stars.logAge[i] = float(x[s.star(i, 1)]);
        g.stars.metallicity[i] = float(x[s.star(i, 2)]);
        for (std::size_t k = 0; k < 3; ++k) {
            g.stars.velocity[i][int(k)] = float(x[s.star(i, 3 + k)]);
            if (moves) g.stars.position[i][int(k)] = float(x[s.star(i, 6 + k)]);
        }
        if (!g.stars.smoothing.empty()) g.stars.smoothing[i] = float(x[s.star(i, 9)]);
    }
    for (std::size_t k = 0; k < 3; ++k) {
        g.systemicVelocity[int(k)] = x[s.global(k)];
        g.centre[int(k)] = x[s.global(AdjointScene::centre + k)];
    }
    g.redshiftShift = x[s.global(AdjointScene::redshiftShift)];
    g.redshiftDistance = x[s.global(AdjointScene::redshiftDistance)];
    g.inclination = x[s.global(AdjointScene::inclination)];
    g.positionAngle = x[s.global(AdjointScene::positionAngle)];
    g.twist = x[s.global(AdjointScene::twist)];
    g.psfFwhm = x[s.global(AdjointScene::psfFwhm)];
    g.psfBeta = x[s.global(AdjointScene::psfBeta)];
    g.lsf.assign(x.begin() + std::ptrdiff_t(s.lsf(0)), x.begin() + std::ptrdiff_t(s.spectrum(0)));
    g.templates.assign(x.begin() + std::ptrdiff_t(s.spectrum(0)), x.end());
    return g;
}

// A tangent of sensible size in every input that the scene has.
inline Vector randomTangent(const AdjointScene& s, const Vector& x, std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    Vector v(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        double size = 0.1 * std::fabs(x[i]);
        if (i < s.global(0)) {
            const std::size_t k = i % AdjointScene::perStar;
            if (k == 1) size = 0.1;
            if (k >= 3 && k < 6) size = 30;
            if (k >= 6 && s.config.projection.footprint == FootprintKind::nearest) size = 0;
        } else if (i < s.global(3)) {
            size = 30;
        } else if (i >= s.global(AdjointScene::centre) && i < s.global(AdjointScene::centre + 3)) {
            size = s.config.projection.footprint == FootprintKind::nearest ? 0 : 0.02;
        } else if (i == s.global(AdjointScene::redshiftShift)) {
            size = 1e-4;
        }
        v[i] = double(float(size * uniform(rng)));
    }
    return v;
}

inline Cube cubeOf(const AdjointScene& s, const Vector& values) {
    const std::size_t n = s.config.telescope.spaxels();
    Cube c(n, n, s.config.telescope.wavelengths().size);
    for (std::size_t i = 0; i < values.size(); ++i) c.data[i] = float(values[i]);
    return c;
}

inline Vector randomCotangent(const AdjointScene& s, std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<double> normal;
    const std::size_t n = s.config.telescope.spaxels();
    Vector w(n * n * s.config.telescope.wavelengths().size);
    for (double& v : w) v = double(float(normal(rng)));
    return w;
}

inline double dotOf(const Vector& a, const Vector& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}
inline Vector valuesOf(const Cube& c) {
    return {c.data.begin(), c.data.end()};
}

inline double rmsOf(const Vector& a) {
    return std::sqrt(dotOf(a, a) / double(a.size()));
}

}  // namespace tessera::test
