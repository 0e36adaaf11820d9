// Catalogue mode: the rows of a table as observations, each with its own values of the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "selection.hpp"
#include "setup.hpp"

namespace tessera {

struct Rows {
    NamedGalaxies galaxies;                 // each once, in the order of their first rows
    std::vector<Setup> setups;              // of rows that differ in more than view and seed
    std::vector<Observation> observations;  // by galaxy, in it by row; its place is the row
    std::vector<std::size_t> first;         // of each galaxy, and their number at the end
    std::string sha256;                     // of what the table says
};

// Column `subhalo`, and columns named after keys of the configuration ("telescope", "view.redshift") or with one of the
// short names (redshift, inclination, ...; docs/formats.md); columns that begin with "_" are the user's own. An empty
// cell leaves the configuration's value. Error or ConfigError, naming file, line and column: an unknown column, a value
// that the configuration would not take, a key of the run as a whole.
Rows readRows(const Config& base, SetupMaker&);

}  // namespace tessera
