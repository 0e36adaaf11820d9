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

    // To be asked between pieces of work. The same answer on every rank: whether any of them received a signal, or one
    // more piece as long as the longest so far would take longer than there is time. A call of every rank.
    bool asked(const Comm&);
    const std::string& reason() const { return reason_; }  // "SIGTERM", "--max-time"; the same on every rank

private:
    double maxSeconds_;
    Clock::time_point begin_, last_;
    bool first_ = true;
    double longest_ = 0;  // [s] between two calls of asked()
    std::string reason_;
};

}  // namespace tessera
