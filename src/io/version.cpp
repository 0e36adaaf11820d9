#include "tessera/io/version.hpp"

#include <hdf5.h>

#include "tessera/core/error.hpp"

namespace tessera {

std::string hdf5LibraryVersion() {
    unsigned major = 0, minor = 0, release = 0;
    if (H5get_libversion(&major, &minor, &release) < 0) throw Error("H5get_libversion failed");
    std::string text = std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(release);
#ifdef H5_HAVE_PARALLEL
    text += ", parallel";
#else
    text += ", serial";
#endif
    return text;
}

}  // namespace tessera
