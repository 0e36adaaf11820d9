// Device memory between ranks, and the rules of NCCL: each is broken once, and the simulated devices' NCCL must say so.
#include <mpi.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "comm/nccl_over_mpi.hpp"
#include "support.hpp"
#include "tessera/comm/exchange.hpp"

using namespace tessera;
using namespace tessera::gpu;
using namespace tessera::gpu::nccl_over_mpi;

namespace {

const Comm& world() {
    static const Comm comm = Comm::world();
    return comm;
}
int rank() {
    return world().rank();
}
int size() {
    return world().size();
}

std::vector<float> numbers(std::size_t n, int seed) {
    std::vector<float> v(n);
    for (std::size_t i = 0; i < n; ++i) v[i] = float(seed) + 0.25F * float(i);
    return v;
}
std::vector<float> onHost(const Stream& s, const DeviceBuffer<float>& b) {
    std::vector<float> v(b.size());
    b.download(v.data());
    s.synchronize();
    return v;
}

// What the communicator says in the end.
ncclResult_t settled(ncclComm_t c) {
    ncclResult_t r = ncclInProgress;
    while (r == ncclInProgress)
        if (const ncclResult_t call = ncclCommGetAsyncError(c, &r); call != ncclSuccess) return call;
    return r;
}

struct Joined {
    ncclComm_t comm = nullptr;
    // Ranks say that they are `as` of `among`.
    explicit Joined(int as = rank(), int among = size()) {
        chooseDevice(nodeRank());
        ncclUniqueId id{};
        if (rank() == 0) ncclGetUniqueId(&id);
        world().broadcast(&id, 1);
        ncclConfig_t config{0};
        REQUIRE(ncclCommInitRankConfig(&comm, among, id, as, &config) == ncclInProgress);
    }
};
struct Ready : Joined {
    Ready() { REQUIRE(settled(comm) == ncclSuccess); }
    ~Ready() {
        ncclCommAbort(comm);
        world().barrier();
    }
};

bool says(ncclComm_t c, const char* what) {
    const char* said = ncclGetLastError(c);
    INFO("said: " << said);
    const bool found = std::strstr(said, what) != nullptr;
    CHECK(found);
    return found;
}

}  // namespace

TEST_CASE("everyone sends to everyone", "[nccl]") {
    chooseDevice(nodeRank());
    const Comm own = Comm::world();
    for (const auto& [way, pinned] : {std::pair(ExchangeWay::nccl, 0), std::pair(ExchangeWay::mpi, 1 << 20),
                                      std::pair(ExchangeWay::mpi, 1 << 10)}) {
        mostLocked() = 0;
        const Exchange exchange(own, way, 60, std::size_t(pinned));
        CHECK(exchange.direct() == (way == ExchangeWay::nccl));
        for (const std::size_t n : {std::size_t(1), std::size_t(33), std::size_t(200000)}) {
            // From rank a to rank b: n + a numbers that begin with 100 a + b.
            const Stream s;
            std::vector<float> from;
            for (int to = 0; to < size(); ++to)
                for (const float v : numbers(n + std::size_t(rank()), 100 * rank() + to)) from.push_back(v);
            std::size_t all = 0;
            for (int r = 0; r < size(); ++r) all += n + std::size_t(r);
            DeviceBuffer<float> send(from.size(), s), receive(all, s);
            send.upload(from.data());
            std::vector<Outgoing> out;
            std::vector<Incoming> in;
            std::size_t at = 0, to = 0;
            for (int r = 0; r < size(); ++r) {
                out.push_back(outgoing(send, at, n + std::size_t(rank()), r));
                in.push_back(incoming(receive, to, n + std::size_t(r), r));
                at += n + std::size_t(rank());
                to += n + std::size_t(r);
            }
            exchange(s, out, in);
            std::vector<float> expected;
            for (int r = 0; r < size(); ++r)
                for (const float v : numbers(n + std::size_t(r), 100 * r + rank())) expected.push_back(v);
            CHECK(onHost(s, receive) == expected);
        }
        // Only the first has something, for the last.
        const Stream s;
        DeviceBuffer<float> b(7, s);
        const auto seven = numbers(7, 3);
        b.upload(seven.data());
        std::vector<Outgoing> out;
        std::vector<Incoming> in;
        if (rank() == 0) out.push_back(outgoing(b, 2, 5, size() - 1));
        if (rank() == size() - 1 && rank() != 0) in.push_back(incoming(b, 0, 5, 0));
        if (size() == 1) out.clear();
        exchange(s, out, in);
        if (size() > 1 && rank() == size() - 1) CHECK(onHost(s, b)[0] == 3.5F);
        // Not more than may be, which is enough for the small messages.
        CHECK(mostLocked() <= std::size_t(pinned));
        CHECK((mostLocked() > 0) == (way == ExchangeWay::mpi));
        CHECK(locked() == 0);
    }
}

TEST_CASE("one communicator for a Comm", "[nccl]") {
    chooseDevice(nodeRank());
    const Stream s;
    const std::size_t before = liveCommunicators();
    {
        const Comm own = Comm::world();
        for (int i = 0; i < 3; ++i) Exchange(own, ExchangeWay::nccl, 60, 0)(s, {}, {});
        CHECK(liveCommunicators() == before + 1);
        if (size() > 2 && rank() < 2)
            for (int i = 0; i < 2; ++i) {
                const Comm two = own.range(0, 1);
                Exchange(two, ExchangeWay::nccl, 60, 0)(s, {}, {});
                CHECK(liveCommunicators() == before + 2);
            }
    }
    CHECK(liveCommunicators() == before);
}

TEST_CASE("a rank that does not come is an error, not a hang", "[nccl]") {
    if (size() == 1) return;
    chooseDevice(nodeRank());
    const Comm own = Comm::world();
    const Exchange exchange(own, ExchangeWay::nccl, 0.3, 0);
    const Stream s;
    DeviceBuffer<float> b(100, s);
    exchange(s, {}, {});  // the communicator is made
    const std::size_t before = liveCommunicators();
    const std::vector<Incoming> in{incoming(b, 0, 100, 1)};
    if (rank() == 0) {
        CHECK_THROWS_WITH(exchange(s, {}, in), Catch::Contains("rank 0 of") && Catch::Contains("did not answer") &&
                                                   Catch::Contains("exchange_timeout"));
        CHECK(liveCommunicators() == before - 1);
        s.synchronize();  // nothing hangs behind it
        CHECK_THROWS_WITH(exchange(s, {}, in), Catch::Contains("was aborted"));
    }
    own.barrier();
}

TEST_CASE("a rank that does not join is an error, not a hang", "[nccl]") {
    if (size() == 1) return;
    chooseDevice(nodeRank());
    const Comm own = Comm::world();
    const std::size_t before = liveCommunicators();
    const Exchange exchange(own, ExchangeWay::nccl, 0.2, 0);
    const Stream s;
    if (rank() == 0) {
        // The others only hear of the id.
        CHECK_THROWS_WITH(exchange(s, {}, {}), Catch::Contains("ncclCommInitRankConfig"));
        CHECK(liveCommunicators() == before);
    } else {
        int made = 0;
        ncclUniqueId id{};
        own.broadcast(&made, 1);
        own.broadcast(&id, 1);
    }
    own.barrier();
}

TEST_CASE("messages run when their stream runs", "[nccl]") {
    const Ready c;
    const Stream s;
    const int next = (rank() + 1) % size(), last = (rank() + size() - 1) % size();
    std::vector<float> one = numbers(50, rank()), two = numbers(50, 1000 + rank()), seen(50);
    DeviceBuffer<float> from(50, s), to(50, s);
    from.upload(one.data());
    ncclGroupStart();
    CHECK(ncclSend(from.data(), 50, ncclFloat32, next, c.comm, s.native()) == ncclSuccess);
    CHECK(ncclRecv(to.data(), 50, ncclFloat32, last, c.comm, s.native()) == ncclSuccess);
    CHECK(ncclGroupEnd() == ncclSuccess);
    // Behind it in the stream; what was asked for first is sent.
    to.download(seen.data());
    from.upload(two.data());
    // Another stream does not wait for it.
    const Stream other;
    DeviceBuffer<float> copy(50, other);
    std::vector<float> early(50, 0.0F);
    download(other, early.data(), to.data(), 50 * sizeof(float));
    other.synchronize();
    CHECK(std::isnan(early[0]));
    s.synchronize();
    CHECK(seen == numbers(50, last));
    CHECK(settled(c.comm) == ncclSuccess);
}

TEST_CASE("calls that break a rule are refused", "[nccl]") {
    const Ready c;
    const Stream s, other;
    DeviceBuffer<float> b(100, s), d(100, s);
    float onTheHost[4] = {};
    const auto send = [&](const void* p, std::size_t n, int to) {
        return ncclSend(p, n, ncclFloat32, to, c.comm, s.native());
    };
    SECTION("end of a group that was not begun") {
        CHECK(ncclGroupEnd() == ncclInvalidUsage);
        says(nullptr, "without ncclGroupStart");
    }
    SECTION("memory of the host") {
        CHECK(send(onTheHost, 4, 0) == ncclInvalidArgument);
        says(c.comm, "one buffer of the device");
    }
    SECTION("past the end of a buffer, which ends the group") {
        ncclGroupStart();
        CHECK(send(b.data() + 50, 51, 0) == ncclInvalidArgument);
        CHECK(send(b.data() + 50, 50, 0) == ncclSuccess);
        CHECK(ncclGroupEnd() == ncclInvalidArgument);
        s.synchronize();  // nothing of it was done
    }
    SECTION("a rank that is not there") {
        CHECK(send(b.data(), 1, size()) == ncclInvalidArgument);
        CHECK(send(b.data(), 1, -1) == ncclInvalidArgument);
    }
    SECTION("two streams in one group") {
        ncclGroupStart();
        send(b.data(), 1, 0);
        ncclRecv(d.data(), 1, ncclFloat32, 0, c.comm, other.native());
        CHECK(ncclGroupEnd() == ncclInvalidUsage);
        says(c.comm, "two streams");
    }
    SECTION("messages that overlap") {
        ncclGroupStart();
        send(b.data(), 60, 0);
        ncclRecv(b.data() + 59, 10, ncclFloat32, 0, c.comm, s.native());
        CHECK(ncclGroupEnd() == ncclInvalidUsage);
        says(c.comm, "overlaps");
    }
    SECTION("an error asked for inside a group") {
        ncclResult_t r = ncclSuccess;
        ncclGroupStart();
        CHECK(ncclCommGetAsyncError(c.comm, &r) == ncclInvalidUsage);
        ncclGroupEnd();
    }
    SECTION("destroyed while messages are under way, or not finalized") {
        CHECK(ncclCommDestroy(c.comm) == ncclInvalidUsage);
        ncclGroupStart();
        send(b.data(), 1, rank());
        ncclRecv(d.data(), 1, ncclFloat32, rank(), c.comm, s.native());
        CHECK(ncclGroupEnd() == ncclSuccess);
        CHECK(ncclCommFinalize(c.comm) == ncclInvalidUsage);
        s.synchronize();
        CHECK(ncclCommFinalize(c.comm) == ncclSuccess);
        CHECK(send(b.data(), 1, 0) == ncclInvalidUsage);
    }
}

TEST_CASE("what a rank cannot know by itself is an error behind it", "[nccl]") {
    const Ready c;
    const Stream s;
    DeviceBuffer<float> b(100, s), d(100, s);
    const int other = (rank() + 1) % size();
    SECTION("memory that is freed before the stream comes to it") {
        {
            const Stream brief;
            const DeviceBuffer<float> gone(10, brief);
            CHECK(ncclSend(gone.data(), 10, ncclFloat32, rank(), c.comm, s.native()) == ncclSuccess);
        }
        s.synchronize();
        CHECK(settled(c.comm) == ncclInvalidUsage);
        says(c.comm, "was freed before");
    }
    if (size() != 2) return;
    const auto swap = [&](std::size_t sent, std::size_t received, ncclDataType_t type) {
        ncclGroupStart();
        ncclSend(b.data(), sent, type, other, c.comm, s.native());
        ncclRecv(d.data(), received, ncclFloat32, other, c.comm, s.native());
        CHECK(ncclGroupEnd() == ncclSuccess);
        s.synchronize();
    };
    SECTION("counts that differ") {
        swap(rank() == 0 ? 10 : 20, 20, ncclFloat32);
        CHECK(settled(c.comm) == (rank() == 0 ? ncclSuccess : ncclInvalidUsage));
        if (rank() == 1) says(c.comm, "receives 20 elements from rank 0 of type 7, but 10");
    }
    SECTION("types that differ") {
        swap(20, 20, rank() == 0 ? ncclInt8 : ncclFloat32);
        if (rank() == 1) CHECK(settled(c.comm) == ncclInvalidUsage);
    }
    SECTION("messages in another order: one group here, two there") {
        if (rank() == 0) {
            ncclGroupStart();
            ncclSend(b.data(), 10, ncclFloat32, 1, c.comm, s.native());
            ncclSend(b.data(), 10, ncclFloat32, 1, c.comm, s.native());
            ncclGroupEnd();
        } else {
            ncclRecv(d.data(), 10, ncclFloat32, 0, c.comm, s.native());
            ncclRecv(d.data() + 10, 10, ncclFloat32, 0, c.comm, s.native());
        }
        s.synchronize();
        CHECK(settled(c.comm) == (rank() == 0 ? ncclSuccess : ncclInvalidUsage));
        if (rank() == 1) says(c.comm, "not the same order");
        if (rank() == 1) CHECK(ncclSend(b.data(), 1, ncclFloat32, 0, c.comm, s.native()) == ncclInvalidUsage);
    }
    SECTION("two that each wait for the other's message before they send: nothing moves until they abort") {
        ncclRecv(d.data(), 10, ncclFloat32, other, c.comm, s.native());
        ncclSend(b.data(), 10, ncclFloat32, other, c.comm, s.native());
        for (int i = 0; i < 1000; ++i) CHECK_FALSE(s.done());
        ncclCommAbort(c.comm);
        CHECK(s.done());
    }
}

TEST_CASE("communicators that are not ready, or no more", "[nccl]") {
    const Stream s;
    const DeviceBuffer<float> b(10, s);
    ncclResult_t r = ncclSuccess;
    SECTION("used too early") {
        const Joined c;
        CHECK(ncclSend(b.data(), 1, ncclFloat32, 0, c.comm, s.native()) == ncclInvalidUsage);
        says(c.comm, "not ready");
        CHECK(settled(c.comm) == ncclSuccess);
        ncclCommAbort(c.comm);
    }
    SECTION("used behind an abort") {
        const Ready c;
        CHECK(ncclCommAbort(c.comm) == ncclSuccess);
        CHECK(ncclSend(b.data(), 1, ncclFloat32, 0, c.comm, s.native()) == ncclInvalidArgument);
        CHECK(ncclCommGetAsyncError(c.comm, &r) == ncclInvalidArgument);
        CHECK(ncclCommAbort(c.comm) == ncclInvalidArgument);
        says(c.comm, "aborted or destroyed");
    }
    SECTION("that block") {
        ncclUniqueId id{};
        ncclComm_t none = nullptr;
        ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
        ncclGetUniqueId(&id);
        CHECK(ncclCommInitRankConfig(&none, size(), id, rank(), &config) == ncclInvalidUsage);
    }
    if (size() == 2) {
        SECTION("of ranks that do not agree on their number") {
            const Joined c(rank(), rank() == 0 ? 2 : 3);
            CHECK(settled(c.comm) == ncclInvalidUsage);
            says(c.comm, "asks for 3 ranks");
            ncclCommAbort(c.comm);
        }
        SECTION("of two ranks of one number") {
            const Joined c(0, 2);
            CHECK(settled(c.comm) == ncclInvalidUsage);
            ncclCommAbort(c.comm);
        }
        SECTION("of two ranks on one device") {
            setenv("TESSERA_SIMT_DEVICES", "1", 1);
            const Joined c;
            unsetenv("TESSERA_SIMT_DEVICES");
            CHECK(settled(c.comm) == ncclInvalidUsage);
            says(c.comm, "on one device");
            ncclCommAbort(c.comm);
        }
    }
    world().barrier();
}
