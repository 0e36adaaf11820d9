#include "tessera/model/particles.hpp"

#include <algorithm>

namespace tessera {

Stars sliceRows(const Stars& all, std::uint64_t first, std::uint64_t count) {
    const auto windFrom = std::lower_bound(all.windRows.begin(), all.windRows.end(), first);
    const auto windTo = std::lower_bound(windFrom, all.windRows.end(), first + count);
    const auto wind = std::uint64_t(windTo - windFrom);
    const std::size_t from = first - std::uint64_t(windFrom - all.windRows.begin()), n = count - wind;
    Stars s(n);
    std::copy_n(all.position.data() + from, n, s.position.data());
    std::copy_n(all.velocity.data() + from, n, s.velocity.data());
    std::copy_n(all.mass.data() + from, n, s.mass.data());
    std::copy_n(all.age.data() + from, n, s.age.data());
    std::copy_n(all.metallicity.data() + from, n, s.metallicity.data());
    if (!all.smoothing.empty()) {
        s.smoothing = Buffer<float>(n);
        std::copy_n(all.smoothing.data() + from, n, s.smoothing.data());
    }
    for (auto w = windFrom; w != windTo; ++w) s.windRows.push_back(*w - first);
    return s;
}

}  // namespace tessera
