// Subhalos of a TNG-like group catalogue and the rows of their particles.
//
// Particles of a type are ordered by group, in it by subhalo, and after these the group's unbound ones; particles of no
// group come last (Nelson et al. 2019, fig. 4). So the first row of a subhalo is offsets_NNN.hdf5:/Subhalo/SnapByType,
// or, where there is no such file, sum of GroupLenType of the groups before its own + sum of SubhaloLenType of the
// subhalos before it in its own group (GroupFirstSub, GroupNsubs).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "io/snapshot_chunks.hpp"
#include "io/snapshot_header.hpp"
#include "io/snapshot_layout.hpp"
#include "tessera/model/galaxy.hpp"

namespace tessera::snapshots {

class Catalogue {
public:
    Catalogue(const TngLayout&, const Header&, std::int64_t numStars, std::int64_t numGas);

    std::int64_t size() const { return chunks_.total(); }
    bool rebuilt() const { return offsets_.empty(); }  // no offsets file
    std::size_t files() const { return chunks_.count(); }
    Subhalo subhalo(std::int64_t id) const;

private:
    // The catalogue of one chunk: consecutive galaxies are asked for, so it is kept.
    struct Table {
        std::size_t chunk = 0;
        std::string where;
        std::vector<std::int64_t> length, start;   // [rows][6]
        std::vector<double> position, velocity;    // [rows][3], empty where absent
        std::vector<double> halfMassRadius, mass;  // [rows] of the stars
        std::vector<double> sfr;                   // [rows]
        std::vector<std::int64_t> flag;            // [rows]
    };
    const Table& table(std::size_t chunk) const;
    void readStarts(Table&, std::int64_t first, std::int64_t rows) const;
    void rebuildStarts() const;
    ParticleRange range(const Table&, std::int64_t row, std::size_t type, std::int64_t rows) const;

    TngLayout layout_;
    Units units_;
    double boxSize_;
    std::int64_t numStars_, numGas_;
    std::string offsets_;
    Chunks chunks_;
    mutable std::optional<Table> table_;
    // First row of stars and gas of every subhalo, where rebuilt.
    mutable std::vector<std::array<std::int64_t, 2>> rebuilt_;
};

}  // namespace tessera::snapshots
