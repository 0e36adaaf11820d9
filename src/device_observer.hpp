// The GPU's part of an observation, from the stars to the cube: behind one interface for all backends. A build has one
// implementation for each backend it was made with, from the same source (device_observer.cpp).
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "knot_cache.hpp"
#include "make_cube.hpp"
#include "team.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/pipeline.hpp"
#include "tessera/stages.hpp"
#include "view_plan.hpp"

namespace tessera {

// What the galaxies that are seen in one view share.
struct DeviceView {
    const CubePlan& plan;
    SpaxelGrid field;  // without its padding
    Doppler doppler = Doppler::relativistic;
    double redshift = 0;
    const SspLibrary& library;
    // Valid until the next call; a call of all ranks of the team.
    std::function<Knots&(const TableKey&, Team&)> knots;
    std::function<Cube()> newCube;
    const NoiseConfig* noise;  // none: nullptr
    const ResourcesConfig& resources;
    double starsPerNode = 0;  // from which on a spaxel is dense; 0: where that is faster
};

struct DeviceGalaxy {
    const Stars& stars;               // of this rank
    std::vector<std::size_t> blocks;  // of their rows: rowBlocks()
    bool few = false;                 // the frame is found without the device, and others come along
    double boxSize = 0;
    // Also fills the report. Throws Unobservable. parts: sums over each of the blocks, or none where stars are few.
    using FrameParts = std::function<std::vector<FrameSums>(const Vec3d& centre, double boxSize, double radius,
                                                            const Vec3d& velocity)>;
    std::function<GalaxyFrame(const FrameParts& parts)> frame;
    NoiseKey noiseKey;
    Team& team;  // who has the galaxy's stars, each a part of them
    // Flux, variance, maps, and of the report what is summed over the stars: the owner's.
    GalaxyCube& cube;
};

// Galaxies of up to so many stars are worked on together, and the sums of their frames are the CPU's: a launch and the wait for it
// take longer.
constexpr std::uint64_t fewStars = 16384;

struct DeviceOutcome {
    bool empty = false;        // no star lies in the field of view
    std::exception_ptr fault;  // of the frame
};

class DeviceObserver {
public:
    virtual ~DeviceObserver() = default;
    // "GPU 0000:3b:00.0"
    virtual std::string device() const = 0;
    // done(i, outcome) of each galaxy once its cube is there, in about the order that they come in; those for which it was not called
    // when this throws are not observed. A call of all ranks of the team, which then gives this galaxy alone.
    using Done = std::function<void(std::size_t galaxy, const DeviceOutcome&)>;
    virtual void observe(const DeviceView&, std::span<const DeviceGalaxy>, const Done&) = 0;
};

// nullptr for cpu, and for auto where there is no device. nodeRank: of this process among those on its machine; they
// take the devices in turns. Error: the backend is not compiled, or finds no device.
std::unique_ptr<DeviceObserver> makeDeviceObserver(Backend, int nodeRank);
// Whether that one is a device.
bool deviceIsUsed(Backend);
// "simt, cuda with NCCL": those that this build has.
std::string deviceBackends();
// Throws that error now, on all ranks, with the names of those that found none. A call of all.
void requireDevice(Backend, const Comm& world);

}  // namespace tessera
