// Which galaxies a rank does next: its slice (deal.hpp) first, then what others have not begun.
//
// Slices cost the same by a model; what galaxies really take differs with their content and with the nodes. A rank that
// is through with its slice takes galaxies from the back of the slice, of those of its node, of which most is left. A cube
// does not depend on who makes it. Galaxies that ranks share stay where they were dealt, and come first.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/work_ranges.hpp"
#include "deal.hpp"
#include "run_plan.hpp"

namespace tessera {

class Claims {
public:
    // shares: of every rank of the world, of places of the plan's galaxies; the same on all. A call of all ranks.
    Claims(const RunPlan&, const Comm& world, const std::vector<std::vector<Share>>& shares);

    // What this rank has of galaxies that ranks share, in the order in which all do them.
    const std::vector<Share>& together() const { return together_; }
    // One of this rank's own or some that are small, which may be read at once; of others' where none is left; empty where
    // nobody has any.
    std::vector<Share> next();
    // Galaxies of this rank's own that it has not taken yet.
    std::size_t left() const { return ranges_.leftHere().size(); }
    // For a rank that fails where others may not, as without memory: it is soon through with its own, and would fail others' too.
    void keepToOwn() { keepToOwn_ = true; }
    void close() { ranges_.close(); }  // a call of all ranks

private:
    std::uint32_t howMany(int rank, WorkRanges::Range, bool front) const;
    std::vector<Share> sharesOf(int rank, WorkRanges::Range) const;
    double cost(int rank, WorkRanges::Range) const;

    const RunPlan& plan_;
    Comm node_;
    int rank_;  // of the world; all others are ranks of the node
    std::vector<Share> together_;
    std::vector<std::vector<Share>> alone_;        // of each rank
    std::vector<std::vector<double>> costBefore_;  // of each rank: of its first 0, 1, 2, ... of them
    WorkRanges ranges_;
    bool keepToOwn_ = false;
};

}  // namespace tessera
