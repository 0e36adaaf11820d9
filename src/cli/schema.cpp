#include <fmt/format.h>

#include <cstdio>

#include "cli/options.hpp"
#include "config/markdown.hpp"
#include "tessera/model/config.hpp"

namespace tessera::cli {

namespace {
const char* const schemaHelp = R"(Usage: tessera schema

Prints the JSON Schema (draft 2020-12) of the configuration: every key with its type, default, allowed
values, unit and meaning. Editors that are given it complete and check configurations while they are typed.

Example:
  tessera schema > tessera.schema.json
)";
}

ExitCode schemaCommand(const Arguments& args) {
    po::options_description options, hidden;
    options.add_options()("help,h", "this text");
    hidden.add(options);
    hidden.add_options()("markdown", "docs/config.md instead");
    const po::variables_map values = parseOptions("schema", args, hidden);
    if (values.count("help"))
        fmt::print("{}", schemaHelp);
    else
        fmt::print("{}", values.count("markdown") ? configMarkdown() : configSchema());
    return ExitCode::ok;
}

}  // namespace tessera::cli
