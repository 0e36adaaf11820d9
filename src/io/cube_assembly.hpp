// One cube file out of cubes that stand in others: of shards (tessera merge) and of the parts of a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/core/mpi_handle.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/cube_merge.hpp"
#include "tessera/io/cube_parts.hpp"

namespace tessera {

// A row of the catalogue and the file that has the cube, where there is one (status "ok").
struct SourcedRow {
    GalaxyReport report;
    std::string source;
};

// The rows of parts of this output, with the paths of their files.
std::vector<SourcedRow> sourcedRows(const std::string& output, const std::vector<RowOfPart>&);

// Writes `output` under a temporary name, then renames it; its catalogue has the rows in this order. Links hold the
// source's path as seen from the output. synced: it is on disk when this returns. Returns the number of galaxies.
// Error: a galaxy is in two of the sources; what it says of a source or of the output names the file.
std::size_t assembleCubeFile(const std::string& output, const CubeFileHeader&, const std::vector<SourcedRow>&, MergeBy,
                             bool synced);

// The galaxies with a cube, by their sources, in the order of the rows. Error: one is in two sources.
struct GalaxiesOfSource {
    std::string source;
    std::vector<std::int64_t> ids;
};
std::vector<GalaxiesOfSource> galaxiesBySource(const std::vector<SourcedRow>&);

// The same file made by several processes: one begins it, with header and catalogue; then all, in a call of all with the
// same arguments, add the galaxies, each reading and writing chunks of its own of every cube.
void beginCubeFile(const std::string& path, const CubeFileHeader&, const std::vector<SourcedRow>&);
void addGalaxiesTogether(const std::string& path, const std::vector<GalaxiesOfSource>&, const MpiHandle&);

}  // namespace tessera
