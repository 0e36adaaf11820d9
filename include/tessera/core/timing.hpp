// Wall time by stage, for -v and the benchmarks. Not thread-safe: timers stand around whole stages.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace tessera {

class Timings {
public:
    static Timings& global() {
        static Timings t;
        return t;
    }
    void add(const char* stage, double seconds) {
        for (auto& [name, total] : entries_)
            if (name == stage) {
                total += seconds;
                return;
            }
        entries_.emplace_back(stage, seconds);
    }
    const std::vector<std::pair<std::string, double>>& entries() const { return entries_; }  // in order of first use
    void clear() { entries_.clear(); }

private:
    std::vector<std::pair<std::string, double>> entries_;
};

class StageTimer {
public:
    explicit StageTimer(const char* stage) : stage_(stage) {}
    ~StageTimer() {
        Timings::global().add(stage_, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
    }
    StageTimer(const StageTimer&) = delete;
    StageTimer& operator=(const StageTimer&) = delete;

private:
    const char* stage_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace tessera
