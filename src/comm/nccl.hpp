// A communicator of NCCL, between the devices of a Comm's ranks.
#pragma once

#include <memory>
#include <span>

#include "tessera/comm/exchange.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

class NcclCommunicator {
public:
    // A call of all ranks. Error: NCCL's, or not all of them came within the time limit [s].
    NcclCommunicator(const Comm&, double timeLimit);
    ~NcclCommunicator();
    NcclCommunicator(const NcclCommunicator&) = delete;
    NcclCommunicator& operator=(const NcclCommunicator&) = delete;

    // As Exchange's; behind an Error the communicator is aborted.
    void exchange(const Stream&, std::span<const Outgoing>, std::span<const Incoming>, double timeLimit);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
