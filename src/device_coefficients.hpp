// Dense spaxels of the device in coefficients (kernels/coefficients.hpp).
#pragma once

#include <cstddef>
#include <vector>

#include "device_knots.hpp"
#include "kernels/accumulate.hpp"
#include "kernels/ordered_stars.hpp"
#include "tessera/stages.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// The sums at the knots of the dense spaxels, a row for every node of shift.
struct DeviceNodes {
    DeviceBuffer<float> sum;  // [rows][table.stride]
    // Instead of the stars' runs: all of these, then one a row, of which `first` is the row and `count` 0.
    DeviceBuffer<StarRun> run;
    std::vector<DenseRuns> dense;
};

// Stars for every node of shift from which on coefficients are faster than star by star: a star costs 35 instructions of a warp for
// every 32 knots, a node a multiply-add for every knot and template, of which a multiprocessor makes 128 a cycle.
double deviceStarsPerNode(const KnotTable&);

// None where the table has no nodes (nodeStep), or no spaxel is dense. Waits for the device.
// room: [byte] of the device that it may fill.
DeviceNodes sumNodes(const Stream&, const OrderedStars&, const KnotTable&, const DeviceKnots&, double starsPerNode,
                     std::size_t room);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
