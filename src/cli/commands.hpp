// The subcommands, one file each. args: what follows the subcommand's name on the command line.
#pragma once

#include <string>
#include <vector>

#include "tessera/core/error.hpp"

namespace tessera::cli {

using Arguments = std::vector<std::string>;

ExitCode runCommand(const Arguments&);
ExitCode gradientCommand(const Arguments&);
ExitCode planCommand(const Arguments&);
ExitCode mergeCommand(const Arguments&);
ExitCode mockCommand(const Arguments&);
ExitCode sspCommand(const Arguments&);
ExitCode telescopesCommand(const Arguments&);
ExitCode schemaCommand(const Arguments&);
ExitCode exportCommand(const Arguments&);

}  // namespace tessera::cli
