// The end of a run: one file out of the parts of all ranks.
#pragma once

#include <string>
#include <vector>

#include "tessera/comm/comm.hpp"
#include "tessera/io/cube_parts.hpp"
#include "tessera/model/config.hpp"

namespace tessera {

// ConfigError where output.assembly asks for what this build has not.
void checkAssembly(const OutputConfig&);

// A call of all ranks; rows: rank 0's, in the order of the catalogue. Rank 0 alone renames, copies or links parts, or all
// ranks write the file together (output.assembly): the same groups, datasets, filters and attributes either way. The file
// appears under its name when it is complete and on disk; then the parts that it does not need go. An Error of one rank is
// to end the others, which wait for it.
void assemble(const Comm&, const std::string& output, const CubeFileHeader&, const std::vector<RowOfPart>& rows,
              const OutputConfig&);

}  // namespace tessera
