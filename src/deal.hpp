// How the galaxies of a run are dealt to ranks.
//
// The galaxies, in the order of their rows in the snapshot, are cut into contiguous slices of equal cost, one a rank. A
// cut inside a small galaxy moves to its end; a large one is shared by the ranks of all slices that reach into it (see
// Team): each reads a part of its rows. A rank does the galaxies that it shares first, those with an even number before
// those with an odd one: neighbours in the list have at most one rank in common, so that all even ones run at once, then
// all odd ones, and no chain of ranks waits for each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tessera/model/particles.hpp"

namespace tessera {

struct DealtGalaxy {
    std::uint64_t rows = 0;      // of its stars, wind included
    double perRow = 0;           // cost of a row, wherever
    double fixed = 0;            // what its owner has to do whatever the number of stars
    std::uint64_t mostRows = 0;  // that the memory of one rank has room for; 0: all
};

// What one rank has of a galaxy.
struct Share {
    std::size_t galaxy = 0;           // place in the list
    ParticleRange rows;               // from the galaxy's first on; first: a multiple of blockRows
    int firstRank = 0, lastRank = 0;  // all that have a part of it; the first is its owner

    bool alone() const { return firstRank == lastRank; }
};

// Shares of every rank, in the order in which they are to be done. Galaxies of splitFrom rows or more may be shared, in
// parts of at least half of that; those that one rank's memory has no room for are, by as many ranks as they need.
std::vector<std::vector<Share>> deal(std::span<const DealtGalaxy>, int ranks, std::uint64_t splitFrom);

}  // namespace tessera
