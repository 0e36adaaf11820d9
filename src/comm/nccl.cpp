// The only file that calls NCCL. Compiled once for each backend that has one.
//
// Communicators do not block: whatever may wait for another rank is asked for until it is done, fails, or the time is over.
// Then the communicator is aborted, which also ends what is left of it in the stream.
#include "comm/nccl.hpp"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include "tessera/core/error.hpp"
#ifdef TESSERA_GPU_CUDA
#include <nccl.h>
#else
#include "comm/nccl_over_mpi.hpp"
#endif

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

#ifndef TESSERA_GPU_CUDA
using namespace nccl_over_mpi;
#endif

namespace {

using Clock = std::chrono::steady_clock;

class Deadline {
public:
    explicit Deadline(double seconds) : seconds_(seconds) {}
    bool over() const { return std::chrono::duration<double>(Clock::now() - start_).count() > seconds_; }
    double seconds() const { return seconds_; }
    // Often at first, then seldom.
    void pause() const {
        constexpr auto soon = std::chrono::milliseconds(1);
        if (Clock::now() - start_ < soon)
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(std::chrono::microseconds(50));
    }

private:
    Clock::time_point start_ = Clock::now();
    double seconds_;
};

}  // namespace

struct NcclCommunicator::State {
    ncclComm_t comm = nullptr;
    int rank = 0, size = 1;

    [[noreturn]] void fail(const char* call, const std::string& why) {
        const ncclComm_t broken = std::exchange(comm, nullptr);
        if (broken) ncclCommAbort(broken);
        throw Error(fmt::format("NCCL: {} on rank {} of {} that share a galaxy: {}", call, rank, size, why));
    }
    [[noreturn]] void fail(const char* call, ncclResult_t r) {
        const char* last = ncclGetLastError(comm);
        const std::string more = last != nullptr && *last != '\0' ? fmt::format(" ({})", last) : std::string();
        fail(call, ncclGetErrorString(r) + more);
    }
    void check(ncclResult_t r, const char* call) {
        if (r != ncclSuccess && r != ncclInProgress) fail(call, r);
    }
    [[noreturn]] void failInTime(const char* call, const Deadline& d) {
        fail(call, fmt::format("another rank did not answer for {} s (resources.exchange_timeout)", d.seconds()));
    }
    // What the communicator itself says.
    bool inProgress(const char* call) {
        ncclResult_t now = ncclSuccess;
        check(ncclCommGetAsyncError(comm, &now), "ncclCommGetAsyncError");
        check(now, call);
        return now == ncclInProgress;
    }
    void settle(ncclResult_t r, const char* call, const Deadline& d) {
        check(r, call);
        while (inProgress(call)) {
            if (d.over()) failInTime(call, d);
            d.pause();
        }
    }
};

NcclCommunicator::NcclCommunicator(const Comm& c, double timeLimit) : state_(std::make_unique<State>()) {
    State& s = *state_;
    s.rank = c.rank();
    s.size = c.size();
    ncclUniqueId id{};
    // Of an error the others hear too: they would wait for this rank.
    int made = int(ncclSuccess);
    if (s.rank == 0) made = int(ncclGetUniqueId(&id));
    c.broadcast(&made, 1);
    s.check(ncclResult_t(made), "ncclGetUniqueId");
    c.broadcast(&id, 1);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const Deadline deadline(timeLimit);
    s.settle(ncclCommInitRankConfig(&s.comm, s.size, id, s.rank, &config), "ncclCommInitRankConfig", deadline);
}

NcclCommunicator::~NcclCommunicator() {
    State& s = *state_;
    if (!s.comm) return;
    // An error takes this rank away from the others: nothing waits for them any more.
    if (std::uncaught_exceptions() == 0) {
        constexpr double patience = 10;  // [s]
        try {
            s.settle(ncclCommFinalize(s.comm), "ncclCommFinalize", Deadline(patience));
        } catch (const Error&) {
            return;  // it is aborted
        }
        ncclCommDestroy(s.comm);
    } else {
        ncclCommAbort(s.comm);
    }
}

void NcclCommunicator::exchange(const Stream& stream, std::span<const Outgoing> out, std::span<const Incoming> in,
                                double timeLimit) {
    State& s = *state_;
    if (!s.comm) throw Error("NCCL: the communicator was aborted after an error");
    const Deadline deadline(timeLimit);
    s.check(ncclGroupStart(), "ncclGroupStart");
    ncclResult_t r = ncclSuccess;
    const auto all = [&](const auto& messages, auto one) {
        for (const auto& m : messages)
            if (r == ncclSuccess || r == ncclInProgress) r = one(m);
    };
    all(out, [&](const Outgoing& m) {
        if (m.rank != s.rank) Comm::countMoved(m.bytes);
        return ncclSend(m.data, m.bytes, ncclUint8, m.rank, s.comm, stream.native());
    });
    all(in, [&](const Incoming& m) { return ncclRecv(m.data, m.bytes, ncclUint8, m.rank, s.comm, stream.native()); });
    const ncclResult_t end = ncclGroupEnd();  // the group must not stay open
    s.check(r, "ncclSend or ncclRecv");
    s.settle(end, "ncclGroupEnd", deadline);
    while (!stream.done()) {
        s.inProgress("ncclSend and ncclRecv");
        if (deadline.over()) s.failInTime("ncclSend and ncclRecv", deadline);
        deadline.pause();
    }
    s.inProgress("ncclSend and ncclRecv");  // aborted work is done too
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
