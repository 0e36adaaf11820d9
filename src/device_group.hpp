// Galaxies that are worked on together, from the stars on the device to the cubes there: every kernel is launched once for all of
// them. What a galaxy gets does not depend on which others it is with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device_observer.hpp"
#include "device_parts.hpp"
#include "device_team.hpp"
#include "kernels/noise.hpp"
#include "kernels/ordered_stars.hpp"
#include "kernels/project.hpp"
#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Stars of galaxies that lie one after the other, as they are seen.
struct ProjectedGalaxy {
    GalaxyRows rows;
    GalaxyFrame frame;
    double boxSize = 0;
};
struct Sky {
    DeviceBuffer<std::uint32_t> spaxel;
    DeviceBuffer<float> shift;
    std::vector<ProjectTotal> totals;  // of every galaxy
};
// field: without its padding. Waits.
Sky projectStars(const Stream&, const CubePlan&, const SpaxelGrid& field, Doppler, const DeviceStars&,
                 const std::vector<ProjectedGalaxy>&);
void add(ProjectTotal& to, const ProjectTotal&);
// Sums over each of the blocks of rows. Waits.
std::vector<FrameSums> blockSums(const Stream&, const DeviceStars&, const std::vector<std::size_t>& blocks,
                                 const Vec3d& centre, double boxSize, double radius, const Vec3d& velocity);

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

    // Of members that have the same table of knots; one that several ranks share is alone, and `team` is theirs. Waits.
    OrderedStars order(const DeviceStars&, const Sky&, std::span<const Member>, DeviceTeam&, const KnotTable&) const;
    // On the owner, cubes on the device; maps and reports in the galaxies. Waits.
    MadeCubes observe(OrderedParts&, std::span<const Member>, DeviceTeam& team, Knots&) const;

private:
    void maps(std::span<const Member>, const DeviceTeam&, OrderedParts&, Knots&) const;
    void addNoise(MadeCubes&) const;

    const Stream& s_;
    const DeviceView& view_;
    std::span<const DeviceGalaxy> all_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
