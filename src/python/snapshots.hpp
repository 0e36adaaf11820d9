// Snapshot readers for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace tessera::python {

void bindSnapshots(nanobind::module_&);

}  // namespace tessera::python
