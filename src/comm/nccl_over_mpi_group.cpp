// Groups of messages, in the stream and over MPI.
#include <fmt/format.h>

#include <cstring>
#include <set>
#include <utility>

#include "comm/nccl_over_mpi.hpp"
#include "comm/nccl_over_mpi_parts.hpp"

namespace tessera::gpu::nccl_over_mpi {

namespace {

struct Op {
    bool sends;
    std::byte* data;
    std::size_t count, bytes;
    ncclDataType_t type;
    int peer;
    std::shared_ptr<Communicator> comm;
    const simtBackend::Stream* stream;
    std::uint64_t group = 0, place = 0;
    bool done = false;
    std::shared_ptr<Letter> letter = nullptr;

    std::string text() const {
        return fmt::format("{} {} elements {} rank {}", sends ? "sends" : "receives", count, sends ? "to" : "from",
                           peer);
    }
};

int depth = 0;        // of groups
std::vector<Op> ops;  // of the open one
ncclResult_t groupFault = ncclSuccess;

bool overlap(const Op& a, const Op& b) {
    return a.data < b.data + b.bytes && b.data < a.data + a.bytes;
}

// The messages of one group and communicator, in the stream.
struct GroupWork {
    std::shared_ptr<Communicator> comm;
    std::vector<Op> ops;
    bool started = false;

    bool run() {
        Communicator& c = *comm;
        if (!c.alive || c.state != ncclSuccess) return true;  // aborted: what is in the buffers is undefined
        if (!started) start();
        started = true;
        bool all = true;
        std::set<int> waiting;  // peers of whom a message is still to come: the next ones are behind it
        for (Op& op : ops) {
            if (!op.done && c.state == ncclSuccess) op.done = op.sends ? op.letter->left() : take(op, waiting);
            all = all && op.done;
        }
        if (c.state != ncclSuccess) return true;
        if (all) --c.inStream;
        return all;
    }

private:
    bool fault(std::string why) {
        comm->fail(ncclInvalidUsage, fmt::format("rank {}: {}", comm->rank, why));
        return true;
    }
    void start() {
        for (Op& op : ops) {
            if (!simtBackend::detail::isDeviceMemory(op.data, op.bytes))
                return void(fault(op.text() + ": its memory was freed before the stream came to it"));
            if (!op.sends) continue;
            Header h;
            h.group = op.group;
            h.place = op.place;
            h.count = op.count;
            h.type = op.type;
            op.letter = send(withHeader(h, op.data, op.bytes), comm->world[std::size_t(op.peer)], comm->id.tag);
        }
    }
    bool take(const Op& op, std::set<int>& waiting) {
        if (waiting.contains(op.peer)) return false;
        const Bytes message = receive(comm->world[std::size_t(op.peer)], comm->id.tag);
        if (message.empty()) {
            waiting.insert(op.peer);
            return false;
        }
        const Header h = headerOf(message);
        if (h.group != op.group || h.place != op.place)
            return fault(
                fmt::format("{} in group {} of those with it, as message {}, what was sent in group {} as "
                            "message {}: not the same order on both ranks",
                            op.text(), op.group, op.place, h.group, h.place));
        if (h.count != op.count || h.type != op.type)
            return fault(fmt::format("{} of type {}, but {} of type {} were sent", op.text(), int(op.type), h.count,
                                     int(h.type)));
        std::memcpy(op.data, message.data() + sizeof h, op.bytes);
        return true;
    }
};

ncclResult_t enqueue(std::vector<Op> group) {
    for (std::size_t i = 0; i < group.size(); ++i)
        for (std::size_t k = 0; k < i; ++k) {
            if (group[i].stream != group[k].stream) return refuse(ncclInvalidUsage, "a group on two streams");
            if (!(group[i].sends && group[k].sends) && overlap(group[i], group[k]))
                return refuse(ncclInvalidUsage, fmt::format("a group {} and {} in memory that overlaps",
                                                            group[k].text(), group[i].text()));
        }
    std::map<ncclComm_t, std::shared_ptr<GroupWork>> works;
    std::map<std::pair<ncclComm_t, int>, std::uint64_t> places[2];
    for (Op& op : group) {
        auto& work = works[op.comm.get()];
        if (!work) work = std::make_shared<GroupWork>(GroupWork{op.comm, {}});
        const std::pair<ncclComm_t, int> peer{op.comm.get(), op.peer};
        if (!places[0].contains(peer) && !places[1].contains(peer)) ++op.comm->groupsWith[op.peer];
        op.group = op.comm->groupsWith[op.peer];
        op.place = places[op.sends][peer]++;
        work->ops.push_back(op);
    }
    for (auto& [comm, work] : works) {
        ++comm->inStream;
        group.front().stream->pushPolled([work] { return work->run(); });
    }
    return ncclSuccess;
}

ncclResult_t post(const char* call, bool sends, const void* data, std::size_t count, ncclDataType_t type, int peer,
                  ncclComm_t c, const simtBackend::Stream* stream) {
    const auto checked = [&]() -> ncclResult_t {
        const auto known = live().find(c);
        if (known == live().end()) return unknown(call);
        Communicator& comm = *known->second;
        if (comm.state == ncclInProgress)
            return refuse(ncclInvalidUsage, fmt::format("{}: the communicator is not ready", call));
        if (comm.state != ncclSuccess) return refuse(comm.state, comm.lastError);
        if (comm.finalized) return refuse(ncclInvalidUsage, fmt::format("{}: the communicator is finalized", call));
        if (peer < 0 || peer >= comm.ranks)
            return refuse(ncclInvalidArgument, fmt::format("{}: there is no rank {} of {}", call, peer, comm.ranks));
        const std::size_t bytes = count * (type == ncclFloat32 ? 4 : 1);
        if (bytes > (std::size_t(1) << 31) - 4096)
            return refuse(ncclSystemError, fmt::format("{}: {} bytes are more than MPI sends at once", call, bytes));
        if (stream == nullptr) return refuse(ncclInvalidArgument, fmt::format("{}: no stream", call));
        if (!simtBackend::detail::isDeviceMemory(data, bytes))
            return refuse(ncclInvalidArgument,
                          fmt::format("{}: {} bytes that do not lie in one buffer of the device", call, bytes));
        ops.push_back(
            {sends, static_cast<std::byte*>(const_cast<void*>(data)), count, bytes, type, peer, known->second, stream});
        return ncclSuccess;
    };
    const ncclResult_t r = checked();
    if (depth > 0) {
        if (r != ncclSuccess && groupFault == ncclSuccess) groupFault = r;
        return r;
    }
    return r == ncclSuccess ? enqueue(std::exchange(ops, {})) : r;
}

}  // namespace

bool groupIsOpen() {
    return depth > 0;
}

ncclResult_t ncclGroupStart() {
    ++depth;
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
    if (depth == 0) return refuse(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
    if (--depth > 0) return ncclSuccess;
    std::vector<Op> group = std::exchange(ops, {});
    if (const ncclResult_t fault = std::exchange(groupFault, ncclSuccess); fault != ncclSuccess) return fault;
    return enqueue(std::move(group));
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                      const simtBackend::Stream* s) {
    return post("ncclSend", true, data, count, type, peer, c, s);
}
ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                      const simtBackend::Stream* s) {
    return post("ncclRecv", false, data, count, type, peer, c, s);
}

}  // namespace tessera::gpu::nccl_over_mpi
