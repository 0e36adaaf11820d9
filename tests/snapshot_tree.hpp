// Writes TNG-layout trees out of reference/camels_extract.hdf5, cut into any number of chunk files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tessera/core/hd.hpp"

namespace tessera::test {

inline const std::string camelsExtract = std::string(TESSERA_REFERENCE_DIR) + "/camels_extract.hdf5";
inline constexpr int camelsNumber = 86;

enum class TreeNames { tng, illustris, singleFile };

struct TreeOptions {
    std::size_t snapshotChunks = 3, groupChunks = 2;
    bool offsets = true;
    bool emptyChunks = false;  // some chunks without any particle or group
    bool highWord = true;      // NumPart_Total as uint32 with HighWord; else uint64 alone
    TreeNames names = TreeNames::tng;
    std::vector<std::string> without;  // datasets left out, as "PartType4/SubfindHsml"
};

// Below base: output/ and postprocessing/. Returns the path of output.
std::string writeTree(const std::filesystem::path& base, const TreeOptions& = {});

// What the extract holds, in double, in its own units: the truth that trees are compared with.
struct Extract {
    double a, h, omegaM, omegaL, boxSize;
    std::vector<double> coordinates, velocities, mass, birth, metallicity, smoothing;  // of the stars
    std::vector<double> gasCoordinates, gasMass;
    std::vector<std::int64_t> lengths;                                 // [subhalo][6]
    std::vector<double> position, velocity, halfMassRadius, massType;  // catalogue
    std::vector<std::int64_t> flag;
    std::vector<std::int64_t> starStart, gasStart;  // first row of each subhalo
    std::size_t subhalos() const { return lengths.size() / 6; }
};
Extract readExtract();

}  // namespace tessera::test
