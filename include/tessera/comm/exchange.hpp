// Device memory that goes from rank to rank: by NCCL, or through the hosts' memory by MPI.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tessera/comm/comm.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/config.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Part of a device buffer, and the other rank.
struct Outgoing {
    const void* data;
    std::size_t bytes;
    int rank;
};
struct Incoming {
    void* data;
    std::size_t bytes;
    int rank;
};
template <class T>
Outgoing outgoing(const DeviceBuffer<T>& from, std::size_t first, std::size_t count, int rank) {
    return {from.view().part(first, count).data(), count * sizeof(T), rank};
}
template <class T>
Incoming incoming(DeviceBuffer<T>& to, std::size_t first, std::size_t count, int rank) {
    return {to.view().part(first, count).data(), count * sizeof(T), rank};
}

// What the ranks of a communicator do with their devices' memory. All of them make one, and call it, in the same order.
//
//   nccl   ncclSend and ncclRecv as one group. The NCCL communicator is made once for a communicator (Comm::kept). Where it
//          reports an error, or another rank does not answer within the time limit, it is aborted, and an Error says so.
//   mpi    through page-locked host memory
//   auto   nccl where the build has it and no two of the ranks have the same device, which NCCL refuses
//
// simt: the calls of NCCL that are made are there over MPI, and check how they are used (src/comm/nccl_over_mpi.hpp).
class Exchange {
public:
    // comm: of more than one rank, which must outlive it; timeLimit [s].
    // pinnedMemory [byte]: of this process that may be page-locked; messages through the hosts that are more take ordinary memory.
    Exchange(const Comm& comm, ExchangeWay, double timeLimit, std::size_t pinnedMemory);

    // All at once, behind what is in the stream; messages of two ranks pair in their order, and are of one size. A rank may
    // have none. Waits for the stream.
    void operator()(const Stream&, std::span<const Outgoing>, std::span<const Incoming>) const;

    bool direct() const { return direct_; }

private:
    const Comm& comm_;
    bool direct_ = false;
    double timeLimit_;
    std::size_t pinnedMemory_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
