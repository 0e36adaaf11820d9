#include "stop.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>

namespace tessera {

namespace {

struct Signal {
    int number;
    const char* name;
};
constexpr std::array<Signal, 3> signals{{{SIGTERM, "SIGTERM"}, {SIGUSR1, "SIGUSR1"}, {SIGINT, "SIGINT"}}};

std::array<volatile std::sig_atomic_t, signals.size()> received{};
std::array<struct sigaction, signals.size()> before;

extern "C" void tesseraStopHandler(int number) {
    for (std::size_t i = 0; i < signals.size(); ++i)
        if (signals[i].number == number) received[i] = 1;
}

}  // namespace

StopRequest::StopRequest(Clock::time_point begin, double maxSeconds)
    : maxSeconds_(maxSeconds), begin_(begin), last_(begin) {
    for (std::size_t i = 0; i < signals.size(); ++i) {
        received[i] = 0;
        struct sigaction action {};
        action.sa_handler = tesseraStopHandler;
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART | (signals[i].number == SIGINT ? int(SA_RESETHAND) : 0);
        sigaction(signals[i].number, &action, &before[i]);
    }
}

StopRequest::~StopRequest() {
    for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i].number, &before[i], nullptr);
}

bool StopRequest::asked() {
    const Clock::time_point now = Clock::now();
    // What comes before the first call is preparation, of another length than the pieces.
    if (!first_) longest_ = std::max(longest_, std::chrono::duration<double>(now - last_).count());
    first_ = false;
    last_ = now;
    const double elapsed = std::chrono::duration<double>(now - begin_).count();
    overTime_ = overTime_ || (maxSeconds_ > 0 && elapsed + longest_ > maxSeconds_);
    return overTime_ || std::any_of(received.begin(), received.end(), [](auto flag) { return flag != 0; });
}

std::string StopRequest::reason(const Comm& world) const {
    std::array<std::uint64_t, signals.size() + 1> ranks{};  // that have this reason
    for (std::size_t i = 0; i < signals.size(); ++i) ranks[i] = received[i] != 0;
    ranks.back() = overTime_;
    world.sum(ranks.data(), ranks.size());
    for (std::size_t i = 0; i < signals.size(); ++i)
        if (ranks[i] > 0) return signals[i].name;
    return ranks.back() > 0 ? "--max-time" : "";
}

}  // namespace tessera
