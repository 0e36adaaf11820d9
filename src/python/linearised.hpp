// tessera/adjoint.hpp for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace tessera::python {

void bindLinearisation(nanobind::module_&);

}  // namespace tessera::python
