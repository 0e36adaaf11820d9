// When a run is to end early: on SIGTERM, SIGUSR1 or SIGINT, or because its time is nearly over.
#pragma once

#include <chrono>
#include <string>

#include "tessera/comm/comm.hpp"

namespace tessera {

// Catches the signals from its construction to its destruction; a second SIGINT ends the process at once. One object at
// a time.
class StopRequest {
public:
    using Clock = std::chrono::steady_clock;

    // maxSeconds from `begin` on; 0: no limit.
    StopRequest(Clock::time_point begin, double maxSeconds);
    ~StopRequest();
    StopRequest(const StopRequest&) = delete;
    StopRequest& operator=(const StopRequest&) = delete;

    // To be asked between pieces of work: whether this rank received a signal, or one more piece as long as the longest
    // so far would take longer than there is time.
    bool asked();
    // The first reason of any rank, "SIGTERM" or "--max-time"; empty: none had one. A call of every rank, at the end of
    // its work.
    std::string reason(const Comm&) const;

private:
    double maxSeconds_;
    Clock::time_point begin_, last_;
    bool first_ = true;
    double longest_ = 0;  // [s] between two calls of asked()
    bool overTime_ = false;
};

}  // namespace tessera
