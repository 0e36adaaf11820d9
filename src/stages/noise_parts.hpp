// What addNoise() and its adjoint share.
#pragma once

#include <array>

#include "simd/kernels.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// f_ref of physics/noise.hpp: the median of the bright spaxels' means, and the spaxels that it is the mean of: the middle
// one twice, or the two in the middle. NaN voxels are left out.
struct ReferenceFlux {
    double value = 0;  // 0: no spaxel is bright
    std::array<std::size_t, 2> spaxels{};
};
ReferenceFlux referenceFlux(Host, const Cube& flux);

// Electrons per unit of flux at each pixel; 0 without an exposure.
std::vector<double> electronsPerFlux(const NoiseConfig&, const WavelengthGrid&);

// As in standardNormals().
simd::NormalsKey normalsKey(std::uint64_t seed, std::int64_t galaxy, std::uint32_t view);

}  // namespace tessera
