// The GPU's part of an observation, from the stars to the cube: behind one interface for all backends. A build has one
// implementation for each backend it was made with, from the same source (device_observer.cpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "make_cube.hpp"
#include "team.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/pipeline.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// One galaxy in one view.
struct DeviceTask {
    const GalaxyFrame& frame;
    double boxSize = 0;
    const CubePlan& plan;
    SpaxelGrid field;  // without its padding
    Doppler doppler = Doppler::relativistic;
    double redshift = 0;
    const SspLibrary& library;
    std::function<const KnotTable&(float shiftMin, float shiftMax, std::uint64_t stars)> knots;
    std::function<Cube()> newCube;
    const NoiseConfig* noise;  // none: nullptr
    NoiseKey noiseKey;
    Team& team;  // who has the galaxy's stars, each a part of them
    const ResourcesConfig& resources;
    double starsPerNode = 0;  // from which on a spaxel is dense; 0: where that is faster
};

class DeviceObserver {
public:
    virtual ~DeviceObserver() = default;
    // "GPU 0000:3b:00.0"
    virtual std::string device() const = 0;
    // This rank's stars of the galaxy that the calls below are about, which must live as long; blocks of rows: rowBlocks()
    virtual void load(const Stars&, const std::vector<std::size_t>& blocks) = 0;
    // Over those within the radius of the centre (0: all) in each of the blocks.
    virtual std::vector<FrameSums> frameSums(const Vec3d& centre, double boxSize, double radius,
                                             const Vec3d& velocity) = 0;
    // Flux, variance, maps, and of the report what is summed over the stars: the owner's. A call of all ranks of the team.
    // false: no star lies in the field of view.
    virtual bool observe(const DeviceTask&, GalaxyCube&) = 0;
};

// nullptr for cpu, and for auto where there is no device. nodeRank: of this process among those on its machine; they
// take the devices in turns. Error: the backend is not compiled, or finds no device.
std::unique_ptr<DeviceObserver> makeDeviceObserver(Backend, int nodeRank);
// "simt, cuda with NCCL": those that this build has.
std::string deviceBackends();
// Throws that error now, on all ranks, with the names of those that found none. A call of all.
void requireDevice(Backend, const Comm& world);

}  // namespace tessera
