// The files of the tree and what all of them share.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mock/census.hpp"
#include "mock/sums.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera::mock {

// Rows [first[c], first[c + 1]) lie in file c.
using Boundaries = std::vector<std::uint64_t>;

struct Layout {
    std::string directory;  // holds output/ and postprocessing/
    int chunks = 1;
    std::array<Boundaries, typeCount> rows;
    Boundaries groups, subhalos;

    std::string snapshotFile(int number, int chunk) const;
    std::string catalogueFile(int number, int chunk) const;
    std::string offsetsFile(int number) const;
};

// Rows are spread evenly, gas over all files but the second (where there are three or more), the catalogue over all
// but the third (where there are four or more).
Layout layoutOf(const std::string& directory, const Census&, int chunks);

// Time, Redshift, BoxSize and the cosmology.
void writeEpoch(const h5::Group& header, const Epoch&);

struct ParticleSums {
    std::vector<SegmentSums> gas, stars;  // by segment
};

// The snapshot's files, in one pass over the particles with blockRows rows in memory.
ParticleSums writeSnapshot(const Layout&, const Census&, std::size_t blockRows);

// The group catalogue and the offsets.
void writeCatalogue(const Layout&, const Census&, const ParticleSums&);

}  // namespace tessera::mock
