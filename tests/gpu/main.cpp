// Catch2's main, without MPI; skipped where the backend finds no device.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>

#include "tessera/gpu/launch.hpp"

int main(int argc, char** argv) {
    constexpr int skipped = 77;
    if (!tessera::gpu::deviceFound()) {
        std::printf("SKIP: no GPU was found\n");
        return skipped;
    }
    return Catch::Session().run(argc, argv);
}
