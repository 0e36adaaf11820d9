// Sums over the stars of every spaxel (stages/maps).
#pragma once

#include <cstdint>

#include "tessera/gpu/launch.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/maps.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct MapArgs {
    View<const StarRecord> star;
    View<const std::uint32_t> first;  // [fields (n + 2 pad)^2 + 1] first star of each spaxel of the padded fields
    std::size_t n = 0, pad = 0;
    View<const std::uint8_t> mask;  // [n^2] of every field
    BandLight band;
    View<const float> light;  // of its templates
    LibraryLimits limits;
    Doppler doppler = Doppler::relativistic;
    View<SpaxelSums> sums;  // [fields n^2]; none outside the mask
};
void sumSpaxels(const Stream&, const MapArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
