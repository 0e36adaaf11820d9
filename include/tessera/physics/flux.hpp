// Flux calibration.
#pragma once

#include "tessera/core/hd.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

// F_lambda = L_lambda(lambda/(1+z)) Lsun / (4 pi D_L^2 (1+z)) in units of 1e-20 erg s-1 cm-2 Angstrom-1; the factor
// that multiplies L_lambda [Lsun/Angstrom]. D_L in Mpc. Closure: sum F dlambda 4 pi D_L^2 = luminosity in the band.
TESSERA_HD inline double fluxPerLuminosity(double redshift, double luminosityDistanceMpc) {
    const double d = luminosityDistanceMpc * units::Mpc_cm;
    return units::Lsun_erg_s / (4 * units::pi * d * d * (1 + redshift)) / units::flux_unit;
}

}  // namespace tessera
