// Sorting and summing on the device: CUB | the standard library.
#pragma once

#include <cstdint>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Sorts the values by the lowest `bits` bits of their keys, which are sorted too; stable. Both of one stream, of one size.
void sortPairs(const Stream&, DeviceBuffer<std::uint64_t>& keys, DeviceBuffer<std::uint32_t>& values, int bits);

// sums[k] = sum of values[i], i < k; of one size.
void exclusiveSum(const Stream&, const DeviceBuffer<std::uint32_t>& values, DeviceBuffer<std::uint32_t>& sums);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
