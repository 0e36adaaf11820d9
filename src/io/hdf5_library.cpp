#include "tessera/io/hdf5_library.hpp"

#include <hdf5.h>

#include "tessera/core/error.hpp"

namespace tessera {

bool hdf5IsParallel() noexcept {
#ifdef H5_HAVE_PARALLEL
    return true;
#else
    return false;
#endif
}

std::string hdf5LibraryVersion() {
    unsigned major = 0, minor = 0, release = 0;
    if (H5get_libversion(&major, &minor, &release) < 0) throw Error("H5get_libversion failed");
    std::string text = std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(release);
    return text + (hdf5IsParallel() ? ", parallel" : ", serial");
}

// H5dont_atexit: not at the end of the process. Without MPI initialised, H5open ties no shutdown to MPI_Finalize.
void startHdf5() {
    if (H5dont_atexit() < 0 || H5open() < 0) throw Error("the HDF5 library does not start");
}

}  // namespace tessera
