// The last step of an adjoint on the device: from stars' pieces to what the user gives of the stars.
#pragma once

#include "device_adjoint.hpp"
#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Cotangents of the stars, and this rank's sums of the view, from those of its pieces. Waits for the device.
void addInputs(const Stream&, const AdjointTask&, const DeviceBuffer<PieceBar>& pieces, AdjointSums&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
