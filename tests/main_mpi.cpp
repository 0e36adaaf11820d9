// Catch2's main under MPI: the exit code is that of the worst rank.
#define CATCH_CONFIG_RUNNER
#include <mpi.h>

#include <catch2/catch.hpp>

#include "tessera/comm/comm.hpp"

int main(int argc, char** argv) {
    const tessera::MpiSession session(argc, argv);
    const int mine = Catch::Session().run(argc, argv);
    int worst = mine;
    MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return worst;
}
