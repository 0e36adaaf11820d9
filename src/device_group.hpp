// Galaxies that are worked on together, from the stars on the device to the cubes there: every kernel is launched once for all of
// them. What a galaxy gets does not depend on which others it is with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device_observer.hpp"
#include "device_team.hpp"
#include "kernels/noise.hpp"
#include "kernels/ordered_stars.hpp"
#include "kernels/project.hpp"
#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A galaxy of the group in the field: its stars on the device, its place among all galaxies that were given.
struct Member {
    std::size_t galaxy;
    GalaxyRows rows;
    GalaxyFrame frame;
    ProjectTotal total{};
};

// Cubes of some of the group's galaxies, one after the other.
struct MadeCubes {
    std::vector<std::size_t> galaxies;
    DeviceBuffer<float> flux, variance;  // variance: empty without noise
    // On their way to the device when it is made.
    std::vector<double> gain;
    std::vector<NoiseDraw> draws;
};

class DeviceGroup {
public:
    DeviceGroup(const Stream& s, const DeviceView& view, std::span<const DeviceGalaxy> all)
        : s_(s), view_(view), all_(all) {}

    // Spaxels and shifts of the members' stars; the members' totals. Waits.
    void project(const DeviceStars&, std::span<Member>);
    // Of members that have the same table of knots, of which `team` shares the one there is where it is not alone. On the owner,
    // cubes on the device; maps and reports in the galaxies. last: of the group's members, whose stars then go. Waits.
    MadeCubes observe(DeviceStars&, std::span<const Member>, DeviceTeam& team, Knots&, bool last);

private:
    OrderedStars order(const DeviceStars&, std::span<const Member>, DeviceTeam&, const KnotTable&) const;
    void maps(std::span<const Member>, const DeviceTeam&, const OrderedStars&, Knots&) const;
    void addNoise(MadeCubes&) const;

    const Stream& s_;
    const DeviceView& view_;
    std::span<const DeviceGalaxy> all_;
    DeviceBuffer<std::uint32_t> spaxel_;
    DeviceBuffer<float> shift_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
