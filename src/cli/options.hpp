// Command-line options of a subcommand: parsing with Boost.Program_options, errors as ConfigError with the nearest
// option.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace tessera::cli {

namespace po = boost::program_options;

// positional: names of the options that plain arguments fill, in order; "name...": all that follow.
po::variables_map parseOptions(const std::string& command, const Arguments&, const po::options_description&,
                               const std::vector<std::string>& positional = {});

}  // namespace tessera::cli
