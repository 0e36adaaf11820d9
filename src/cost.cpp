#include "cost.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tessera/core/error.hpp"

namespace tessera {

double readingCost(std::uint64_t stars) {
    return 2e-3 + 4e-8 * double(stars);
}

double observingCost(std::uint64_t stars, const CubeVolume& v) {
    const double n = double(stars);
    return 2e-3 + 3e-10 * v.values() + 1.1e-4 * std::sqrt(n) * double(v.wavelengths) / 3721 + 1.6e-8 * n;
}

double writingCost(const CubeVolume& v) {
    return 2e-3 + (v.compression > 0 ? 1.3e-8 : 2e-9) * v.values();
}

double cubeCost(std::uint64_t stars, const CubeVolume& v) {
    return observingCost(stars, v) + writingCost(v);
}

std::vector<std::size_t> cutEvenly(std::span<const double> costs, std::size_t parts) {
    expects(parts > 0, "at least one part");
    const std::size_t n = costs.size();
    std::vector<double> before(n + 1, 0);  // cost of all before
    std::partial_sum(costs.begin(), costs.end(), before.begin() + 1);
    std::vector<std::size_t> cuts{0};
    for (std::size_t k = 1; k < parts; ++k) {
        const double target = before.back() * double(k) / double(parts);
        auto at = std::size_t(std::lower_bound(before.begin(), before.end(), target) - before.begin());
        if (at > 0 && at <= n && target - before[at - 1] < before[at] - target) --at;  // the nearer one
        // Each part has at least one, as far as there are enough.
        const std::size_t least = n >= parts ? cuts.back() + 1 : cuts.back();
        const std::size_t most = n >= parts ? n - (parts - k) : n;
        cuts.push_back(std::clamp(at, least, most));
    }
    cuts.push_back(n);
    return cuts;
}

}  // namespace tessera
