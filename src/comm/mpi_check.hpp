// Return codes of MPI calls as errors.
#pragma once

#include <mpi.h>

#include <string>

#include "tessera/core/error.hpp"

namespace tessera {

// Error with the call's name and MPI's own words unless `code` is MPI_SUCCESS.
inline void checkMpi(int code, const char* call) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    throw Error(std::string(call) + ": " + std::string(text, std::size_t(length)));
}

}  // namespace tessera
