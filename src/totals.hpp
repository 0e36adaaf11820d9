// A snapshot of which no more is known than totals: its galaxies are drawn up from a mass function, so that a run can be
// planned where the files are not.
//
// The number of galaxies with more than n star particles is that of a broken power law,
//   dN/dn = A (n/k)^-slope below the knee k, A (n/k)^-slopeAbove above it,  fewest <= n <= largest,
// with A such that all galaxies together have the stars that are bound to subhalos. Galaxy j (from 0, the largest first,
// as groups are in TNG's files) has the n where N(>n) = j + 1/2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tessera/io/snapshot.hpp"

namespace tessera {

struct SnapshotTotals {
    std::string name;
    int number = 99;
    std::uint64_t stars = 0, subhalos = 0, chunks = 1;
    double boxSize = 0;  // [ckpc/h]
    double redshift = 0, h = 0.6774, omegaM = 0.3089, omegaL = 0.6911;
    double starBytes = 56;                             // read of one star
    double starMass = 1e5;                             // [Msun] today's mean of a star particle
    double inSubhalos = 0.97;                          // fraction of the stars
    double largest = 1e6, fewest = 1;                  // stars of the largest and smallest galaxy
    double knee = 1e5, slope = 1.4, slopeAbove = 2.6;  // of the mass function, in stars
    std::string source;                                // of the numbers
};

// "TNG50-1", "TNG100-1", "TNG300-1": snapshot 99. ConfigError names those that are known.
SnapshotTotals knownTotals(const std::string& simulation);
// The keys that stand in a JSON object replace those of `totals`: name, number, stars, subhalos, chunks, box_size,
// redshift, h, omega_m, omega_l, star_bytes, star_mass, in_subhalos, largest, fewest, knee, slope, slope_above, source.
// ConfigError: another key, a value of the wrong type or out of range.
SnapshotTotals readTotals(const std::string& path, SnapshotTotals totals = {});

// Of format "totals"; reading particles of it is an Error.
std::unique_ptr<Snapshot> snapshotOf(const SnapshotTotals&);

}  // namespace tessera
