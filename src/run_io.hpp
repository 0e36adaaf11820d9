// Reading ahead and writing behind: while a galaxy is observed, the next is read and the last cube written.
//
// HDF5 is not for several threads: from its construction to finish() all calls of it are made by one thread of this
// object's, in the order of the requests. At most one galaxy is read ahead and one cube waits or is being written; where
// memory does not suffice for them (resources.memory_per_rank), everything is done in turns.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "claims.hpp"
#include "run_galaxy.hpp"

namespace tessera {

class RunIo {
public:
    // Reads what the claims give. strict: what cannot be read is an error; else it comes without stars and says why.
    RunIo(const RunPlan&, Claims&, int ranksOnNode, bool strict);
    ~RunIo();  // what has begun is completed, what has not is dropped
    RunIo(const RunIo&) = delete;
    RunIo& operator=(const RunIo&) = delete;

    // Which galaxy is next; none where there are no more. Of those that ranks share, all that share one have the same next.
    std::optional<Share> next();
    // The stars of the one that next() named. Throws what reading or, before it, writing threw.
    Galaxy readNext();
    void leaveNext() { coming_.pop_front(); }  // unread, as all after it will be
    // Galaxies that this rank still has before it, unless others take them.
    std::size_t left() const { return coming_.size() + claims_.left(); }
    // Returns when the writes before are done, whose error it throws.
    void behind(std::function<void()> write);
    // Returns at once; for what needs no memory to speak of.
    void then(std::function<void()> write);
    // Returns when all is written.
    void finish();

private:
    template <class Result>
    std::future<Result> request(std::function<Result()>);
    void expect(std::vector<Share>);
    std::future<Galaxy> requestGalaxy();
    void popBehind();
    void work(int threads);

    // Shares that are read one after the other; used by the thread.
    struct Reading {
        Reading(const RunPlan& plan, std::vector<Share> all, bool strict)
            : shares(std::move(all)), reader(plan, shares, strict) {}
        std::vector<Share> shares;
        GalaxyReader reader;
        std::size_t place = 0;
    };

    const RunPlan& plan_;
    Claims& claims_;
    bool strict_, overlap_;
    std::deque<Share> coming_;  // claimed; the first is read ahead or is next
    std::shared_ptr<Reading> reading_;
    std::future<Galaxy> ahead_;
    std::deque<std::future<void>> behind_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> requests_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tessera
