// Noise: counter-based (Philox 4x32-10, Salmon et al. 2011), keyed by seed, galaxy and view, counted by voxel, so that
// it does not depend on ranks, threads or the order of work.
#pragma once

#include <Random123/philox.h>

#include <cmath>
#include <cstdint>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// Four independent standard normal numbers for voxels 4 block ... 4 block + 3 (Box-Muller, 32-bit uniforms: |n| < 6.7).
struct Normals4 {
    float n[4];
};
TESSERA_HD inline Normals4 standardNormals(std::uint64_t seed, std::int64_t galaxy, std::uint32_t view,
                                           std::uint64_t block) {
    r123::Philox4x32::ctr_type counter = {
        {std::uint32_t(block), std::uint32_t(block >> 32), view, std::uint32_t(std::uint64_t(galaxy) >> 32)}};
    // The galaxy's lower half goes into the key with the seed's upper half; no two (seed, galaxy) below 2^32 collide.
    r123::Philox4x32::key_type key = {{std::uint32_t(seed), std::uint32_t(galaxy) ^ std::uint32_t(seed >> 32)}};
    const r123::Philox4x32::ctr_type u = r123::Philox4x32{}(counter, key);
    Normals4 out;
    for (int i = 0; i < 4; i += 2) {
        const double radius = std::sqrt(-2 * std::log((double(u[i]) + 0.5) * 0x1p-32));
        const double angle = 2 * units::pi * (double(u[i + 1]) + 0.5) * 0x1p-32;
        out.n[i] = float(radius * std::cos(angle));
        out.n[i + 1] = float(radius * std::sin(angle));
    }
    return out;
}

// Target signal-to-noise S: a voxel whose flux density equals f_ref has S/N = S. f_ref is the median, over the spaxels
// whose mean flux density exceeds 1 % of the brightest's, of that mean (a PSF lights every spaxel a little: the faint ones
// do not count). Photon noise otherwise: variance = f_ref max(f, 0) / S^2, so S/N grows as sqrt(f).
template <Real T>
TESSERA_HD T targetVariance(T flux, T reference, double signalToNoise) {
    return reference * (flux > 0 ? flux : T(0)) / sq(signalToNoise);
}
// Linear in the flux above 0 and in the reference, which is itself a median of the cube's means: derivation 13.
template <Real T>
TESSERA_HD void targetVarianceAdjoint(T flux, T reference, double signalToNoise, T& fluxBar, T& referenceBar,
                                      T varianceBar) {
    if (!(flux > 0)) return;
    fluxBar += varianceBar * reference / sq(signalToNoise);
    referenceBar += varianceBar * flux / sq(signalToNoise);
}

// Exposure: electrons per unit of flux density (1e-20 erg s-1 cm-2 Angstrom-1) in a pixel of width [Angstrom]:
// lambda/(h c) A eta t dlambda.
TESSERA_HD inline double electronsPerFlux(double lambda, double width, double area, double throughput, double time) {
    const double photonErg = units::h_erg_s * units::c_cm_s / (lambda * 1e-8);
    return units::flux_unit * area * throughput * time * width / photonErg;
}
// variance [flux^2] = (N_source + N_sky + exposures readNoise^2) / (electrons per flux)^2.
template <Real T>
TESSERA_HD T exposureVariance(T flux, double skyFlux, double gain, double readNoise, int exposures) {
    const T electrons = gain * ((flux > 0 ? flux : T(0)) + skyFlux) + exposures * sq(readNoise);
    return electrons / (gain * gain);
}
// d variance/d flux = 1/gain where the source shines. Derivation 13.
template <Real T>
TESSERA_HD void exposureVarianceAdjoint(T flux, double gain, T& fluxBar, T varianceBar) {
    if (flux > 0) fluxBar += varianceBar / gain;
}

// A voxel with noise, for a fixed realisation n (a standard normal number): f + sqrt(variance) n. Reparametrised: the
// draw does not depend on the flux, only its scale does. Where the variance is 0 there is no noise and no derivative of
// it. Derivation 13.
template <Real T>
TESSERA_HD T noisyFlux(T flux, T variance, double normal) {
    using std::sqrt;
    return variance > 0 ? flux + sqrt(variance) * normal : flux;
}
template <Real T>
TESSERA_HD void noisyFluxAdjoint(T, T variance, double normal, T& fluxBar, T& varianceBar, T noisyBar) {
    using std::sqrt;
    fluxBar += noisyBar;
    if (variance > 0) varianceBar += noisyBar * normal / (2 * sqrt(variance));
}

}  // namespace tessera
