// How long galaxies take, and how to cut a list of them into parts that take equally long.
//
// Seconds on the two cores of docs/performance.md, from its tables: what matters is one galaxy's cost against another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

// [s] of reading so many stars: of opening, and of 112 bytes a star.
double readingCost(std::uint64_t stars);

// [s] of one cube: what every cube costs, its voxels (made, convolved and written), and its stars. Stars that are alone
// in their spaxel and range of shifts cost a spectrum each, and of many stars ever fewer are: the square root. Scaled with
// the wavelengths (3721 where it was measured). All stars are ordered and summed: linear.
double cubeCost(std::uint64_t stars, std::size_t spaxels, std::size_t wavelengths);

// Where to cut costs into `parts` contiguous parts of nearly equal sums: part k is [cuts[k], cuts[k + 1]). No part costs
// more than the mean and the largest single cost together; none is empty where there are as many costs as parts.
std::vector<std::size_t> cutEvenly(std::span<const double> costs, std::size_t parts);

}  // namespace tessera
