// Ranks take every number once, from their own range first, and a rank that is slow loses what it has not begun.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <vector>

#include "comm/work_ranges.hpp"
#include "temporary.hpp"
#include "tessera/comm/comm.hpp"

using namespace tessera;

namespace {

using Range = WorkRanges::Range;

std::uint32_t one(Range) {
    return 1;
}

struct Taken {
    int owner;
    std::uint32_t number;
};

// Takes until nothing is left anywhere: own ones, then those of the rank that has most.
std::vector<Taken> takeAll(WorkRanges& ranges, const Comm& comm, const WorkRanges::HowMany& howMany,
                           int pauseMicroseconds) {
    std::vector<Taken> taken;
    const auto note = [&](int owner, Range r) {
        for (std::uint32_t i = r.first; i < r.end; ++i) taken.push_back({owner, i});
        if (pauseMicroseconds > 0) usleep(useconds_t(pauseMicroseconds) * r.size());
    };
    while (true) {
        const Range own = ranges.takeOwn(howMany);
        if (own.size() == 0) break;
        note(comm.rank(), own);
    }
    while (true) {
        const auto left = ranges.left();
        int most = 0;
        for (int r = 1; r < comm.size(); ++r)
            if (left[std::size_t(r)].size() > left[std::size_t(most)].size()) most = r;
        if (left[std::size_t(most)].size() == 0) return taken;
        note(most, ranges.takeFrom(most, howMany));
    }
}

std::vector<Taken> everyones(const Comm& comm, const std::vector<Taken>& mine) {
    return comm.gatherAll(std::span<const Taken>(mine));
}

}  // namespace

TEST_CASE("every number is taken once, whoever is slow", "[ranks]") {
    const Comm world = Comm::world();
    const auto quarter = [](Range r) { return std::max(1U, r.size() / 4); };
    for (const int slow : {-1, 0, world.size() - 1})
        for (const auto& howMany : {WorkRanges::HowMany(one), WorkRanges::HowMany(quarter)}) {
            const auto countOf = [](int rank) { return std::uint32_t(rank % 3 == 2 ? 0 : 40 + 7 * rank); };
            WorkRanges ranges(world.onNode(), countOf(world.rank()));
            CHECK(ranges.leftHere().size() <= countOf(world.rank()));
            const std::vector<Taken> mine = takeAll(ranges, world, howMany, world.rank() == slow ? 2000 : 0);
            ranges.close();
            std::vector<std::vector<int>> times;
            for (int r = 0; r < world.size(); ++r) times.emplace_back(countOf(r), 0);
            for (const Taken& t : everyones(world, mine)) ++times.at(std::size_t(t.owner)).at(t.number);
            for (const auto& ofRank : times) CHECK(ofRank == std::vector<int>(ofRank.size(), 1));
        }
}

TEST_CASE("own numbers come from the front, others' from the back", "[ranks]") {
    const Comm world = Comm::world();
    WorkRanges ranges(world.onNode(), 10);
    world.barrier();
    if (world.rank() == 0) {
        const Range own = ranges.takeOwn([](Range) { return 3U; });
        CHECK(own.first == 0);
        CHECK(own.end == 3);
        CHECK(ranges.leftHere().first == 3);
        const int other = world.size() - 1;
        const Range others = ranges.takeFrom(other, [](Range) { return 2U; });
        CHECK(others.first == 8);
        CHECK(others.end == 10);
        CHECK(ranges.left()[std::size_t(other)].end == 8);
    }
    world.barrier();
    if (world.size() > 1 && world.rank() == world.size() - 1) CHECK(ranges.leftHere().size() == 8);
    ranges.close();
}

TEST_CASE("what a busy rank has not begun is done by others", "[ranks]") {
    const Comm world = Comm::world();
    if (world.size() == 1) return;
    const test::TemporaryDirectory folder;  // rank 0's is everyone's
    const std::filesystem::path done = world.broadcast(folder.path().string()) + "/done";
    WorkRanges ranges(world.onNode(), 100);
    std::vector<Taken> mine;
    if (world.rank() == 0) mine.push_back({0, ranges.takeOwn(one).first});
    world.barrier();
    if (world.rank() == 0) {
        // Busy: no call of MPI, until the others are through.
        for (int i = 0; i < 3000 && !std::filesystem::exists(done); ++i) usleep(10000);
        CHECK(ranges.leftHere().size() == 0);
    } else {
        mine = takeAll(ranges, world, one, 0);
    }
    if (world.rank() == 1) std::ofstream(done) << "x";
    ranges.close();
    std::uint64_t helped = 0;
    if (world.rank() != 0)
        for (const Taken& t : mine) helped += t.owner == 0;
    world.sum(&helped, 1);
    CHECK(helped == 99);
}
