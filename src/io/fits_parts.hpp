// What the FITS formats share: axes, provenance, and the turn from [y][x][lambda] to FITS's planes of one wavelength.
#pragma once

#include <algorithm>
#include <vector>

#include "io/fits_file.hpp"
#include "tessera/io/fits.hpp"

namespace tessera {

// "10**-20 erg s-1 cm-2 Angstrom-1" of "1e-20 erg/s/cm2/A" and the like: the FITS standard's names, with exponents
// written out and without division. Empty for dimensionless units and for those the standard has no name for.
std::string fitsUnit(const std::string& unit);
// Unit of the square of a quantity in a unit that fitsUnit() gave.
std::string squaredUnit(const std::string& unit);

// BUNIT, or a comment with the unit where fitsUnit() knows none.
void writeUnit(FitsFile&, const std::string& unit, const char* comment = "");

// Celestial axes 1 and 2: tangential projection about the field's centre, east to the left.
void writeSkyAxes(FitsFile&, const GalaxyCube&, int axes);
// The same with the wavelength as axis 3; log grids as AWAV-LOG and WAVE-LOG.
void writeCubeAxes(FitsFile&, const GalaxyCube&, const std::string& medium);
void writeProvenance(FitsFile&, const GalaxyCube&, const FitsOptions&);

// Writes a cube [lambda][y][x] whose voxel is value(spaxel, lambda) into the current image.
template <class T, class F>
void writePlanes(FitsFile& file, const Cube& shape, F value) {
    const std::size_t spaxels = shape.spaxels(), block = std::min<std::size_t>(shape.nLambda, 64);
    std::vector<T> planes(block * spaxels);
    for (std::size_t first = 0; first < shape.nLambda; first += block) {
        const std::size_t count = std::min(block, shape.nLambda - first);
#pragma omp parallel for schedule(static)
        for (std::size_t s = 0; s < spaxels; ++s)
            for (std::size_t j = 0; j < count; ++j) planes[j * spaxels + s] = value(s, first + j);
        file.write(first * spaxels, count * spaxels, planes.data());
    }
}

void writeMuse(FitsFile&, const GalaxyCube&, const FitsOptions&);
void writeManga(FitsFile&, const GalaxyCube&, const FitsOptions&);

}  // namespace tessera
