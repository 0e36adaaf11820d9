// The numbers of a GalaxyReport under their names in the cube file: attributes of a galaxy and columns of the
// catalogue.
#pragma once

#include <type_traits>
#include <vector>

#include "tessera/io/hdf5.hpp"
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

// Scalars are stored in their own type, vectors and matrices as doubles.
template <class T>
constexpr bool isScalarField = std::is_arithmetic_v<std::remove_cvref_t<T>>;

template <class T>
std::vector<hsize_t> shapeOfField() {
    if constexpr (isScalarField<T>)
        return {};
    else if constexpr (std::is_same_v<std::remove_cvref_t<T>, Mat3d>)
        return {3, 3};
    else
        return {3};
}

inline std::vector<double> flatten(const Vec3d& v) {
    return {v.x, v.y, v.z};
}
inline std::vector<double> flatten(const Mat3d& m) {
    std::vector<double> out;
    for (const Vec3d& row : m.row) out.insert(out.end(), {row.x, row.y, row.z});
    return out;
}

inline void unflatten(const double* in, Vec3d& v) {
    v = {in[0], in[1], in[2]};
}
inline void unflatten(const double* in, Mat3d& m) {
    for (int i = 0; i < 3; ++i) unflatten(in + 3 * i, m.row[i]);
}

}  // namespace tessera
