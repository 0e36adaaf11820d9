#include <fmt/format.h>

#include <sstream>

#include "cli/options.hpp"
#include "tessera/io/cube_merge.hpp"

namespace tessera::cli {

namespace {

const char* const mergeHelp = R"(Usage: tessera merge --output FILE.hdf5 [SHARD.hdf5 ...] [--copy]

Puts the shards of a run (tessera run --shard I/N) together into one cube file: the catalogue of all of them in
order, and every galaxy. The merged file leads to the galaxies in the shards' files by HDF5 external links with
relative paths, so it is small and made at once, and the shards must stay beside it; the directory as a whole may be
moved. With --copy the cubes are copied, as they are stored, and the shards can be deleted.

Without SHARD, the shards are those beside FILE.hdf5: FILE.shard0.hdf5, FILE.shard1.hdf5, ... All must be there,
complete, and of one version, configuration, SSP library and snapshot.

Examples:
  tessera merge --output cubes.hdf5
  tessera merge --output cubes.hdf5 --copy && rm cubes.shard*.hdf5
  tessera merge --output all.hdf5 /scratch/run/cubes.shard*.hdf5 --copy

)";

}  // namespace

ExitCode mergeCommand(const Arguments& args) {
    po::options_description options("Options", 110), all;
    // clang-format off
    options.add_options()
        ("output,o", po::value<std::string>()->value_name("FILE"), "the merged file; replaced when the new one is complete")
        ("copy", "copy the cubes instead of linking to the shards")
        ("quiet,q", "no summary")
        ("help,h", "this text");
    all.add(options);
    all.add_options()("shards", po::value<std::vector<std::string>>());
    // clang-format on
    const po::variables_map values = parseOptions("merge", args, all, {"shards..."});
    if (values.count("help")) {
        std::ostringstream text;
        text << options;
        fmt::print("{}{}", mergeHelp, text.str());
        return ExitCode::ok;
    }
    if (!values.count("output")) throw ConfigError("merge: --output is missing: tessera merge --output FILE.hdf5");
    const std::string output = values["output"].as<std::string>();
    const MergeBy by = values.count("copy") ? MergeBy::copies : MergeBy::links;
    const Merged merged = mergeShards(
        values.count("shards") ? values["shards"].as<std::vector<std::string>>() : findShards(output), output, by);
    if (!values.count("quiet"))
        fmt::print("{}: {} galaxies ({} rows) of {} shards, {}\n", output, merged.galaxies, merged.rows, merged.shards,
                   by == MergeBy::copies ? "copied" : "linked: the shards must stay where they are seen from it");
    return ExitCode::ok;
}

}  // namespace tessera::cli
