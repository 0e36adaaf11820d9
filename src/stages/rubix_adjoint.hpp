// Transpose of accumulateRubix(). Derivation 18 of docs/adjoints.md.
#pragma once

#include "tessera/stages.hpp"

namespace tessera {

// bar[star] += cotangent of the record, of spectra's cotangents [spaxel][stride].
void accumulateRubixAdjoint(Host, const BinnedStars&, const SspLibrary&, double redshift, const WavelengthGrid&,
                            const float* spectraBar, std::size_t stride, StarRecordBar* bar);

// out[spaxel][pixel] of the grid: tangent of accumulateRubix() for tangents of the records.
void accumulateRubixTangent(Host, const BinnedStars&, const SspLibrary&, double redshift, const WavelengthGrid&,
                            const StarRecordBar* dot, float* out, std::size_t stride);

}  // namespace tessera
