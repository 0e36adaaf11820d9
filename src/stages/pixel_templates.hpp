// Every template's exact averages over some pixels under one shift.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tessera/stages.hpp"

namespace tessera {

// average[pixel][table.lanes] over [edges[j], edges[j + 1]], j < pixels; slope: its derivative in the shift, or nullptr.
// blocks: of sixteen lanes each, of which alone anything is written; none: all.
void pixelTemplates(const KnotTable&, double shift, const double* edges, std::size_t pixels, float* average,
                    float* slope, std::span<const std::uint16_t> blocks = {});

}  // namespace tessera
