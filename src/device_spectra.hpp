// From the ordered stars to the cube, on the device.
#pragma once

#include "device_observer.hpp"
#include "device_team.hpp"
#include "kernels/ordered_stars.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// A copy on the device; `from` must live until the stream is synchronised.
template <class Values>
auto upload(const Stream& s, const Values& from) {
    DeviceBuffer<std::remove_cvref_t<decltype(from[0])>> b(from.size(), s);
    b.upload(from.data());
    return b;
}

// On this process's device, by its rank among those on the machine.
std::unique_ptr<DeviceObserver> makeObserver(int nodeRank);
bool deviceIsThere();

// [byte] of the device's memory for a block of spectra: a quarter of what is left. Error: a declared budget has no room for the
// least block.
std::size_t blockRoom(std::size_t budget, std::size_t least);

// Spectra of the lit spaxels, behind LSF and PSF, in blocks of wavelengths that fit the device's memory; and the map of
// their flux: on the owner of the galaxy. Waits for the device.
DeviceBuffer<float> makeDeviceCube(const Stream&, const DeviceTask&, DeviceTeam&, const OrderedStars&, const KnotTable&,
                                   GalaxyCube&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
