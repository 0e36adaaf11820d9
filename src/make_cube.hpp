// From the stars' spectra to a cube: blocks of wavelengths that fit the memory go through PSF and LSF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tessera/model/cube.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// What the cubes of one view share.
struct CubePlan {
    CubePlan() = default;
    CubePlan(Optics, std::vector<std::uint8_t> mask, std::vector<std::uint8_t> covered);

    Optics optics;
    std::vector<std::uint8_t> mask;     // [n n] spaxels inside the aperture
    std::vector<std::uint8_t> covered;  // pixels that the library reaches
    bool allCovered = true, anyCovered = true;
    std::vector<float> weight;  // [Angstrom] of a pixel in the flux map; 0 where it is not covered
    double scale = 1;           // of the stars' luminosities
    std::string fluxUnit;
};

// Memory that is kept from galaxy to galaxy; nothing in it matters.
struct CubeWorkspace {
    Buffer<float> spectra;
};

// Fills out[lit][stride] with pixels [from, from + count) of the spectra of the lit spaxels.
using AccumulateBlock = std::function<void(std::ptrdiff_t from, std::size_t count, float* out, std::size_t stride)>;

// Wavelength pixels that are worked on at once: as many as the budget [byte] holds of the lit spaxels.
std::size_t blockPixels(const Optics&, std::size_t lit, std::uint64_t budget);

// Fills the cube, NaN outside the aperture and where the library does not reach; returns the map of its flux.
// budget: [byte] of a block of spectra. whole: all wavelengths are accumulated at once; the wings of the spectra are then dark.
Map makeCube(Host, const CubePlan&, std::span<const std::uint32_t> lit, std::uint64_t budget, bool whole,
             const AccumulateBlock&, CubeWorkspace&, Cube&);

}  // namespace tessera
