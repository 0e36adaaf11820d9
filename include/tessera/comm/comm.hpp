// Communication as a value: alone (self) or over MPI. comm.cpp is the only file that calls MPI.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

class Comm {
public:
    static Comm self();
    static Comm world();  // all ranks of the job; MPI must be initialised (see MpiSession)

    int rank() const noexcept { return rank_; }
    int size() const noexcept { return size_; }
    void barrier() const;
    void sum(double* values, std::size_t n) const;  // in place, over all ranks
    void sum(std::uint64_t* values, std::size_t n) const;
    std::vector<std::string> gather(const std::string& text) const;  // on rank 0: one per rank; elsewhere empty
    void abort(int code) const noexcept;                             // takes all ranks down; does not return

private:
    Comm(bool mpi, int rank, int size) : mpi_(mpi), rank_(rank), size_(size) {}
    bool mpi_ = false;
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

// "Open MPI v4.1.4 ..." of the library in use.
std::string mpiLibraryVersion();

}  // namespace tessera
