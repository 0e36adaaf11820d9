// A loop of one thread that threads without work of their own may join.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace tessera {

// Waiting for another thread: first without giving up the core.
class Backoff {
public:
    void wait() {
        if (++turns_ > 4096) std::this_thread::yield();
    }

private:
    unsigned turns_ = 0;
};

class SharedLoop {
public:
    // The owner's: body(i) once for each i < count, by whichever thread; on return all are done, and what they wrote is seen.
    template <class Body>
    void run(std::size_t count, Body body) {
        done_.store(0, std::memory_order_relaxed);
        offer_.store(std::uint64_t(count) << 32U, std::memory_order_release);
        take(body);
        for (Backoff b; done_.load(std::memory_order_acquire) < count;) b.wait();
    }
    // Another thread's: as much of the present run() as it gets; false: there was nothing. body sees what the owner wrote before.
    template <class Body>
    bool join(Body body) {
        return isLeft(offer_.load(std::memory_order_relaxed)) && take(body);
    }

private:
    static bool isLeft(std::uint64_t offer) { return (offer & 0xffffffffU) < offer >> 32U; }

    // Whether there was any.
    template <class Body>
    bool take(Body body) {
        std::size_t taken = 0;
        for (;; ++taken) {
            const std::uint64_t offer = offer_.fetch_add(1, std::memory_order_acq_rel);
            if (!isLeft(offer)) break;
            body(std::size_t(offer & 0xffffffffU));
        }
        done_.fetch_add(taken, std::memory_order_acq_rel);
        return taken > 0;
    }

    // Upper half: how many there are, lower half: the next. In one number, so that who takes one late does not take it for one
    // of the next run(); and run() does not end before all that were taken are done.
    std::atomic<std::uint64_t> offer_{0};
    std::atomic<std::size_t> done_{0};
};

}  // namespace tessera
