// The HDF5 library in use, as a whole.
#pragma once

#include <string>

namespace tessera {

bool hdf5IsParallel() noexcept;
std::string hdf5LibraryVersion();  // "1.10.8, parallel" or "1.10.8, serial"

// To be called once, before MPI_Init and before anything else of HDF5: the library then does not shut itself down,
// neither in MPI_Finalize nor at the end of the process. Its shutdown crashes (1.10) over a file whose last write
// failed, as on a full disk; and it has nothing to do here, where every file is closed by its owner.
void startHdf5();

}  // namespace tessera
