// Communication as a value: alone (self) or over MPI, which src/comm alone calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeindex>
#include <vector>

#include "tessera/core/memory.hpp"
#include "tessera/core/mpi_handle.hpp"

namespace tessera {

class Comm {
public:
    static Comm self();
    static Comm world();  // all ranks of the job; MPI must be initialised (see MpiSession)

    int rank() const noexcept { return rank_; }
    int size() const noexcept { return size_; }
    // Ranks [first, last] of this one as a communicator of their own, in their order. A call of those ranks alone, all of
    // which have the same one in mind. Made once and kept.
    Comm range(int first, int last) const;
    // The ranks on this rank's node, in their order. A call of all ranks.
    Comm onNode() const;
    // Something of which the communicator has one: made by the first call, gone with the communicator.
    template <class T, class Make>
    T& kept(Make make) const;

    void barrier() const;
    void sum(double* values, std::size_t n) const;  // in place, over all ranks
    void sum(std::uint64_t* values, std::size_t n) const;
    std::vector<std::string> gather(const std::string& text) const;  // on rank 0: one per rank; elsewhere empty

    // Everyone's values one after the other, in the order of the ranks; the same on every rank.
    template <class T>
    std::vector<T> gatherAll(std::span<const T> mine) const;
    // counts[r] elements of `mine`, which lie in the order of the ranks, go to rank r. Returns what all ranks sent here,
    // in their order; received[r]: how much of it is rank r's.
    template <class T>
    Buffer<T> exchange(const T* mine, std::span<const std::uint64_t> counts,
                       std::vector<std::uint64_t>& received) const;
    // Everyone's elements one after the other on rank 0, written to `out` there (nothing elsewhere); counts: of every
    // rank, known to all. Rank 0's own are there already.
    template <class T>
    void collect(const T* mine, T* out, std::span<const std::uint64_t> counts) const;
    template <class T>
    void broadcast(T* values, std::size_t n, int root = 0) const;
    // Messages from rank to rank, all at once; between two ranks they pair in their order, and are of one size.
    struct Message {
        void* data;
        std::size_t bytes;
        int rank;
    };
    void transfer(std::span<const Message> send, std::span<const Message> receive) const;

    // Rank 0's text, everywhere.
    std::string broadcast(std::string text) const;

    MpiHandle handle() const noexcept;  // for parallel HDF5

    void abort(int code) const noexcept;  // takes all ranks down; does not return

    // [byte] that this process has handed to other ranks so far, by exchange(), collect() and transfer(), or between
    // devices: what is moved of particles and spectra.
    static std::uint64_t bytesMoved() noexcept;
    static void countMoved(std::uint64_t bytes) noexcept;

private:
    struct Handle;
    Comm(std::shared_ptr<const Handle> handle, int rank, int size)
        : handle_(std::move(handle)), rank_(rank), size_(size) {}
    void gatherAllBytes(const void* mine, std::size_t bytes, std::vector<std::uint64_t>& bytesOf,
                        std::vector<std::byte>& all) const;
    std::vector<std::uint64_t> swapCounts(std::span<const std::uint64_t> counts) const;
    void exchangeElements(std::size_t size, const void* mine, std::span<const std::uint64_t> counts, void* out,
                          std::span<const std::uint64_t> received) const;
    void collectElements(std::size_t size, const void* mine, void* out, std::span<const std::uint64_t> counts) const;
    void broadcastBytes(void* values, std::size_t bytes, int root) const;
    std::shared_ptr<void>& slot(std::type_index) const;

    std::shared_ptr<const Handle> handle_;  // none: alone
    int rank_ = 0, size_ = 1;
};

// MPI_Init in the constructor, MPI_Finalize in the destructor; made once, in main().
class MpiSession {
public:
    MpiSession(int& argc, char**& argv);
    ~MpiSession();
    MpiSession(const MpiSession&) = delete;
    MpiSession& operator=(const MpiSession&) = delete;
};

// Rank of this process among those on its machine, and their number; 0 and 1 without an MpiSession.
int nodeRank() noexcept;
int nodeSize() noexcept;

// "Open MPI v4.1.4 ..." of the library in use.
std::string mpiLibraryVersion();

template <class T>
std::vector<T> Comm::gatherAll(std::span<const T> mine) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<std::uint64_t> bytesOf;
    std::vector<std::byte> bytes;
    gatherAllBytes(mine.data(), mine.size_bytes(), bytesOf, bytes);
    std::vector<T> all(bytes.size() / sizeof(T));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(all.data()));
    return all;
}

template <class T>
Buffer<T> Comm::exchange(const T* mine, std::span<const std::uint64_t> counts,
                         std::vector<std::uint64_t>& received) const {
    static_assert(std::is_trivially_copyable_v<T>);
    received = swapCounts(counts);
    std::uint64_t total = 0;
    for (const std::uint64_t n : received) total += n;
    Buffer<T> out(total);
    exchangeElements(sizeof(T), mine, counts, out.data(), received);
    return out;
}

template <class T>
void Comm::collect(const T* mine, T* out, std::span<const std::uint64_t> counts) const {
    static_assert(std::is_trivially_copyable_v<T>);
    collectElements(sizeof(T), mine, out, counts);
}

template <class T, class Make>
T& Comm::kept(Make make) const {
    std::shared_ptr<void>& mine = slot(typeid(T));
    if (!mine) mine = std::shared_ptr<T>(make());
    return *static_cast<T*>(mine.get());
}

template <class T>
void Comm::broadcast(T* values, std::size_t n, int root) const {
    static_assert(std::is_trivially_copyable_v<T>);
    broadcastBytes(values, n * sizeof(T), root);
}

}  // namespace tessera
