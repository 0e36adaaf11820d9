// Ranges of numbers, one a rank, from which ranks take: each from the front of its own, and from the back of another's
// when its own is used up. No number is taken twice.
//
// A range is a word in memory that the ranks of a node share (MPI_Win_allocate_shared): the rank whose it is goes on
// computing while others take from it. Not between nodes: there MPI's one-sided calls would be needed, which some
// libraries crash in, or carry out only when the other rank calls MPI again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tessera/comm/comm.hpp"

namespace tessera {

class WorkRanges {
public:
    struct Range {
        std::uint32_t first = 0, end = 0;
        std::uint32_t size() const { return end - first; }
    };
    // How many are taken of a range that is not empty: at least one, at most all.
    using HowMany = std::function<std::uint32_t(Range)>;

    // This rank's is [0, count). A call of all ranks, which are on one node.
    WorkRanges(const Comm& node, std::uint32_t count);
    // After close(), a call of all ranks that no longer take. Without it (an error takes the job down) the memory stays.
    ~WorkRanges();
    void close();
    WorkRanges(const WorkRanges&) = delete;
    WorkRanges& operator=(const WorkRanges&) = delete;

    // What is left of each; it may be less the moment after.
    std::vector<Range> left() const;
    Range leftHere() const;

    // Empty where nothing is left.
    Range takeOwn(const HowMany&);
    Range takeFrom(int rank, const HowMany&);

private:
    using Word = std::atomic<std::uint64_t>;
    struct Window;
    Range take(int rank, const HowMany&, bool front);

    Comm node_;
    std::unique_ptr<Window> window_;
    std::vector<Word*> words_;  // of every rank, in the window
};

}  // namespace tessera
