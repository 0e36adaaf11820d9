// Memory of a rank, estimated: docs/performance.md compares it with what runs take.
#pragma once

#include <cstdint>
#include <span>

#include "run_plan.hpp"

namespace tessera {

// [byte] of physical memory.
struct Footprint {
    double fixed = 0;   // the process, its library, tables
    double galaxy = 0;  // the largest part of a galaxy with its cube
    double ahead = 0;   // the cube written behind, the galaxy read ahead
    double total() const { return fixed + galaxy + ahead; }
};

// Of a rank that has these shares. overlap: it reads ahead and writes behind.
Footprint footprint(const RunPlan&, std::span<const Share> shares, bool overlap);

// Of a rank alone with all galaxies.
Footprint footprint(const RunPlan&, bool overlap);

// Whether the ranks of a node, so many, read ahead and write behind: as far as resources.memory_per_rank, else half of this
// node's memory shared by them, has room.
bool mayOverlap(const RunPlan&, int ranksOnNode);
double nodeMemory();  // [byte] physical memory of this node

}  // namespace tessera
