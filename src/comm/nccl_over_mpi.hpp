// NCCL for simulated devices: the calls that nccl.cpp makes, over MPI, for backend simt. Names and meanings are those of
// nccl.h; streams are the simulated ones. Operations run when their stream runs. What NCCL would answer with a hang, with
// wrong numbers or not at all is an error here, at once or by ncclCommGetAsyncError():
//
//   groups         ncclGroupEnd without ncclGroupStart; a group on two streams; messages of a group that overlap in memory
//   order          two ranks have the same messages in the same of their common groups
//   counts         a message that is received with another count or type than it was sent with
//   memory         a buffer that is not, or no longer, inside one allocation of the simulated device
//   communicators  used before they are ready, behind an error, after they are aborted, finalized or destroyed; ranks that do
//                  not agree on their number; two ranks of one number; two ranks on one device; not waited for before they are
//                  destroyed
//
// One restriction: the process that makes a unique id is one of the communicator's.
#pragma once

#include <cstddef>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu::nccl_over_mpi {

enum ncclResult_t {
    ncclSuccess = 0,
    ncclSystemError = 2,
    ncclInvalidArgument = 4,
    ncclInvalidUsage = 5,
    ncclInProgress = 7
};
enum ncclDataType_t { ncclInt8 = 0, ncclUint8 = 1, ncclFloat32 = 7 };
struct ncclUniqueId {
    char internal[128];
};
struct ncclConfig_t {
    int blocking;
};
#define NCCL_CONFIG_INITIALIZER \
    { 1 }
struct Communicator;
using ncclComm_t = Communicator*;

ncclResult_t ncclGetUniqueId(ncclUniqueId*);
ncclResult_t ncclCommInitRankConfig(ncclComm_t*, int nranks, ncclUniqueId, int rank, ncclConfig_t*);
ncclResult_t ncclCommFinalize(ncclComm_t);
ncclResult_t ncclCommDestroy(ncclComm_t);
ncclResult_t ncclCommAbort(ncclComm_t);
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t*);
const char* ncclGetErrorString(ncclResult_t);
const char* ncclGetLastError(ncclComm_t);
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void*, std::size_t count, ncclDataType_t, int peer, ncclComm_t, const simtBackend::Stream*);
ncclResult_t ncclRecv(void*, std::size_t count, ncclDataType_t, int peer, ncclComm_t, const simtBackend::Stream*);

// Of this process that were neither destroyed nor aborted.
std::size_t liveCommunicators();

}  // namespace tessera::gpu::nccl_over_mpi
