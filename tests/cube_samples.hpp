// Cubes with a known pattern, for the tests of the cube file and of FITS.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>

#include "tessera/model/galaxy.hpp"

namespace tessera::samples {

// value(iy, ix, j) = 1 + iy + 100 ix + 0.001 j, NaN in the first spaxel; variance 4 + j. All fields of the report
// differ.
inline GalaxyCube makeCube(std::size_t ny, std::size_t nx, const WavelengthGrid& grid, std::int64_t subhalo = 7,
                           int view = 0) {
    GalaxyCube cube;
    cube.wavelength = grid;
    cube.grid = {nx, 0.2, 0.4};
    cube.unit = "1e-20 erg s-1 cm-2 Angstrom-1";
    cube.flux = Cube(ny, nx, grid.size);
    cube.variance = Cube(ny, nx, grid.size);
    Map mass{"mass", "Msun", {}}, velocity{"velocity_mass", "km/s", {}}, stars{"stars", "", {}};
    for (std::size_t iy = 0; iy < ny; ++iy)
        for (std::size_t ix = 0; ix < nx; ++ix) {
            const bool outside = iy == 0 && ix == 0;
            const float nan = std::numeric_limits<float>::quiet_NaN();
            for (std::size_t j = 0; j < grid.size; ++j) {
                cube.flux.spectrum(iy, ix)[j] = outside ? nan : 1 + float(iy) + 100 * float(ix) + 0.001f * float(j);
                cube.variance.spectrum(iy, ix)[j] = outside ? nan : 4 + float(j);
            }
            mass.data.push_back(outside ? nan : float(10 * iy + ix));
            velocity.data.push_back(-float(ix));
            stars.data.push_back(float(iy));
        }
    cube.maps = {mass, velocity, stars};
    GalaxyReport& r = cube.report;
    r.subhalo = subhalo;
    r.view = view;
    r.redshift = 0.1;
    r.luminosityDistanceMpc = 475.5;
    r.angularDistanceMpc = 393.0;
    r.kpcPerArcsec = 2.0;
    r.spaxelArcsec = 0.2;
    r.nStars = 5000000000ULL;
    r.nStarsInField = 4000;
    r.massInField = 1.5e10;
    r.nClampedAge = 3;
    r.nClampedMetallicity = 2;
    r.massClamped = 4e6;
    r.nWind = 11;
    for (int i = 0; i < 3; ++i)
        for (int k = 0; k < 3; ++k) r.rotation.row[i][k] = 3 * i + k;
    r.centre = {1e4, 2e4, 3e4};
    r.systemicVelocity = {-100, 50, 25};
    r.luminosityInBand = 1e9;
    r.seconds = 1.25;
    return cube;
}

inline bool sameBytes(const Buffer<float>& a, const Buffer<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Files in a directory: temporary ones left behind would count.
inline std::size_t filesIn(const std::filesystem::path& directory) {
    return std::size_t(std::distance(std::filesystem::directory_iterator(directory), {}));
}

}  // namespace tessera::samples
