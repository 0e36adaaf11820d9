#include "comm/work_ranges.hpp"

#include <mpi.h>

#include <new>

#include "comm/mpi_check.hpp"

namespace tessera {

namespace {

using Range = WorkRanges::Range;

std::uint64_t packed(Range r) {
    return std::uint64_t(r.first) << 32 | r.end;
}
Range unpacked(std::uint64_t word) {
    return {std::uint32_t(word >> 32), std::uint32_t(word)};
}

}  // namespace

struct WorkRanges::Window {
    MPI_Win window = MPI_WIN_NULL;
    Word alone;  // where there is one rank only
};

WorkRanges::WorkRanges(const Comm& node, std::uint32_t count) : node_(node), window_(std::make_unique<Window>()) {
    static_assert(Word::is_always_lock_free, "a word that processes share");
    if (node_.size() == 1) {
        window_->alone = packed({0, count});
        words_.push_back(&window_->alone);
        return;
    }
    void* mine = nullptr;
    const MPI_Comm all = *static_cast<const MPI_Comm*>(node_.handle().communicator);
    checkMpi(MPI_Win_allocate_shared(sizeof(Word), sizeof(Word), MPI_INFO_NULL, all, &mine, &window_->window),
             "MPI_Win_allocate_shared");
    new (mine) Word(packed({0, count}));
    for (int r = 0; r < node_.size(); ++r) {
        MPI_Aint bytes = 0;
        int unit = 0;
        void* theirs = nullptr;
        checkMpi(MPI_Win_shared_query(window_->window, r, &bytes, &unit, &theirs), "MPI_Win_shared_query");
        words_.push_back(static_cast<Word*>(theirs));
    }
    node_.barrier();  // nobody takes from a range that is not there yet
}

WorkRanges::~WorkRanges() = default;

void WorkRanges::close() {
    if (window_->window != MPI_WIN_NULL) checkMpi(MPI_Win_free(&window_->window), "MPI_Win_free");
}

std::vector<Range> WorkRanges::left() const {
    std::vector<Range> ranges;
    for (const Word* word : words_) ranges.push_back(unpacked(*word));
    return ranges;
}

Range WorkRanges::leftHere() const {
    return unpacked(*words_[std::size_t(node_.rank())]);
}

Range WorkRanges::takeOwn(const HowMany& howMany) {
    return take(node_.rank(), howMany, true);
}

Range WorkRanges::takeFrom(int rank, const HowMany& howMany) {
    return take(rank, howMany, false);
}

Range WorkRanges::take(int rank, const HowMany& howMany, bool front) {
    Word& word = *words_.at(std::size_t(rank));
    std::uint64_t now = word;
    while (true) {
        const Range all = unpacked(now);
        if (all.size() == 0) return all;
        const std::uint32_t n = howMany(all);
        expects(n >= 1 && n <= all.size(), "at least one, at most all of what is left");
        const Range taken = front ? Range{all.first, all.first + n} : Range{all.end - n, all.end};
        const Range rest = front ? Range{all.first + n, all.end} : Range{all.first, all.end - n};
        if (word.compare_exchange_weak(now, packed(rest))) return taken;  // else somebody was faster
    }
}

}  // namespace tessera
