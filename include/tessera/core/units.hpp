// Constants, each with its source. Internal units: kpc (physical), km/s, Msun, Gyr, Angstrom, Lsun.
#pragma once

namespace tessera::units {

inline constexpr double c_km_s = 299792.458;            // speed of light [km/s], exact (SI)
inline constexpr double c_cm_s = c_km_s * 1e5;          // [cm/s]
inline constexpr double h_erg_s = 6.62607015e-27;       // Planck constant [erg s], exact (SI 2019)
inline constexpr double Lsun_erg_s = 3.828e33;          // nominal solar luminosity [erg/s], IAU 2015 B3
inline constexpr double pc_cm = 3.0856775814913673e18;  // parsec [cm], IAU 2015 B2
inline constexpr double kpc_cm = 1e3 * pc_cm;
inline constexpr double Mpc_cm = 1e6 * pc_cm;
inline constexpr double kpc_km = kpc_cm * 1e-5;
inline constexpr double Msun_g = 1.98840987e33;            // [g], IAU 2015 GM_sun / CODATA 2018 G
inline constexpr double Gyr_s = 3.15576e16;                // Julian gigayear [s]
inline constexpr double arcsec_rad = 4.84813681109536e-6;  // pi / 648000
inline constexpr double pi = 3.14159265358979323846;
inline constexpr double fwhm_per_sigma = 2.35482004503094938;  // 2 sqrt(2 ln 2), of a Gaussian
inline constexpr double flux_unit = 1e-20;                     // cubes are in 1e-20 erg s-1 cm-2 Angstrom-1

}  // namespace tessera::units
