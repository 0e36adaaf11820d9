// One galaxy shared by several ranks: each reads a contiguous part of its stars, then each sums the spectra of a part of
// its spaxels over all of its stars. Records of stars travel to the ranks of their spaxels (32 bytes a star), spectra to
// the owner, rank 0, who makes the cube. Stars of a spaxel come together in the order of the file, so that the cube is
// bitwise that of one rank.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stages/star_inputs.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/core/gather.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// Everyone's values of a communicator, as the stages ask for them. The communicator must outlive it.
Gather gatherOver(const Comm&);

// What travels so that every spaxel has all of its stars on one rank.
struct StarMoves {
    std::vector<std::uint64_t> send, receive;  // [size] stars to and from each rank, in the order of their spaxels
    std::size_t firstSpaxel = 0, mySpaxels = 0;
    Buffer<std::uint32_t> each;        // [size][mySpaxels] stars of each of this rank's spaxels, by where they are
    std::vector<std::uint64_t> total;  // [spaxels] stars of all parts
};

class Team {
public:
    explicit Team(const Comm& comm) : comm_(comm) {}

    bool alone() const { return comm_.size() == 1; }
    bool owner() const { return comm_.rank() == 0; }
    const Comm& comm() const { return comm_; }
    Gather gather() const { return gatherOver(comm_); }
    bool any(bool mine) const;
    std::uint64_t total(std::uint64_t mine) const;
    std::uint64_t least(std::uint64_t mine) const;
    // Sum of those of the ranks before this one.
    std::uint64_t before(std::uint64_t mine) const;
    // [lowest, highest] of everyone's.
    std::array<float, 2> range(float low, float high) const;
    // The range of shifts becomes that of all parts.
    void combineShifts(Projected&) const;
    // What the owner measured holds for all.
    void agree(KnotTable&) const;

    // Deals the spaxels to the ranks. own: stars of this part in each.
    StarMoves moves(const std::vector<std::uint32_t>& own);
    // Ordered stars of this part -> ordered stars, of all parts, of this rank's spaxels; the others' are empty.
    BinnedStars shareSpaxels(Host, BinnedStars&&);
    // After shareSpaxels(), for cotangents: one value for each of the stars that it returned, in their order, goes back to the ranks
    // that had the stars. Returns what comes back here, in the order of the part that was given.
    Buffer<PieceBar> giveBack(Host, const Buffer<PieceBar>& mine) const;
    // Spaxels whose stars this rank has after moves() or shareSpaxels().
    std::vector<std::uint8_t> mine(std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask) const;
    // On the owner, the maps of everyone's spaxels; n: of the field that is padded by pad.
    void collectMaps(std::size_t n, std::size_t pad, MapResult&) const;
    void collectSums(std::size_t n, std::size_t pad, std::vector<SpaxelSums>&) const;
    // Lit spaxels of all, on every rank; this rank's are somewhere in between.
    std::vector<std::uint32_t> collectLit(const std::vector<std::uint32_t>& mine);
    std::uint64_t allLit(std::uint64_t mine) const;                        // after collectLit()
    const std::vector<std::uint64_t>& litOfRanks() const { return lit_; }  // after collectLit()
    // On the owner, the spectra of all lit spaxels; its own are there already. After collectLit().
    void collectSpectra(const float* mine, std::size_t stride, float* out) const;

private:
    struct Rows {
        std::size_t first;
        std::vector<std::uint64_t> counts;  // of every rank
    };
    Rows rowsOf(std::size_t n, std::size_t pad) const;
    std::vector<std::size_t> fieldRows(std::size_t n, std::size_t pad) const;

    const Comm& comm_;
    std::vector<std::size_t> first_;  // [size + 1] spaxels of each rank
    std::vector<std::uint64_t> lit_;  // [size] lit spaxels of each rank
    Buffer<std::uint32_t> each_;      // [rank][my spaxel] stars that came from each rank
};

}  // namespace tessera
