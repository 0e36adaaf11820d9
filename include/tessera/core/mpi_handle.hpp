// A communicator as HDF5 wants it, for code that does not know MPI: made by comm/, opened by io/.
#pragma once

namespace tessera {

// Addresses of an MPI communicator and of an info object, valid as long as the Comm they are of.
struct MpiHandle {
    const void* communicator = nullptr;  // none: a process alone
    const void* info = nullptr;
    int rank = 0, size = 1;
};

}  // namespace tessera
