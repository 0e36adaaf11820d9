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
#include <mutex>
#include <thread>

#include "run_galaxy.hpp"
#include "tessera/comm/comm.hpp"

namespace tessera {

class RunIo {
public:
    RunIo(const RunPlan&, const Comm& world);
    ~RunIo();  // what has begun is completed, what has not is dropped
    RunIo(const RunIo&) = delete;
    RunIo& operator=(const RunIo&) = delete;

    // The galaxies that are this rank's, one after the other. Throws what reading or, before it, writing threw.
    Galaxy nextGalaxy();
    // Writes and returns. Throws what it threw.
    void now(std::function<void()> write);
    // Returns when the write before is done, whose error it throws.
    void behind(std::function<void()> write);
    // Returns when all is written.
    void finish();

private:
    template <class Result>
    std::future<Result> request(std::function<Result()>);
    std::future<Galaxy> requestGalaxy();
    void work(int threads);

    const RunPlan& plan_;
    std::size_t place_, stride_;  // of the next galaxy to be read, from one to the next
    bool overlap_;
    std::future<Galaxy> ahead_;
    std::future<void> behind_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> requests_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tessera
