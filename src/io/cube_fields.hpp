// The numbers of a GalaxyReport under their names in the cube file: attributes of a galaxy and columns of the
// catalogue.
#pragma once

#include "tessera/model/galaxy.hpp"

namespace tessera {

// f(name, unit, member) for every number; members are integers, double, Vec3d and Mat3d.
template <class Report, class F>
void forEachField(Report& r, F f) {
    f("subhalo", "", r.subhalo);
    f("redshift", "", r.redshift);
    f("D_L_Mpc", "Mpc", r.luminosityDistanceMpc);
    f("D_A_Mpc", "Mpc", r.angularDistanceMpc);
    f("kpc_per_arcsec", "kpc/arcsec", r.kpcPerArcsec);
    f("spaxel_arcsec", "arcsec", r.spaxelArcsec);
    f("n_stars", "", r.nStars);
    f("n_stars_in_field", "", r.nStarsInField);
    f("mass_in_field", "Msun", r.massInField);
    f("n_clamped_age", "", r.nClampedAge);
    f("n_clamped_metallicity", "", r.nClampedMetallicity);
    f("mass_clamped", "Msun", r.massClamped);
    f("n_wind", "", r.nWind);
    f("rotation", "", r.rotation);
    f("centre", "kpc", r.centre);
    f("systemic_velocity", "km/s", r.systemicVelocity);
    f("luminosity_in_band", "Lsun", r.luminosityInBand);
}

}  // namespace tessera
