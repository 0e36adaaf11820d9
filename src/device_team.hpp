// Devices of the ranks that share a galaxy (team.hpp), or the one that has it: what goes between them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/ordered_stars.hpp"
#include "kernels/project.hpp"
#include "team.hpp"
#include "tessera/comm/exchange.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/config.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// All calls are calls of all ranks. Alone they cost nothing.
class DeviceTeam {
public:
    DeviceTeam(const Stream&, Team&, const ResourcesConfig&);

    bool owner() const { return team_.owner(); }
    bool alone() const { return team_.alone(); }
    // Range of shifts and stars in the mask: of all parts. The other numbers stay this part's.
    void combine(ProjectTotal&) const;
    // Ordered stars, of all parts, of this rank's spaxels; the others' are empty.
    OrderedStars shareStars(OrderPlan, SortedStars&&);
    // Spaxels of the field whose stars this rank has, behind shareStars().
    std::vector<std::uint8_t> mine(std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask) const;
    void collectSums(std::size_t n, std::size_t pad, std::vector<SpaxelSums>&) const;
    // Lit spaxels of all ranks. On the owner, whose spaxels are the first of them, the plan's parts get the rows behind all.
    std::vector<std::uint32_t> collectLit(AccumulatePlan&);
    // The same of all parts together: what blocks of wavelengths, which must be the same for all, are cut by.
    std::uint64_t total(std::uint64_t mine) const { return team_.total(mine); }
    std::uint64_t least(std::uint64_t mine) const { return team_.least(mine); }
    // On the owner, the spectra of all lit spaxels, rows of `stride` floats; elsewhere its own, which go there. Waits.
    void collectSpectra(DeviceBuffer<float>& spectra, std::size_t stride) const;

private:
    const Stream& stream_;
    Team& team_;
    std::optional<Exchange> exchange_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
