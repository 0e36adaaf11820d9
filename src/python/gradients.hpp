// Cotangents and tangents of all inputs as dictionaries of arrays.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <vector>

#include "tessera/adjoint.hpp"

namespace tessera::python {

// mass, log_age, metallicity, velocity, coords, smoothing; systemic_velocity, centre, projection_smoothing, redshift_shift,
// redshift_distance, inclination, position_angle, twist, euler_deg, rotation, psf_fwhm, psf_beta, psf_sigma_spaxels, lsf (an array), templates. Those of
// stars and templates are there where they were computed.
nanobind::dict toPython(InputsBar&&);

// The other way: what the dictionary has not is zero. Arrays in the layout of arrays.hpp, one length for all of the stars'.
InputsBar tangentOf(const nanobind::dict&, std::size_t stars, std::size_t lsfParameters);

}  // namespace tessera::python
