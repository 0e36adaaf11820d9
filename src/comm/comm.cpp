#include "tessera/comm/comm.hpp"

#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "comm/mpi_check.hpp"
#include "tessera/core/error.hpp"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

namespace tessera {

namespace {

// What MPI takes at its start and keeps is not Tessera's leak. To find that out at the end of a process takes several times as
// long as most processes of the tests run.
#ifdef __SANITIZE_ADDRESS__
using NotLeaks = __lsan::ScopedDisabler;
#else
struct NotLeaks {
    NotLeaks() {}  // not trivial: it is used by being there
};
#endif

std::atomic<std::uint64_t> moved{0};

// Counts and places of MPI calls are ints, in units of an element.
std::vector<int> ints(std::span<const std::uint64_t> values) {
    std::vector<int> out;
    for (const std::uint64_t v : values) out.push_back(narrow<int>(v));
    return out;
}

std::vector<int> placesOf(std::span<const std::uint64_t> counts) {
    std::vector<int> out;
    std::uint64_t place = 0;
    for (const std::uint64_t n : counts) {
        out.push_back(narrow<int>(place));
        place += n;
    }
    return out;
}

// An element of so many bytes.
class ElementType {
public:
    explicit ElementType(std::size_t bytes) {
        checkMpi(MPI_Type_contiguous(narrow<int>(bytes), MPI_BYTE, &type_), "MPI_Type_contiguous");
        checkMpi(MPI_Type_commit(&type_), "MPI_Type_commit");
    }
    ~ElementType() { MPI_Type_free(&type_); }
    ElementType(const ElementType&) = delete;
    ElementType& operator=(const ElementType&) = delete;
    operator MPI_Datatype() const { return type_; }

private:
    MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

}  // namespace

struct Comm::Handle {
    explicit Handle(MPI_Comm c, bool own) : comm(c), owned(own) {}
    ~Handle() {
        kept.clear();
        ranges.clear();
        int done = 0;
        MPI_Finalized(&done);
        if (owned && !done) MPI_Comm_free(&comm);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    mutable MPI_Comm comm;
    bool owned;
    mutable std::map<std::pair<int, int>, std::shared_ptr<const Handle>> ranges;  // go in the same order on all ranks
    mutable std::map<std::type_index, std::shared_ptr<void>> kept;
};

Comm Comm::self() {
    return {nullptr, 0, 1};
}

Comm Comm::world() {
    int rank = 0, size = 1;
    checkMpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
    checkMpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
    return {std::make_shared<const Handle>(MPI_COMM_WORLD, false), rank, size};
}

Comm Comm::range(int first, int last) const {
    expects(first >= 0 && first <= rank_ && rank_ <= last && last < size_, "a rank of the range it asks for");
    if (!handle_ || first == last) return self();
    std::shared_ptr<const Handle>& known = handle_->ranges[{first, last}];
    if (known) return {known, rank_ - first, last - first + 1};
    MPI_Group all, some;
    checkMpi(MPI_Comm_group(handle_->comm, &all), "MPI_Comm_group");
    int triplet[1][3] = {{first, last, 1}};
    checkMpi(MPI_Group_range_incl(all, 1, triplet, &some), "MPI_Group_range_incl");
    MPI_Comm made = MPI_COMM_NULL;
    checkMpi(MPI_Comm_create_group(handle_->comm, some, first, &made), "MPI_Comm_create_group");
    MPI_Group_free(&some);
    MPI_Group_free(&all);
    known = std::make_shared<const Handle>(made, true);
    return {known, rank_ - first, last - first + 1};
}

Comm Comm::onNode() const {
    if (!handle_) return self();
    MPI_Comm made = MPI_COMM_NULL;
    checkMpi(MPI_Comm_split_type(handle_->comm, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &made),
             "MPI_Comm_split_type");
    auto node = std::make_shared<const Handle>(made, true);
    int rank = 0, size = 1;
    checkMpi(MPI_Comm_rank(made, &rank), "MPI_Comm_rank");
    checkMpi(MPI_Comm_size(made, &size), "MPI_Comm_size");
    if (size == 1) return self();
    return {std::move(node), rank, size};
}

std::shared_ptr<void>& Comm::slot(std::type_index type) const {
    expects(handle_ != nullptr, "more than one rank");
    return handle_->kept[type];
}

std::uint64_t Comm::bytesMoved() noexcept {
    return moved;
}
void Comm::countMoved(std::uint64_t bytes) noexcept {
    moved += bytes;
}

void Comm::barrier() const {
    if (handle_) checkMpi(MPI_Barrier(handle_->comm), "MPI_Barrier");
}

void Comm::sum(double* values, std::size_t n) const {
    if (handle_)
        checkMpi(MPI_Allreduce(MPI_IN_PLACE, values, narrow<int>(n), MPI_DOUBLE, MPI_SUM, handle_->comm),
                 "MPI_Allreduce");
}

void Comm::sum(std::uint64_t* values, std::size_t n) const {
    if (handle_)
        checkMpi(MPI_Allreduce(MPI_IN_PLACE, values, narrow<int>(n), MPI_UINT64_T, MPI_SUM, handle_->comm),
                 "MPI_Allreduce");
}

void Comm::gatherAllBytes(const void* mine, std::size_t bytes, std::vector<std::uint64_t>& bytesOf,
                          std::vector<std::byte>& all) const {
    bytesOf.assign(std::size_t(size_), bytes);
    if (!handle_) {
        const auto* from = static_cast<const std::byte*>(mine);
        all.assign(from, from + bytes);
        return;
    }
    const std::uint64_t own = bytes;
    checkMpi(MPI_Allgather(&own, 1, MPI_UINT64_T, bytesOf.data(), 1, MPI_UINT64_T, handle_->comm), "MPI_Allgather");
    std::uint64_t total = 0;
    for (const std::uint64_t n : bytesOf) total += n;
    all.resize(total);
    const std::vector<int> counts = ints(bytesOf), places = placesOf(bytesOf);
    checkMpi(MPI_Allgatherv(mine, counts[std::size_t(rank_)], MPI_BYTE, all.data(), counts.data(), places.data(),
                            MPI_BYTE, handle_->comm),
             "MPI_Allgatherv");
}

std::vector<std::uint64_t> Comm::swapCounts(std::span<const std::uint64_t> counts) const {
    expects(counts.size() == std::size_t(size_), "a count for every rank");
    std::vector<std::uint64_t> received(counts.begin(), counts.end());
    if (handle_)
        checkMpi(MPI_Alltoall(counts.data(), 1, MPI_UINT64_T, received.data(), 1, MPI_UINT64_T, handle_->comm),
                 "MPI_Alltoall");
    return received;
}

void Comm::exchangeElements(std::size_t size, const void* mine, std::span<const std::uint64_t> counts, void* out,
                            std::span<const std::uint64_t> received) const {
    if (!handle_) {
        std::memcpy(out, mine, counts[0] * size);
        return;
    }
    const ElementType type(size);
    const std::vector<int> send = ints(counts), sendAt = placesOf(counts), receive = ints(received),
                           receiveAt = placesOf(received);
    for (int r = 0; r < size_; ++r)
        if (r != rank_) moved += counts[std::size_t(r)] * size;
    checkMpi(MPI_Alltoallv(mine, send.data(), sendAt.data(), type, out, receive.data(), receiveAt.data(), type,
                           handle_->comm),
             "MPI_Alltoallv");
}

void Comm::collectElements(std::size_t size, const void* mine, void* out, std::span<const std::uint64_t> counts) const {
    if (!handle_) return;
    expects(counts.size() == std::size_t(size_), "a count for every rank");
    const ElementType type(size);
    const int own = narrow<int>(counts[std::size_t(rank_)]);
    if (rank_ != 0) {
        moved += counts[std::size_t(rank_)] * size;
        checkMpi(MPI_Gatherv(mine, own, type, nullptr, nullptr, nullptr, type, 0, handle_->comm), "MPI_Gatherv");
        return;
    }
    const std::vector<int> receive = ints(counts), places = placesOf(counts);
    checkMpi(MPI_Gatherv(MPI_IN_PLACE, own, type, out, receive.data(), places.data(), type, 0, handle_->comm),
             "MPI_Gatherv");
}

void Comm::broadcastBytes(void* values, std::size_t bytes, int root) const {
    constexpr std::size_t most = std::size_t(1) << 30;  // MPI counts in int
    if (!handle_) return;
    for (std::size_t from = 0; from < bytes; from += most)
        checkMpi(MPI_Bcast(static_cast<std::byte*>(values) + from, int(std::min(most, bytes - from)), MPI_BYTE, root,
                           handle_->comm),
                 "MPI_Bcast");
}

void Comm::transfer(std::span<const Message> send, std::span<const Message> receive) const {
    expects(handle_ != nullptr, "more than one rank");
    constexpr std::size_t most = std::size_t(1) << 30;  // counts are ints
    std::vector<MPI_Request> requests;
    const auto pieces = [&](const Message& m, auto&& start) {
        for (std::size_t at = 0; at < m.bytes; at += most)
            start(static_cast<std::byte*>(m.data) + at, int(std::min(most, m.bytes - at)), &requests.emplace_back());
    };
    for (const Message& m : receive)
        pieces(m, [&](std::byte* to, int bytes, MPI_Request* request) {
            checkMpi(MPI_Irecv(to, bytes, MPI_BYTE, m.rank, 0, handle_->comm, request), "MPI_Irecv");
        });
    for (const Message& m : send) {
        if (m.rank != rank_) countMoved(m.bytes);
        pieces(m, [&](std::byte* from, int bytes, MPI_Request* request) {
            checkMpi(MPI_Isend(from, bytes, MPI_BYTE, m.rank, 0, handle_->comm, request), "MPI_Isend");
        });
    }
    checkMpi(MPI_Waitall(int(requests.size()), requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
}

std::vector<std::string> Comm::gather(const std::string& text) const {
    if (!handle_) return {text};
    const int mine = narrow<int>(text.size());
    std::vector<int> lengths(size_), offsets(size_);
    checkMpi(MPI_Gather(&mine, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, handle_->comm), "MPI_Gather");
    std::size_t total = 0;
    for (int r = 0; r < size_; ++r) {
        offsets[r] = narrow<int>(total);
        total += std::size_t(lengths[r]);
    }
    std::string all(rank_ == 0 ? total : 0, '\0');
    checkMpi(MPI_Gatherv(text.data(), mine, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR, 0,
                         handle_->comm),
             "MPI_Gatherv");
    std::vector<std::string> texts;
    if (rank_ == 0)
        for (int r = 0; r < size_; ++r) texts.push_back(all.substr(std::size_t(offsets[r]), std::size_t(lengths[r])));
    return texts;
}

std::string Comm::broadcast(std::string text) const {
    std::uint64_t length = text.size();
    broadcast(&length, 1);
    text.resize(length);
    broadcast(text.data(), text.size());
    return text;
}

MpiHandle Comm::handle() const noexcept {
    static const MPI_Info none = MPI_INFO_NULL;
    if (!handle_) return {};
    return {&handle_->comm, &none, rank_, size_};
}

namespace {

// Whether a launcher of MPI programs or a batch system started this process.
bool launched() {
    for (char** variable = environ; *variable != nullptr; ++variable)
        for (const char* start : {"OMPI_COMM_", "PMI", "PALS_", "MPI_LOCAL", "SLURM_PROCID=", "HYDRA_"})
            if (std::strncmp(*variable, start, std::strlen(start)) == 0) return true;
    return false;
}

std::string ownFolder;  // for Open MPI's files, of a process that nobody launched

// Alone, Open MPI starts a daemon for processes that might be spawned and looks for fast networks: half a second. Without the
// daemon all such processes of a user have one folder on a machine, which the first to end takes away while others begin: each
// has its own.
void startAlone() {
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("OMPI_MCA_pml", "ob1", 0);
    if (std::getenv("OMPI_MCA_orte_tmpdir_base") != nullptr) return;
    const char* base = std::getenv("TMPDIR");
    std::string path = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/tessera-mpi.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return;
    setenv("OMPI_MCA_orte_tmpdir_base", path.c_str(), 1);
    ownFolder = path;
}

void removeOwnFolder() noexcept {
    if (ownFolder.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(ownFolder, ignored);
}

int rankOnNode = 0, ranksOnNode = 1;

}  // namespace

void Comm::abort(int code) const noexcept {
    if (handle_ && size_ > 1) MPI_Abort(MPI_COMM_WORLD, code);
    removeOwnFolder();
    std::_Exit(code);
}

int nodeRank() noexcept {
    return rankOnNode;
}
int nodeSize() noexcept {
    return ranksOnNode;
}

MpiSession::MpiSession(int& argc, char**& argv) {
    if (!launched()) startAlone();
    const NotLeaks ofMpi;
    int provided = 0;
    checkMpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    MPI_Comm node = MPI_COMM_NULL;
    checkMpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
    checkMpi(MPI_Comm_rank(node, &rankOnNode), "MPI_Comm_rank");
    checkMpi(MPI_Comm_size(node, &ranksOnNode), "MPI_Comm_size");
    checkMpi(MPI_Comm_free(&node), "MPI_Comm_free");
}

MpiSession::~MpiSession() {
    int done = 0;
    MPI_Finalized(&done);
    const NotLeaks ofMpi;
    if (!done) MPI_Finalize();
    removeOwnFolder();
}

std::string mpiLibraryVersion() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    checkMpi(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
    const std::string all(text, std::size_t(length));
    return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace tessera
