// The HDF5 library in use.
#pragma once

#include <string>

namespace tessera {

std::string hdf5LibraryVersion();  // "1.10.8, parallel" or "1.10.8, serial"

}  // namespace tessera
