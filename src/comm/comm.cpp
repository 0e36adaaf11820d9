#include "tessera/comm/comm.hpp"

#include <mpi.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

void check(int code, const char* call) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    throw Error(std::string(call) + ": " + std::string(text, length));
}

}  // namespace

Comm Comm::self() {
    return {false, 0, 1};
}

Comm Comm::world() {
    int rank = 0, size = 1;
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
    return {true, rank, size};
}

void Comm::barrier() const {
    if (mpi_) check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier");
}

void Comm::sum(double* values, std::size_t n) const {
    if (mpi_)
        check(MPI_Allreduce(MPI_IN_PLACE, values, narrow<int>(n), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD),
              "MPI_Allreduce");
}

void Comm::sum(std::uint64_t* values, std::size_t n) const {
    if (mpi_)
        check(MPI_Allreduce(MPI_IN_PLACE, values, narrow<int>(n), MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD),
              "MPI_Allreduce");
}

std::vector<std::string> Comm::gather(const std::string& text) const {
    if (!mpi_) return {text};
    const int mine = narrow<int>(text.size());
    std::vector<int> lengths(size_), offsets(size_);
    check(MPI_Gather(&mine, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, MPI_COMM_WORLD), "MPI_Gather");
    std::size_t total = 0;
    for (int r = 0; r < size_; ++r) {
        offsets[r] = narrow<int>(total);
        total += std::size_t(lengths[r]);
    }
    std::string all(rank_ == 0 ? total : 0, '\0');
    check(MPI_Gatherv(text.data(), mine, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR, 0,
                      MPI_COMM_WORLD),
          "MPI_Gatherv");
    std::vector<std::string> texts;
    if (rank_ == 0)
        for (int r = 0; r < size_; ++r) texts.push_back(all.substr(std::size_t(offsets[r]), std::size_t(lengths[r])));
    return texts;
}

void Comm::abort(int code) const noexcept {
    if (mpi_ && size_ > 1) MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
}

namespace {

// Whether a launcher of MPI programs or a batch system started this process.
bool launched() {
    for (char** variable = environ; *variable != nullptr; ++variable)
        for (const char* start : {"OMPI_COMM_", "PMI", "PALS_", "MPI_LOCAL", "SLURM_PROCID=", "HYDRA_"})
            if (std::strncmp(*variable, start, std::strlen(start)) == 0) return true;
    return false;
}

// Alone, Open MPI starts a daemon for processes that might be spawned and looks for fast networks: half a second.
void startAlone() {
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("OMPI_MCA_pml", "ob1", 0);
}

}  // namespace

MpiSession::MpiSession(int& argc, char**& argv) {
    if (!launched()) startAlone();
    int provided = 0;
    check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
}

MpiSession::~MpiSession() {
    int done = 0;
    MPI_Finalized(&done);
    if (!done) MPI_Finalize();
}

std::string mpiLibraryVersion() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    check(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
    const std::string all(text, std::size_t(length));
    return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace tessera
