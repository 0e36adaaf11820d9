// Compiled once for each backend.
#include "tessera/comm/exchange.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <string>
#include <vector>

#include "tessera/core/error.hpp"
#include "tessera/core/memory.hpp"
#ifdef TESSERA_HAS_NCCL
#include "comm/nccl.hpp"
#endif

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

// Two ranks on one device; none: -1. Found once for a communicator.
struct Sharing {
    int a = -1, b = -1;
    std::string device;
};

std::unique_ptr<Sharing> findSharing(const Comm& comm) {
    std::vector<char> name(HOST_NAME_MAX + 1, '\0');
    gethostname(name.data(), name.size() - 1);
    const std::string mine = fmt::format("{} of {}\n", deviceName(), name.data());
    const std::vector<char> all = comm.gatherAll(std::span<const char>(mine));
    auto sharing = std::make_unique<Sharing>();
    std::map<std::string, int> seen;
    std::string device;
    int rank = 0;
    for (const char c : all) {
        if (c != '\n') {
            device += c;
            continue;
        }
        const auto [known, fresh] = seen.emplace(device, rank);
        if (!fresh && sharing->a < 0) *sharing = {known->second, rank, device};
        device.clear();
        ++rank;
    }
    return sharing;
}

void throughHosts(const Comm& comm, const Stream& stream, std::size_t pinnedMemory, std::span<const Outgoing> out,
                  std::span<const Incoming> in) {
    std::size_t bytes = 0;
    for (const Outgoing& m : out) bytes += m.bytes;
    for (const Incoming& m : in) bytes += m.bytes;
    PinnedBuffer<std::byte> pinned;
    Buffer<std::byte> ordinary;
    if (const std::size_t used = locked(); used <= pinnedMemory && bytes <= pinnedMemory - used)
        pinned = PinnedBuffer<std::byte>(bytes);
    else
        ordinary = Buffer<std::byte>(bytes);
    std::byte* room = pinned.size() > 0 ? pinned.data() : ordinary.data();
    std::vector<Comm::Message> send, receive;
    for (const Outgoing& m : out) {
        send.push_back({room, m.bytes, m.rank});
        download(stream, room, m.data, m.bytes);
        room += m.bytes;
    }
    for (const Incoming& m : in) {
        receive.push_back({room, m.bytes, m.rank});
        room += m.bytes;
    }
    stream.synchronize();
    comm.transfer(send, receive);
    for (std::size_t i = 0; i < in.size(); ++i) upload(stream, in[i].data, receive[i].data, in[i].bytes);
    stream.synchronize();
}

}  // namespace

Exchange::Exchange(const Comm& comm, ExchangeWay way, double timeLimit, std::size_t pinnedMemory)
    : comm_(comm), timeLimit_(timeLimit), pinnedMemory_(pinnedMemory) {
    if (way == ExchangeWay::mpi) return;
#ifdef TESSERA_HAS_NCCL
    const Sharing& sharing = comm.kept<Sharing>([&] { return findSharing(comm); });
    direct_ = sharing.a < 0;
    if (!direct_ && way == ExchangeWay::nccl)
        throw Error(
            fmt::format("resources.exchange nccl: ranks {} and {} of those that share a galaxy have the same "
                        "device ({}), which NCCL does not allow; give each rank a GPU, or use auto or mpi",
                        sharing.a, sharing.b, sharing.device));
#else
    if (way == ExchangeWay::nccl) throw NotCompiled("resources.exchange nccl: this build was made without NCCL");
#endif
}

void Exchange::operator()(const Stream& stream, std::span<const Outgoing> out, std::span<const Incoming> in) const {
#ifdef TESSERA_HAS_NCCL
    if (direct_) {
        const auto make = [&] { return std::make_unique<NcclCommunicator>(comm_, timeLimit_); };
        comm_.kept<NcclCommunicator>(make).exchange(stream, out, in, timeLimit_);
        return;
    }
#endif
    throughHosts(comm_, stream, pinnedMemory_, out, in);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
