// What the files of nccl_over_mpi.hpp share.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/nccl_over_mpi.hpp"

namespace tessera::gpu::nccl_over_mpi {

// In front of every MPI message.
struct Header {
    // Who joins a communicator: what it takes that and itself for.
    int ranks = 0, rank = 0, world = 0;
    char device[96] = {};
    // Data: of the pair's common groups, and of the messages one way in it; elements. The root's answer: bytes that say what
    // is wrong.
    std::uint64_t group = 0, place = 0, count = 0;
    ncclDataType_t type = ncclUint8;
};

using Bytes = std::vector<std::byte>;

Bytes withHeader(const Header&, const void* data, std::size_t bytes);
Header headerOf(const Bytes&);

// A message on its way. It outlives its communicator: MPI needs its memory until it has left.
struct Letter {
    Bytes bytes;
    MPI_Request request = MPI_REQUEST_NULL;
    bool left();
};
std::shared_ptr<Letter> send(Bytes, int world, int tag);
Bytes receive(int world, int tag);  // what has come, or nothing

struct Id {
    int root;  // rank of the world that made it
    int tag;
};

struct Communicator {
    int ranks = 0, rank = 0;
    Id id{};
    std::vector<int> world;      // of every rank, when ready
    std::vector<Header> joined;  // at the root
    ncclResult_t state = ncclInProgress;
    bool alive = true, finalized = false;
    std::size_t inStream = 0;                 // groups that have not run
    std::map<int, std::uint64_t> groupsWith;  // of each peer, so far
    std::string lastError;

    void fail(ncclResult_t r, std::string why) {
        if (state != ncclSuccess && state != ncclInProgress) return;  // the first counts
        state = r;
        lastError = std::move(why);
    }
    void progress();

private:
    void welcome();
};

// Those that were neither destroyed nor aborted.
std::map<ncclComm_t, std::shared_ptr<Communicator>>& live();

// Notes why, for ncclGetLastError().
ncclResult_t refuse(ncclResult_t, std::string why);
ncclResult_t unknown(const char* call);
bool groupIsOpen();

}  // namespace tessera::gpu::nccl_over_mpi
