#include <cstdio>

#include "tessera/core/version.hpp"
#include "tessera/model/config.hpp"

int main() {
    const auto& muse = tessera::findTelescope("MUSE");
    std::printf("tessera %s: %s has spaxels of %g arcsec\n", tessera::version(), muse.name.c_str(), muse.spaxel);
    return muse.spaxel == 0.2 ? 0 : 1;
}
