// What a run will do, and everything that can be found wrong before particles are read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "deal.hpp"
#include "setup.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/snapshot.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/ssp.hpp"
#include "tessera/pipeline.hpp"

namespace tessera {

struct RunPlan {
    Config config;
    std::string output;  // the cube file: output.path, of a shard with its mark
    unsigned shard = 0, shards = 1;
    std::unique_ptr<Snapshot> snapshot;
    std::vector<Setup> setups;
    WavelengthGrid wavelength;      // of all cubes; of size 0 where they differ
    std::vector<Subhalo> galaxies;  // of this shard, in the order in which they are read
    std::vector<Observation> observations;
    std::vector<std::size_t> firstObservation;    // of each galaxy, and their number at the end
    bool named = false;                           // galaxies are named: one that cannot be observed is an error
    std::string rowsSha256;                       // in catalogue mode: of its rows
    std::string galaxiesSha256;                   // of what the snapshot's catalogue says of the galaxies of all shards
    std::map<std::int64_t, std::string> skipped;  // named galaxies that a cut leaves out, and why
    std::map<std::string, std::uint64_t> leftOut;  // of those not named: how many each cut left out
    // Of galaxies.particles "field": rows of other stars that may lie in the field of each galaxy (field.hpp); else empty.
    std::vector<std::vector<ParticleRange>> neighbours;
    std::vector<std::string> notes;  // what the user should know of the input: shown by --dry-run and at the run's end

    // The cubes to be made of a galaxy, in the order of their numbers.
    std::span<const Observation> observationsOf(std::size_t galaxy) const;
    const Setup& setupOf(const Observation& o) const { return setups[o.setup]; }

    // Rows that are read of a galaxy: its own, then its neighbours'; rows [first, first + count) of them in the snapshot.
    std::uint64_t rowsOf(std::size_t galaxy) const;
    std::vector<ParticleRange> partOf(std::size_t galaxy, const ParticleRange& rows) const;

    double costOf(std::size_t galaxy) const;      // [s] of reading it and making its cubes (cost.hpp)
    DealtGalaxy dealt(std::size_t galaxy) const;  // the same, for deal()

    double outputBytes() const;                    // of all cubes, before compression
    double leastBytes(std::uint64_t stars) const;  // of memory, without which a rank cannot observe so many
    std::uint64_t mostStars() const;               // that resources.memory_per_rank has room for; 0: it is not declared
    std::string fitsPath(std::int64_t subhalo, std::size_t view) const;
};

// instead: of the snapshot that the configuration names, where that one is not here; where the output goes is not looked at.
RunPlan makePlan(const Config&, const RunOptions&, std::unique_ptr<Snapshot> instead = {});

// [Msun] of a star particle: of the galaxies whose mass the catalogue tells.
double meanStarMass(const RunPlan&);

// Of the file that this run writes.
CubeFileHeader headerOf(const RunPlan&, int ranks);

// For people: --dry-run.
std::string describe(const RunPlan&);

}  // namespace tessera
