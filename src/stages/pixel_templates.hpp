// Every template's exact averages over some pixels under one shift.
#pragma once

#include <cstddef>

#include "tessera/stages.hpp"

namespace tessera {

// average[pixel][table.lanes] over [edges[j], edges[j + 1]], j < pixels; slope: its derivative in the shift, or nullptr.
void pixelTemplates(const KnotTable&, double shift, const double* edges, std::size_t pixels, float* average,
                    float* slope);

}  // namespace tessera
