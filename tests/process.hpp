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

}  // namespace tessera::test
