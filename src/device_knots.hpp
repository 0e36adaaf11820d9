// The table of knots on the device, and the tiles in which its spectra are summed.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/accumulate.hpp"
#include "kernels/ordered_stars.hpp"
#include "tessera/stages.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// The table must live until the stream is synchronised.
struct DeviceKnots {
    DeviceKnots(const Stream&, const KnotTable&);
    DeviceBuffer<float> flux;
    DeviceBuffer<double> position, lnPosition, inverseStep;
};

// How stars are ordered for a table: see OrderPlan, whose views are of these buffers. The table must live until the stream is
// synchronised.
struct TableOrder {
    TableOrder(const Stream&, const KnotTable&, std::size_t spaxels);
    DeviceBuffer<double> logAgeGyr, zAxis;
    OrderPlan plan;
};

// Tiles of a window of wavelengths: as wide as lets a multiprocessor's shared memory hold several blocks of a kernel that needs so
// many bytes for a tile.
using TileBytes = std::size_t (*)(std::uint32_t pixels, std::uint32_t knots);

// One window of the wavelengths, for accumulate() and its transpose. Waits for the device.
class DeviceWindow {
public:
    DeviceWindow(const Stream&, const DeviceKnots&, const KnotTable&, const WavelengthGrid& window, TileBytes);
    // What of the arguments says library and window: all but stars, runs, items, scale and output.
    const AccumulateArgs& args() const { return args_; }
    // The same for some of the tiles.
    AccumulateArgs args(std::size_t firstTile, std::size_t tiles) const;
    const std::vector<AccumulateTile>& tiles() const { return hostTiles_; }

private:
    std::vector<AccumulateTile> hostTiles_;
    DeviceBuffer<double> edge_;
    DeviceBuffer<AccumulateTile> tiles_;
    AccumulateArgs args_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
