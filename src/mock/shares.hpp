// How the rows are shared out over the galaxies and the fuzz.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera::mock {

struct Shares {
    std::vector<std::uint64_t> galaxy;  // by rank
    std::vector<std::uint64_t> inner;   // by group
    std::uint64_t outer = 0;
};

// central[g]: rank of the central of group g; the last group (one more than centrals) has fuzz only.
// Everything sums to `total`.
Shares shareStars(std::uint64_t total, std::uint64_t galaxies, const std::vector<std::uint32_t>& central);
Shares shareGas(std::uint64_t total, std::uint64_t galaxies, const std::vector<std::uint32_t>& central);

}  // namespace tessera::mock
