// Keys of ordered stars, and searches among them, for kernels.
#pragma once

#include <cstdint>

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Of a star in the field: by spaxel, then by bin of shifts.
__device__ inline std::uint64_t keyOf(std::uint32_t spaxel, float shift, float shiftMin, float shiftStep, int binBits) {
    return std::uint64_t(spaxel) << binBits | std::uint64_t(std::uint32_t((shift - shiftMin) / shiftStep));
}

// First place of an ascending view whose value is not less.
template <class T>
__device__ std::uint32_t lowerBound(const View<const T>& v, T value) {
    std::size_t low = 0, high = v.size();
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (v[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return std::uint32_t(low);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
