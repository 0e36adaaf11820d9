// The table of the cubic spline kernel seen along a line of sight (KernelTable of physics/project.hpp).
#pragma once

#include "tessera/physics/project.hpp"

namespace tessera {

// Made when it is first asked for (tens of milliseconds), then kept. Shares are within 1e-6 of the exact kernel's, and sum to 1 to
// rounding.
KernelTable projectedKernel();

// Q(a, b), 0 <= a, b <= 1, to 1e-10, by quadrature.
double kernelCornerExact(double a, double b);

}  // namespace tessera
