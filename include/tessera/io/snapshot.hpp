// Reading simulation snapshots: particles in physical units, galaxies by subhalo.
//
//   auto snap = Snapshot::open("mock/output", "auto", 99);
//   Subhalo s = snap->subhalo(3);
//   Stars stars = snap->readStars(s.stars);
//
// Formats: tng (base directory with snapdir_NNN/, groups_NNN/, ../postprocessing/offsets/), tng-cutout (one HDF5 file of
// the web API), rubix (rubix_galaxy.h5). docs/formats.md describes what is accepted of each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/model/galaxy.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

class Snapshot {
public:
    // format "auto" decides by what the path is and holds. number: of a tng base directory (-1: the highest there).
    static std::unique_ptr<Snapshot> open(const std::string& path, const std::string& format = "auto", int number = -1);
    virtual ~Snapshot() = default;

    virtual const SnapshotInfo& info() const = 0;
    // Error where id is outside [0, numSubhalos) (a cutout whose header names a subhalo accepts only that id).
    // Quick for ids in ascending order: of a catalogue in chunks the last used one is kept.
    virtual Subhalo subhalo(std::int64_t id) const = 0;
    // Ids of all galaxies in the file, in order: 0 ... numSubhalos-1, or the cutout's own one.
    virtual std::vector<std::int64_t> subhalos() const = 0;
    // Of each subhalo whether it is the central one of its group. Error where the file knows no groups.
    virtual std::vector<bool> centrals() const;
    // Stars of the group that a subhalo with stars belongs to: of all its subhalos, and those bound to none; of a subhalo
    // without stars none. Errors as above.
    virtual ParticleRange groupStars(const Subhalo&) const;
    // Rows [first, first + count) across chunk files; wind removed and listed. Each value is checked to be finite,
    // masses and metallicities to be >= 0: Error names file, dataset and row.
    virtual Stars readStars(ParticleRange) const = 0;
    // Several runs of rows, one after the other, as if they were one. Here and below, of files of several galaxies alone.
    virtual Stars readStars(std::span<const ParticleRange>) const;
    // [kpc] of every row, wind included, checked in the same way.
    virtual Buffer<Vec3d> readStarPositions(ParticleRange) const;
    virtual Gas readGas(ParticleRange) const = 0;
};

}  // namespace tessera
