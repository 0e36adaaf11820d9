// What addNoise() and its adjoint share.
#pragma once

#include <vector>

#include "simd/kernels.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// Mean flux densities of the spaxels; NaN voxels are left out.
std::vector<double> spaxelMeans(Host, const Cube& flux);

// As in standardNormals().
simd::NormalsKey normalsKey(std::uint64_t seed, std::int64_t galaxy, std::uint32_t view);

}  // namespace tessera
