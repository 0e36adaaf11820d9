// The cube without PSF and LSF against the double-precision oracle.
#pragma once

#include "tessera/model/config.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/model/ssp.hpp"

namespace tessera::bench {

// Prints the flux closure and the largest difference in eight spaxels, from the densest to the sparsest that has a star.
void checkForward(const Stars&, Config, SspLibrary, int threads);

}  // namespace tessera::bench
