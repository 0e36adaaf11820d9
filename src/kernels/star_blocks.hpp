// Stars of several galaxies that lie one galaxy after the other on the device, cut for blocks of threads: no block has stars of
// two galaxies.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Of one galaxy.
struct GalaxyRows {
    std::uint32_t first, count;
};

// Stars [first, first + count) of the galaxy of this number; place: of the first of them among all stars of the blocks.
struct StarBlock {
    std::uint32_t first, count, galaxy, place;
};
inline std::vector<StarBlock> starBlocks(std::span<const GalaxyRows> galaxies) {
    constexpr std::uint32_t most = 1024;
    std::vector<StarBlock> out;
    std::uint32_t place = 0;
    for (std::uint32_t g = 0; g < galaxies.size(); ++g)
        for (std::uint32_t i = 0; i < galaxies[g].count; i += most) {
            out.push_back({galaxies[g].first + i, std::min(most, galaxies[g].count - i), g, place});
            place += out.back().count;
        }
    return out;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
