// Progress on standard error: a bar with rate and time left on a terminal, else a line every 30 s or 5 %.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace tessera {

class Progress {
public:
    Progress(std::size_t total, std::string unit, bool shown);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    void update(std::size_t done);

private:
    using Clock = std::chrono::steady_clock;
    void draw(std::size_t done, double seconds) const;

    std::size_t total_, printedDone_ = 0;
    std::string unit_;
    bool shown_, terminal_, lineOpen_ = false;
    Clock::time_point start_ = Clock::now(), printed_ = start_;
};

// "0:07", "12:34", "3:07:12".
std::string durationText(double seconds);
// "149 MB", in powers of ten.
std::string bytesText(double bytes);

}  // namespace tessera
