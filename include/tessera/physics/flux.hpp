// Flux calibration.
#pragma once

#include <type_traits>

#include "tessera/core/dual.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// F_lambda = L_lambda(lambda/(1+z)) Lsun / (4 pi D_L^2 (1+z)) in units of 1e-20 erg s-1 cm-2 Angstrom-1; the factor
// that multiplies L_lambda [Lsun/Angstrom]. D_L in Mpc. Closure: sum F dlambda 4 pi D_L^2 = luminosity in the band.
template <Real T>
TESSERA_HD T fluxPerLuminosity(std::type_identity_t<T> redshift, T luminosityDistanceMpc) {
    const T d = luminosityDistanceMpc * units::Mpc_cm;
    return units::Lsun_erg_s / (4 * units::pi * d * d * (1 + redshift)) / units::flux_unit;
}
// d ln F = -d ln(1+z) - 2 d ln D_L. Derivation 9. luminosityDistanceAdjoint() goes on to the redshift.
template <Real T>
TESSERA_HD void fluxPerLuminosityAdjoint(T redshift, T luminosityDistanceMpc, T& redshiftBar, T& distanceBar,
                                         T fluxBar) {
    const T f = fluxBar * fluxPerLuminosity(redshift, luminosityDistanceMpc);
    redshiftBar -= f / (1 + redshift);
    distanceBar -= 2 * f / luminosityDistanceMpc;
}

}  // namespace tessera
