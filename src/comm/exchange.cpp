// Compiled once for each backend.
#include "tessera/comm/exchange.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <string>
#include <vector>

#include "tessera/core/error.hpp"
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

void throughHosts(const Comm& comm, const Stream& stream, std::span<const Outgoing> out, std::span<const Incoming> in) {
    std::vector<PinnedBuffer<std::byte>> memory;
    std::vector<Comm::Message> send, receive;
    for (const Outgoing& m : out) {
        memory.emplace_back(m.bytes);
        send.push_back({memory.back().data(), m.bytes, m.rank});
        download(stream, memory.back().data(), m.data, m.bytes);
    }
    for (const Incoming& m : in) {
        memory.emplace_back(m.bytes);
        receive.push_back({memory.back().data(), m.bytes, m.rank});
    }
    stream.synchronize();
    comm.transfer(send, receive);
    for (std::size_t i = 0; i < in.size(); ++i) upload(stream, in[i].data, receive[i].data, in[i].bytes);
    stream.synchronize();
}

}  // namespace

Exchange::Exchange(const Comm& comm, ExchangeWay way, double timeLimit) : comm_(comm), timeLimit_(timeLimit) {
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
    throughHosts(comm_, stream, out, in);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
