// The GPU's part of an adjoint, from a cube's cotangent to those of the stars and of the instrument: behind one interface for all
// backends. A build has one implementation for each backend it was made with, from the same source (device_adjoint.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "make_cube.hpp"
#include "stages/instrument_slopes.hpp"
#include "team.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// What project() says of a galaxy's stars in a view.
struct StarsInView {
    float shiftMin = 0, shiftMax = 0;  // of all on the padded grid
    std::uint64_t inside = 0;          // that the field keeps
    bool inMask = false;               // whether any is
};

// One galaxy in one view, whose stars are in order.
struct AdjointTask {
    const Stars& stars;
    std::vector<std::size_t> blocks;  // first star of each block of rows, and the end
    const GalaxyFrame& frame;
    const Pieces& pieces;  // with their spaxels
    const CubePlan& plan;
    const KnotTable& table;
    const SspLibrary& library;
    double redshift = 0;
    Doppler doppler = Doppler::relativistic;
    const Team& team;                      // the ranks that share the galaxy, each with its spaxels
    std::span<const std::uint8_t> wanted;  // spaxels of the field whose cotangent counts
    std::vector<Psf> psfSlopes;            // derivatives in the parameters that are asked for
    std::optional<LsfSlope> lsfSlope;
    std::vector<LsfParameter> lsfs;  // that are asked for, of lsfSlope
    std::size_t memory = 0;          // [byte] of the device; 0: what is free
    // Where ranks share the galaxy: from the records' order to that of this rank's pieces.
    std::function<Buffer<PieceBar>(const Buffer<PieceBar>&)> giveBack;
};

struct AdjointSums {
    StarsBar stars;
    std::vector<ViewSums> view;  // of this rank's blocks of rows, to be added up in order
    // By lit spaxel, so that their sums do not depend on the ranks.
    std::vector<std::vector<double>> psf, lsf;  // of psfSlopes, of lsfs
};

// addNoise() of one cube.
struct NoiseTask {
    const NoiseConfig& noise;
    const WavelengthGrid& wavelength;
    const SpaxelGrid& spaxels;
    std::int64_t galaxy = 0;
    std::uint32_t view = 0;
};

class DeviceAdjoint {
public:
    virtual ~DeviceAdjoint() = default;

    // The stars, before any adjoint: to the device. They must live until it has them in order.
    virtual void take(const Stars&) = 0;
    // As SumFrame, over each of the blocks.
    virtual std::vector<FrameSums> frameSums(const std::vector<std::size_t>& blocks, const Vec3d& centre,
                                             double boxSize, double radius, const Vec3d& velocity) = 0;
    // Of a galaxy that this rank has for itself, each star in its nearest spaxel; then in order. spaxels: of the padded field.
    virtual StarsInView project(const CubePlan&, const SpaxelGrid& field, const GalaxyFrame&, double boxSize,
                                Doppler) = 0;
    virtual void order(const KnotTable&, std::size_t spaxels) = 0;
    // Or as the stages of the CPU have them in order: none dense, spaxels without stars left out. before: stars of other ranks
    // that come before these.
    virtual void order(const BinnedStars&, const KnotTable&, std::size_t spaxels, std::uint64_t before) = 0;
    // Spaxels with stars, ascending; and the stars in their order, once more for the CPU, of all spaxels.
    virtual const std::vector<std::uint32_t>& lit() const = 0;
    virtual BinnedStars binned() const = 0;

    // cubeBar: finite where spaxels are wanted and pixels covered.
    // A call of all ranks that share the galaxy. Bitwise the same for any number of them.
    virtual AdjointSums vjp(const AdjointTask&, const Cube& cubeBar) = 0;
    // As noiseAdjoint() of stages/, without a cotangent of the variance.
    virtual Cube noise(const NoiseTask&, const Cube& flux, const Cube& noisyBar) = 0;
};

// As makeDeviceObserver().
std::unique_ptr<DeviceAdjoint> makeDeviceAdjoint(Backend, int nodeRank);

}  // namespace tessera
