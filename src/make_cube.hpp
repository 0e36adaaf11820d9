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

// What the stars in the field add up to, as the report says it.
inline void reportSums(const SpaxelSums& all, GalaxyReport& r) {
    r.nStarsInField = all.stars;
    r.massInField = all.mass;
    r.luminosityInBand = all.light;
    r.nClampedAge = all.clampedAge;
    r.nClampedMetallicity = all.clampedMetallicity;
    r.massClamped = all.clampedMass;
}

// Memory that is kept from galaxy to galaxy; nothing in it matters.
struct CubeWorkspace {
    Buffer<float> spectra;
};

// Fills out[lit][stride] with pixels [from, from + count) of the spectra of the lit spaxels.
using AccumulateBlock = std::function<void(std::ptrdiff_t from, std::size_t count, float* out, std::size_t stride)>;

// [byte] for a block of spectra of so many stars. Every block costs the stars anew, so that galaxies of many stars get larger
// ones. docs/performance.md states the peak.
std::uint64_t blockBytes(const Config&, std::uint64_t stars);

// Of a fine library (KnotTable::fine), which reads its sums once every few hundred pixels, longer blocks gain nothing.
constexpr std::size_t longestFineBlock = 1024;

// Wavelength pixels that are worked on at once: as many as the budget [byte] holds of the lit spaxels, or `longest`.
std::size_t blockPixels(const Optics&, std::size_t lit, std::uint64_t budget, std::size_t longest = std::size_t(-1));

// Wavelengths are worked on in blocks, as many pixels at once as the budget [byte] holds of the lit spaxels' spectra.
// whole: all of them at once; the wings of the spectra are then dark.
class SpectraBlocks {
public:
    SpectraBlocks(const Optics&, std::size_t lit, std::uint64_t budget, std::size_t longest, bool whole);

    std::size_t stride() const { return stride_; }  // floats from one spectrum to the next
    // Fills every block in turn and hands it to use(first pixel, pixels, spectra); lit: spectra that are filled here.
    using Use = std::function<void(std::size_t first, std::size_t count, float* spectra)>;
    void forEach(Host, std::size_t lit, const AccumulateBlock&, CubeWorkspace&, const Use&) const;

private:
    std::size_t size_, wings_, block_, stride_;
    bool whole_;
};

// Fills the cube, NaN outside the aperture and where the library does not reach; returns the map of its flux.
Map makeCube(Host, const CubePlan&, std::span<const std::uint32_t> lit, const SpectraBlocks&, const AccumulateBlock&,
             CubeWorkspace&, Cube&);

}  // namespace tessera
