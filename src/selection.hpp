// Which galaxies of a snapshot are observed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tessera/io/snapshot.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"

namespace tessera {

// Ids that a configuration names, in the order of galaxies.subhalos, galaxies.file or of the rows.
struct NamedGalaxies {
    std::vector<std::int64_t> ids;
    std::string file;                // empty: of the configuration itself
    std::vector<std::size_t> lines;  // of the ids in the file
    std::string unit = "line";       // or "row", where the file has no lines

    std::string origin(std::size_t i) const;  // "ids.txt line 7: ", or nothing
};

struct Selection {
    std::vector<Subhalo> galaxies;  // with the stars that galaxies.particles asks for
    // By index in `galaxies`: why a named galaxy is not observed, as "skipped: ..." says it.
    std::map<std::size_t, std::string> skipped;
    // Of galaxies that are not named: how many each cut left out, in words.
    std::map<std::string, std::uint64_t> leftOut;
};

// The galaxies of galaxies.subhalos or galaxies.file; ids empty: none are named.
NamedGalaxies namedGalaxies(const GalaxiesConfig&);

// named: of namedGalaxies(), or of rows. Cuts apply to all galaxies: those not named are left out, those named are
// marked as skipped. Error: a cut on what the catalogue lacks, an id that is not there.
Selection selectGalaxies(const Snapshot&, const GalaxiesConfig&, const NamedGalaxies& named);

}  // namespace tessera
