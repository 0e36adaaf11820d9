#include "mock/shares.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::mock {

namespace {

// Ranks of the three galaxies with hardly any star, where there are any: 20, 3 and 0.
constexpr std::uint64_t dwarfStars[] = {20, 3, 0};
constexpr std::uint64_t dwarfGas[] = {50, 0, 30};
constexpr std::uint64_t dwarfs = 3;
bool hasDwarfs(std::uint64_t galaxies, std::uint64_t total) {
    return galaxies >= 6 && total >= 200;
}

std::uint64_t part(std::uint64_t total, double share) {
    return std::uint64_t(double(total) * share);
}

// Half of what is there for rank 0, a power law for the others, what rounding leaves for rank 0.
void shareGalaxies(std::uint64_t available, const std::vector<double>& weight, std::vector<std::uint64_t>& count) {
    double sum = 0;
    for (std::size_t r = 1; r < weight.size(); ++r) sum += weight[r];
    std::uint64_t given = 0;
    for (std::size_t r = 1; r < weight.size(); ++r)
        if (weight[r] > 0) given += count[r] = part(available, 0.48 * weight[r] / sum);
    count[0] = available - given;
}

Shares share(std::uint64_t total, double innerShare, double outerShare, const std::vector<double>& weight,
             const std::uint64_t (&dwarf)[dwarfs], const std::vector<std::uint32_t>& central) {
    const std::uint64_t galaxies = weight.size();
    Shares s;
    s.galaxy.assign(galaxies, 0);
    s.inner.assign(central.size() + 1, 0);
    std::uint64_t left = total;
    s.outer = part(total, outerShare);
    left -= s.outer;
    double sum = 0;
    for (const std::uint32_t r : central) sum += weight[r];
    for (std::size_t g = 0; g < central.size(); ++g)
        left -= s.inner[g] = part(total, innerShare * weight[central[g]] / sum);
    if (total >= 200) left -= s.inner.back() = std::clamp<std::uint64_t>(total / 1000, 5, 50);
    if (hasDwarfs(galaxies, total))
        for (std::uint64_t d = 0; d < dwarfs; ++d) {
            const std::uint64_t count = std::min(dwarf[d], left / 8);
            left -= s.galaxy[galaxies - dwarfs + d] = count;
        }
    shareGalaxies(left, weight, s.galaxy);
    return s;
}

std::vector<double> weights(std::uint64_t galaxies, std::uint64_t total) {
    std::vector<double> w(galaxies);
    const std::uint64_t regular = hasDwarfs(galaxies, total) ? galaxies - dwarfs : galaxies;
    for (std::uint64_t r = 0; r < regular; ++r) w[r] = r == 0 ? 2 : std::pow(double(r), -1.1);
    return w;
}

}  // namespace

Shares shareStars(std::uint64_t total, std::uint64_t galaxies, const std::vector<std::uint32_t>& central) {
    return share(total, 0.015, 0.01, weights(galaxies, total), dwarfStars, central);
}

Shares shareGas(std::uint64_t total, std::uint64_t galaxies, const std::vector<std::uint32_t>& central) {
    auto w = weights(galaxies, total);
    for (std::uint64_t r = 3; r < galaxies; r += 4) w[r] = 0;  // quenched
    return share(total, 0.05, 0.05, w, dwarfGas, central);
}

}  // namespace tessera::mock
