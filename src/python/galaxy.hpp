// What defines a galaxy beyond its stars.
#pragma once

#include <nanobind/nanobind.h>

#include "tessera/pipeline.hpp"

namespace tessera::python {

void bindGalaxy(nanobind::module_&);

}  // namespace tessera::python
