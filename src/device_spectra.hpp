// From the ordered stars to the cube, on the device.
#pragma once

#include "device_observer.hpp"
#include "device_parts.hpp"
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

// Cubes of galaxies whose spaxels follow one another: spectra of the lit spaxels, behind LSF and PSF, in blocks of wavelengths that
// fit the device's memory; and the map of their flux, into the galaxies: on their owner. What is in a cube does not depend on the
// blocks, nor on the other galaxies. Waits for the device.
DeviceBuffer<float> makeDeviceCubes(const Stream&, const DeviceView&, DeviceTeam&, OrderedParts&, const KnotTable&,
                                    std::span<GalaxyCube* const>);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
