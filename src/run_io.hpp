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
#include <vector>

#include "run_galaxy.hpp"

namespace tessera {

class RunIo {
public:
    // Reads these shares. strict: what cannot be read is an error; else it comes without stars and says why.
    RunIo(const RunPlan&, std::vector<Share>, int ranksOnNode, bool strict);
    ~RunIo();  // what has begun is completed, what has not is dropped
    RunIo(const RunIo&) = delete;
    RunIo& operator=(const RunIo&) = delete;

    // The galaxies one after the other. Throws what reading or, before it, writing threw.
    Galaxy nextGalaxy();
    // Returns when the writes before are done, whose error it throws.
    void behind(std::function<void()> write);
    // Returns at once; for what needs no memory to speak of.
    void then(std::function<void()> write);
    // Returns when all is written.
    void finish();

private:
    template <class Result>
    std::future<Result> request(std::function<Result()>);
    std::future<Galaxy> requestGalaxy();
    void popBehind();
    void work(int threads);

    std::vector<Share> shares_;
    std::size_t next_ = 0;  // of shares_, to be read
    GalaxyReader reader_;   // used by the thread
    bool overlap_;
    std::future<Galaxy> ahead_;
    std::deque<std::future<void>> behind_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> requests_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tessera
