#include "tessera/gpu/sort.hpp"

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

namespace tessera::gpu {
inline namespace cuda {

namespace {

// CUB asks for its temporary memory in a first call.
template <class Call>
void withTemporary(const Stream& s, Call call) {
    std::size_t bytes = 0;
    check(call(nullptr, bytes));
    DeviceBuffer<unsigned char> temporary(bytes > 0 ? bytes : 1, s);
    check(call(temporary.data(), bytes));
}

}  // namespace

void sortPairs(const Stream& s, DeviceBuffer<std::uint64_t>& keys, DeviceBuffer<std::uint32_t>& values, int bits) {
    expects(keys.size() == values.size() && bits > 0 && bits <= 64, "a value for every key");
    if (keys.size() == 0) return;
    DeviceBuffer<std::uint64_t> sortedKeys(keys.size(), s);
    DeviceBuffer<std::uint32_t> sortedValues(values.size(), s);
    withTemporary(s, [&](void* memory, std::size_t& bytes) {
        return cub::DeviceRadixSort::SortPairs(memory, bytes, keys.data(), sortedKeys.data(), values.data(),
                                               sortedValues.data(), keys.size(), 0, bits, s.native());
    });
    keys = std::move(sortedKeys);
    values = std::move(sortedValues);
}

void exclusiveSum(const Stream& s, const DeviceBuffer<std::uint32_t>& values, DeviceBuffer<std::uint32_t>& sums) {
    expects(values.size() == sums.size(), "a sum for every value");
    if (values.size() == 0) return;
    withTemporary(s, [&](void* memory, std::size_t& bytes) {
        return cub::DeviceScan::ExclusiveSum(memory, bytes, values.data(), sums.data(), values.size(), s.native());
    });
}

}  // namespace cuda
}  // namespace tessera::gpu
