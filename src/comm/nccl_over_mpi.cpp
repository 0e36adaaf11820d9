#include "comm/nccl_over_mpi.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <list>

#include "comm/nccl_over_mpi_parts.hpp"

namespace tessera::gpu::nccl_over_mpi {

namespace {

std::list<std::shared_ptr<Letter>>& underWay() {
    static std::list<std::shared_ptr<Letter>> all;
    return all;
}

std::string lastError;  // of calls without a communicator

int worldRank() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

}  // namespace

Bytes withHeader(const Header& h, const void* data, std::size_t bytes) {
    Bytes all(sizeof h + bytes);
    std::memcpy(all.data(), &h, sizeof h);
    if (bytes > 0) std::memcpy(all.data() + sizeof h, data, bytes);
    return all;
}
Header headerOf(const Bytes& all) {
    Header h;
    std::memcpy(&h, all.data(), sizeof h);
    return h;
}

bool Letter::left() {
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    return done != 0;
}
std::shared_ptr<Letter> send(Bytes bytes, int world, int tag) {
    auto& all = underWay();
    all.remove_if([](const auto& l) { return l->left(); });
    const auto letter = std::make_shared<Letter>();
    letter->bytes = std::move(bytes);
    MPI_Isend(letter->bytes.data(), int(letter->bytes.size()), MPI_BYTE, world, tag, MPI_COMM_WORLD, &letter->request);
    all.push_back(letter);
    return letter;
}
Bytes receive(int world, int tag) {
    int there = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    MPI_Improbe(world, tag, MPI_COMM_WORLD, &there, &message, &status);
    if (!there) return {};
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    Bytes all(static_cast<std::size_t>(bytes));
    MPI_Mrecv(all.data(), bytes, MPI_BYTE, &message, MPI_STATUS_IGNORE);
    return all;
}

std::map<ncclComm_t, std::shared_ptr<Communicator>>& live() {
    static std::map<ncclComm_t, std::shared_ptr<Communicator>> all;
    return all;
}

ncclResult_t refuse(ncclResult_t r, std::string why) {
    lastError = std::move(why);
    return r;
}
ncclResult_t unknown(const char* call) {
    return refuse(ncclInvalidArgument,
                  fmt::format("{}: the communicator was aborted or destroyed, or never made", call));
}

namespace {

Communicator* find(ncclComm_t c) {
    const auto known = live().find(c);
    return known == live().end() ? nullptr : known->second.get();
}

}  // namespace

// All have come to the root: what it tells them is the ranks of the world, or what is wrong with them.
void Communicator::welcome() {
    std::vector<int> places(std::size_t(ranks), -1);
    std::map<std::string, int> devices;
    std::string fault;
    for (const Header& h : joined) {
        const auto [known, fresh] = devices.emplace(h.device, h.rank);
        if (h.ranks != ranks)
            fault = fmt::format("rank {} asks for {} ranks, rank {} for {}", h.rank, h.ranks, rank, ranks);
        else if (h.rank < 0 || h.rank >= ranks || places[std::size_t(h.rank)] >= 0)
            fault = fmt::format("rank {} of {} is there twice, or not one of them", h.rank, ranks);
        else if (!fresh)
            fault = fmt::format("ranks {} and {} are on one device, {}", known->second, h.rank, h.device);
        else
            places[std::size_t(h.rank)] = h.world;
    }
    Header h;
    h.count = fault.size();
    for (const Header& to : joined)
        send(fault.empty() ? withHeader(h, places.data(), places.size() * sizeof(int))
                           : withHeader(h, fault.data(), fault.size()),
             to.world, id.tag);
}

void Communicator::progress() {
    if (state != ncclInProgress) return;
    const bool root = id.root == worldRank();
    if (root && joined.size() < std::size_t(ranks)) {
        for (Bytes b = receive(MPI_ANY_SOURCE, id.tag); !b.empty(); b = receive(MPI_ANY_SOURCE, id.tag)) {
            joined.push_back(headerOf(b));
            if (joined.size() == std::size_t(ranks)) break;
        }
        if (joined.size() < std::size_t(ranks)) return;
        welcome();
    }
    const Bytes answer = receive(id.root, id.tag);
    if (answer.empty()) return;
    const auto* body = reinterpret_cast<const char*>(answer.data() + sizeof(Header));
    if (const std::size_t fault = headerOf(answer).count; fault > 0) {
        fail(ncclInvalidUsage, std::string(body, fault));
        return;
    }
    world.resize(std::size_t(ranks));
    std::memcpy(world.data(), body, world.size() * sizeof(int));
    state = ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
    constexpr int first = 4096, many = 512;
    static int made = 0;
    int* most = nullptr;
    int found = 0;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, static_cast<void*>(&most), &found);
    const Id mine{worldRank(), first + many * worldRank() + made++ % many};
    if (!found || mine.tag > *most) return refuse(ncclSystemError, "ncclGetUniqueId: MPI has too few tags");
    std::memset(id, 0, sizeof *id);
    std::memcpy(id->internal, &mine, sizeof mine);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* out, int nranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
    if (groupIsOpen()) return refuse(ncclInvalidUsage, "ncclCommInitRankConfig inside a group");
    if (out == nullptr || nranks < 1 || rank < 0 || rank >= nranks)
        return refuse(ncclInvalidArgument, fmt::format("ncclCommInitRankConfig: rank {} of {}", rank, nranks));
    if (config == nullptr || config->blocking != 0)
        return refuse(ncclInvalidUsage, "ncclCommInitRankConfig: of communicators that do not block alone");
    const auto comm = std::make_shared<Communicator>();
    comm->ranks = nranks;
    comm->rank = rank;
    std::memcpy(&comm->id, id.internal, sizeof comm->id);
    Header h;
    h.ranks = nranks;
    h.rank = rank;
    h.world = worldRank();
    char host[40] = {};
    gethostname(host, sizeof host - 1);
    const std::string device = simtBackend::deviceName() + " of " + host;
    std::strncpy(h.device, device.c_str(), sizeof h.device - 1);
    send(withHeader(h, nullptr, 0), comm->id.root, comm->id.tag);
    live()[comm.get()] = comm;
    *out = comm.get();
    return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t* out) {
    Communicator* const comm = find(c);
    if (comm == nullptr) return unknown("ncclCommGetAsyncError");
    if (groupIsOpen()) return refuse(ncclInvalidUsage, "ncclCommGetAsyncError inside a group");
    comm->progress();
    *out = comm->state;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t c) {
    Communicator* const comm = find(c);
    if (comm == nullptr) return unknown("ncclCommFinalize");
    if (comm->finalized) return refuse(ncclInvalidUsage, "ncclCommFinalize: twice");
    if (comm->inStream > 0)
        return refuse(ncclInvalidUsage, "ncclCommFinalize: of a communicator whose messages have not been waited for");
    comm->finalized = true;
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t c) {
    Communicator* const comm = find(c);
    if (comm == nullptr) return unknown("ncclCommDestroy");
    if (!comm->finalized) return refuse(ncclInvalidUsage, "ncclCommDestroy: of a communicator that is not finalized");
    comm->alive = false;
    live().erase(c);
    return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t c) {
    Communicator* const comm = find(c);
    if (comm == nullptr) return unknown("ncclCommAbort");
    comm->alive = false;
    live().erase(c);
    return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t r) {
    switch (r) {
        case ncclSuccess:
            return "no error";
        case ncclSystemError:
            return "unhandled system error";
        case ncclInvalidArgument:
            return "invalid argument";
        case ncclInvalidUsage:
            return "invalid usage";
        case ncclInProgress:
            return "operation in progress";
    }
    return "unknown error";
}

const char* ncclGetLastError(ncclComm_t c) {
    const Communicator* const comm = find(c);
    return comm != nullptr && !comm->lastError.empty() ? comm->lastError.c_str() : lastError.c_str();
}

std::size_t liveCommunicators() {
    return live().size();
}

}  // namespace tessera::gpu::nccl_over_mpi
