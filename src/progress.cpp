#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tessera {

Progress::Progress(std::size_t total, std::string unit, bool shown)
    : total_(total), unit_(std::move(unit)), shown_(shown && total > 0), terminal_(isatty(STDERR_FILENO) == 1) {}

// Also on the way out of a failure, so that the message begins on a line of its own.
Progress::~Progress() {
    if (lineOpen_) std::fputc('\n', stderr);
}

void Progress::update(std::size_t done) {
    if (!shown_) return;
    const auto now = Clock::now();
    const auto since = [&](Clock::time_point t) { return std::chrono::duration<double>(now - t).count(); };
    const bool last = done >= total_;
    const double share = double(done - printedDone_) / double(total_);
    const bool due = terminal_ ? since(printed_) >= 0.1 : share >= 0.05 || since(printed_) >= 30;
    if (!due && !last) return;
    draw(done, since(start_));
    lineOpen_ = terminal_;
    printed_ = now;
    printedDone_ = done;
}

void Progress::draw(std::size_t done, double seconds) const {
    const double rate = seconds > 0 ? double(done) / seconds : 0;
    const double left = rate > 0 ? double(total_ - std::min(done, total_)) / rate : 0;
    const std::string text =
        fmt::format("{}/{} {}  {:.3g}/s  ETA {}", done, total_, unit_, rate, done > 0 ? durationText(left) : "-");
    if (terminal_) {
        constexpr std::size_t width = 30;
        const std::size_t full = width * std::min(done, total_) / total_;
        fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {}\033[K", "", full, "", width - full, text);
    } else {
        fmt::print(stderr, "tessera: {:3.0f} %  {}\n", 100.0 * double(done) / double(total_), text);
    }
    std::fflush(stderr);
}

std::string durationText(double seconds) {
    const auto s = static_cast<long long>(std::min(seconds, 1e12) + 0.5);
    if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
    return fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string bytesText(double bytes) {
    const char* const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    std::size_t u = 0;
    for (; bytes >= 999.5 && u + 1 < std::size(units); ++u) bytes /= 1000;
    return fmt::format("{:.3g} {}", bytes, units[u]);
}

}  // namespace tessera
