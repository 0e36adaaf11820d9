#include "tessera/gpu/sort.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tessera::gpu {
inline namespace simtBackend {

void sortPairs(const Stream& s, DeviceBuffer<std::uint64_t>& keys, DeviceBuffer<std::uint32_t>& values, int bits) {
    expects(keys.size() == values.size() && bits > 0 && bits <= 64, "a value for every key");
    s.push([k = keys.data(), v = values.data(), n = keys.size(), bits] {
        const std::uint64_t mask = bits == 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << bits) - 1;
        std::vector<std::size_t> order(n);
        std::iota(order.begin(), order.end(), std::size_t(0));
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return (k[a] & mask) < (k[b] & mask); });
        const std::vector<std::uint64_t> oldKeys(k, k + n);
        const std::vector<std::uint32_t> oldValues(v, v + n);
        for (std::size_t i = 0; i < n; ++i) {
            k[i] = oldKeys[order[i]];
            v[i] = oldValues[order[i]];
        }
    });
}

void exclusiveSum(const Stream& s, const DeviceBuffer<std::uint32_t>& values, DeviceBuffer<std::uint32_t>& sums) {
    expects(values.size() == sums.size(), "a sum for every value");
    s.push([v = values.data(), to = sums.data(), n = values.size()] {
        std::exclusive_scan(v, v + n, to, std::uint32_t(0));
    });
}

}  // namespace simtBackend
}  // namespace tessera::gpu
