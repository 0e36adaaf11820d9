// How long galaxies take, and how to cut a list of them into parts that take equally long.
//
// Seconds on the two cores of a Zen 5 (docs/performance.md, "Other machines"): what matters is one galaxy's cost against another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

// [s] of reading so many stars: of opening, and of 112 bytes a star.
double readingCost(std::uint64_t stars);

// Of a cube, whatever its stars.
struct CubeVolume {
    std::size_t spaxels = 0, wavelengths = 0;  // spaxels: of the whole field
    bool variance = false;
    int compression = 0;

    double values() const { return double(spaxels) * double(wavelengths) * (variance ? 2 : 1); }
};

// [s] of making one cube: what every cube costs, its values, and its stars. Stars that are alone in their spaxel and range
// of shifts cost a spectrum each, and of many stars ever fewer are: the square root. Scaled with the wavelengths (3721
// where it was measured). All stars are ordered and summed: linear.
double observingCost(std::uint64_t stars, const CubeVolume&);
// [s] of writing it, most of which is compressing it.
double writingCost(const CubeVolume&);
double cubeCost(std::uint64_t stars, const CubeVolume&);  // both

// Where to cut costs into `parts` contiguous parts of nearly equal sums: part k is [cuts[k], cuts[k + 1]). No part costs
// more than the mean and the largest single cost together; none is empty where there are as many costs as parts.
std::vector<std::size_t> cutEvenly(std::span<const double> costs, std::size_t parts);

}  // namespace tessera
