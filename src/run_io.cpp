#include "run_io.hpp"

#include <omp.h>

#include <chrono>
#include <memory>
#include <utility>

#include "footprint.hpp"

namespace tessera {

RunIo::RunIo(const RunPlan& plan, std::vector<Share> shares, int ranksOnNode, bool strict)
    : shares_(std::move(shares)),
      reader_(plan, shares_, strict),
      overlap_(mayOverlap(plan, ranksOnNode)),
      thread_([this, threads = plan.config.resources.threads] { work(threads); }) {}

RunIo::~RunIo() {
    {
        const std::lock_guard lock(mutex_);
        requests_.clear();
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void RunIo::work(int threads) {
    if (threads > 0) omp_set_num_threads(threads);  // a setting of each thread
    while (true) {
        std::function<void()> request;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return stopping_ || !requests_.empty(); });
            if (requests_.empty()) return;
            request = std::move(requests_.front());
            requests_.pop_front();
        }
        request();
    }
}

template <class Result>
std::future<Result> RunIo::request(std::function<Result()> action) {
    // What the action holds, such as a cube, is gone before the result is there. std::function wants copies, which a
    // packaged task does not give.
    auto task = std::make_shared<std::packaged_task<Result()>>([action = std::move(action)]() mutable {
        const auto once = std::exchange(action, nullptr);
        return once();
    });
    std::future<Result> result = task->get_future();
    {
        const std::lock_guard lock(mutex_);
        requests_.emplace_back([task] { (*task)(); });
    }
    changed_.notify_one();
    return result;
}

std::future<Galaxy> RunIo::requestGalaxy() {
    return request<Galaxy>([this, place = next_++] { return reader_.read(place); });
}

Galaxy RunIo::nextGalaxy() {
    std::future<Galaxy> reading = ahead_.valid() ? std::move(ahead_) : requestGalaxy();
    reading.wait();
    // An error of the galaxy before comes first, as it would without reading ahead.
    while (!behind_.empty() && behind_.front().wait_for(std::chrono::seconds(0)) == std::future_status::ready)
        popBehind();
    Galaxy galaxy = [&] {
        try {
            return reading.get();
        } catch (...) {
            finish();
            throw;
        }
    }();
    if (overlap_ && next_ < shares_.size()) ahead_ = requestGalaxy();
    return galaxy;
}

void RunIo::behind(std::function<void()> write) {
    finish();
    then(std::move(write));
}

void RunIo::then(std::function<void()> write) {
    behind_.push_back(request<void>(std::move(write)));
    if (!overlap_) finish();
}

void RunIo::popBehind() {
    std::future<void> first = std::move(behind_.front());
    behind_.pop_front();
    first.get();
}

void RunIo::finish() {
    while (!behind_.empty()) popBehind();
}

}  // namespace tessera
