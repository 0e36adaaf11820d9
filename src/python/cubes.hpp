// Cubes and what is said of them, as Python's dictionaries of arrays.
#pragma once

#include <nanobind/nanobind.h>

#include "tessera/model/galaxy.hpp"

namespace tessera::python {

// flux, variance (where there is one), wavelength, unit, maps, map_units, report, config.
nanobind::dict toPython(GalaxyCube&&);
nanobind::object toPython(Cube&&);
// By the names of the attributes of a cube file (tessera/io/cube_file.hpp).
nanobind::dict toPython(const GalaxyReport&);

void bindCubes(nanobind::module_&);

}  // namespace tessera::python
