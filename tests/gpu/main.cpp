// Catch2's main, without MPI.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
