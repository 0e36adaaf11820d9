// Runs the tessera binary and keeps what it says.
#pragma once

#include <string>
#include <vector>

namespace tessera::test {

struct Outcome {
    int code = -1;  // exit code; -signal where it was killed
    std::string out, err;
};

struct ProcessLimits {
    long fileBytes = -1;      // RLIMIT_FSIZE: a disk that is full
    std::string standardOut;  // a file that takes standard output instead of Outcome::out
};

// program: searched in PATH where it has no slash. environment: "NAME=value" beside this process's own, less what an
// MPI job of this process would pass on.
Outcome runProcess(const std::string& program, const std::vector<std::string>& args, const std::string& directory,
                   const std::vector<std::string>& environment = {}, const ProcessLimits& = {});

// What a program under mpirun needs in its environment, and more. Leaks are looked for where one process runs alone: under
// mpirun Open MPI keeps memory of components that it has unloaded, which no suppression can name.
inline std::vector<std::string> underMpi(std::vector<std::string> more = {}) {
    for (const char* one :
         {"ASAN_OPTIONS=detect_leaks=0", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
          "OMP_NUM_THREADS=1", "OMPI_MCA_hwloc_base_binding_policy=none"})
        more.push_back(one);
    return more;
}

}  // namespace tessera::test
