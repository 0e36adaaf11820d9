// Whether and how a galaxy's dense spaxels are summed in coefficients.
#pragma once

#include <string>

#include "tessera/model/config.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// Sets the table's nodeStep and starsPerNode. What is found out for them is kept on disk: it depends on the library, the
// instrument, the redshift and the range of shifts, and the break-even on the machine as well.
void useCoefficients(Host, const Config&, const SspLibrary&, double redshift, const WavelengthGrid& extended,
                     const Lsf*, KnotTable&);

}  // namespace tessera
