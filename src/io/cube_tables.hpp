// The header and the catalogue of a cube file.
#pragma once

#include <vector>

#include "tessera/io/cube_file.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/model/galaxy.hpp"

namespace tessera {

// Attributes of the root and, where all cubes share it, /wavelength; `created` is now.
void writeCubeHeader(const h5::Group& root, const CubeFileHeader&);
CubeFileHeader readCubeHeader(const h5::Group& root);  // what the file lacks stays empty
// The dataset `wavelength` of the root or of a cube.
void writeWavelengths(const h5::Group&, const WavelengthGrid&);
WavelengthGrid readWavelengths(const h5::Group&);

void writeCatalogue(const h5::Group& root, const std::vector<GalaxyReport>&);
std::vector<GalaxyReport> readCatalogue(const h5::Group& root);  // Error: a column is missing or of another shape

}  // namespace tessera
