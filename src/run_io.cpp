#include "run_io.hpp"

#include <omp.h>

#include <chrono>
#include <memory>
#include <utility>

#include "footprint.hpp"

namespace tessera {

RunIo::RunIo(const RunPlan& plan, Claims& claims, int ranksOnNode, bool strict)
    : plan_(plan),
      claims_(claims),
      strict_(strict),
      overlap_(mayOverlap(plan, ranksOnNode)),
      thread_([this, threads = plan.config.resources.threads] { work(threads); }) {
    expect(claims.together());
}

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

void RunIo::expect(std::vector<Share> shares) {
    if (shares.empty()) return;
    coming_.insert(coming_.end(), shares.begin(), shares.end());
    request<void>([this, shares = std::move(shares)] { reading_ = std::make_shared<Reading>(plan_, shares, strict_); });
}

std::optional<Share> RunIo::next() {
    if (coming_.empty()) expect(claims_.next());
    if (coming_.empty()) return {};
    return coming_.front();
}

std::future<Galaxy> RunIo::requestGalaxy() {
    return request<Galaxy>([this] { return reading_->reader.read(reading_->place++); });
}

Galaxy RunIo::readNext() {
    expects(!coming_.empty(), "next() names a galaxy before it is read");
    std::future<Galaxy> reading = ahead_.valid() ? std::move(ahead_) : requestGalaxy();
    coming_.pop_front();
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
    // What is read ahead no other rank can take: the last galaxies of a slice are not.
    if (overlap_ && coming_.empty() && claims_.left() > 1) expect(claims_.next());
    if (overlap_ && !coming_.empty()) ahead_ = requestGalaxy();
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
