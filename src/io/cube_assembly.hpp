// One cube file out of cubes that stand in others: of shards (tessera merge) and of the parts of a run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tessera/io/cube_file.hpp"
#include "tessera/io/cube_merge.hpp"

namespace tessera {

// A row of the catalogue and the file that has the cube, where there is one (status "ok").
struct SourcedRow {
    GalaxyReport report;
    std::string source;
};

// Writes `output` under a temporary name, then renames it; its catalogue has the rows in this order. Links hold the
// source's path as seen from the output. synced: it is on disk when this returns. Returns the number of galaxies.
// Error: a galaxy is in two of the sources; what it says of a source or of the output names the file.
std::size_t assembleCubeFile(const std::string& output, const CubeFileHeader&, const std::vector<SourcedRow>&, MergeBy,
                             bool synced);

}  // namespace tessera
