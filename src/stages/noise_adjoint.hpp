// Transpose of addNoise() for its fixed realisation. Derivation 13 of docs/adjoints.md.
#pragma once

#include "tessera/stages.hpp"

namespace tessera {

// Cotangent of the cube before the noise, of those of the cube with noise and of its variance (nullptr: none). flux: before
// the noise. 0 where flux is NaN.
Cube noiseAdjoint(Host, const NoiseConfig&, const WavelengthGrid&, const SpaxelGrid&, std::int64_t galaxy,
                  std::uint32_t view, const Cube& flux, const Cube& noisyBar, const Cube* varianceBar);

}  // namespace tessera
