#include <fmt/format.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "cli/options.hpp"
#include "tessera/model/config.hpp"
#include "tessera/pipeline.hpp"

namespace tessera::cli {

namespace {

const char* const help = R"(Usage: tessera run CONFIG.json [options]

Observes every galaxy of the configuration in every view and writes the cubes into one HDF5 file (and FITS
files where output.fits is true). Runs alone or under mpirun/srun: galaxies are dealt to the ranks.

Examples:
  tessera run config.json
  tessera run config.json --set telescope.fov=30 --set view.orientation=edge-on --output edge.hdf5
  tessera run config.json --dry-run
  mpirun -np 4 tessera run config.json
  sbatch --array=0-9 --wrap 'tessera run config.json --shard auto'

)";

unsigned parseCount(const std::string& text, const std::string& what) {
    bool digits = !text.empty() && text.size() < 10;
    for (unsigned char c : text) digits = digits && std::isdigit(c);
    if (!digits) throw ConfigError(fmt::format("run: {}: \"{}\" is not a whole number of 0 or more", what, text));
    return unsigned(std::stoul(text));
}

unsigned slurmNumber(const char* name) {
    const char* text = std::getenv(name);
    if (text == nullptr)
        throw ConfigError(
            fmt::format("run: --shard auto: {} is not set; allowed: inside a Slurm job array (sbatch --array), "
                        "else --shard I/N",
                        name));
    return parseCount(text, name);
}

// I/N, or auto: this task's place in a Slurm job array.
void setShard(const std::string& text, RunOptions& run) {
    if (text == "auto") {
        const unsigned first = slurmNumber("SLURM_ARRAY_TASK_MIN"), task = slurmNumber("SLURM_ARRAY_TASK_ID");
        run.shards = slurmNumber("SLURM_ARRAY_TASK_COUNT");
        run.shard = task - first;
        if (task < first || run.shard >= run.shards)
            throw ConfigError(
                fmt::format("run: --shard auto: task {} is not one of {} from {} on; allowed: an array without "
                            "gaps (--array=0-9)",
                            task, run.shards, first));
        return;
    }
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos)
        throw ConfigError(fmt::format("run: --shard \"{}\"; allowed: I/N with 0 <= I < N, or auto", text));
    run.shard = parseCount(text.substr(0, slash), "--shard");
    run.shards = parseCount(text.substr(slash + 1), "--shard");
    if (run.shard >= run.shards)
        throw ConfigError(fmt::format("run: --shard {}: allowed: I/N with 0 <= I < N (counted from 0)", text));
}

}  // namespace

ExitCode runCommand(const Arguments& args) {
    po::options_description options("Options", 110);
    po::options_description all;
    // clang-format off
    options.add_options()
        ("set", po::value<std::vector<std::string>>()->composing()->value_name("key.path=value"),
         "change a value of the configuration (repeatable)")
        ("output,o", po::value<std::string>()->value_name("FILE"), "the same as --set output.path=FILE")
        ("shard", po::value<std::string>()->value_name("I/N"),
         "observe part I (from 0) of N equal parts of the galaxies, into FILE.shardI; auto: from Slurm's job array")
        ("dry-run", "check everything, say what would be done, read no particles, write nothing")
        ("quiet,q", "no progress, no summary; errors and warnings only")
        ("verbose,v", "more messages, and the place in the code of an error")
        ("help,h", "this text");
    all.add(options);
    all.add_options()("config", po::value<std::string>());
    // clang-format on
    const po::variables_map values = parseOptions("run", args, all, {"config"});
    if (values.count("help")) {
        std::ostringstream text;
        text << options;
        fmt::print("{}{}", help, text.str());
        return ExitCode::ok;
    }
    if (!values.count("config")) throw ConfigError("run: no configuration file given: tessera run CONFIG.json");
    if (values.count("quiet") && values.count("verbose"))
        throw ConfigError("run: --quiet and --verbose exclude each other");

    RunOptions run;
    run.dryRun = values.count("dry-run") != 0;
    run.quiet = values.count("quiet") != 0;
    run.verbosity = int(values.count("verbose"));
    run.progress = !run.quiet;
    if (values.count("shard")) setShard(values["shard"].as<std::string>(), run);

    std::vector<std::string> overrides;
    if (values.count("set")) overrides = values["set"].as<std::vector<std::string>>();
    // As JSON text, so that a file called 1 or true stays a name.
    if (values.count("output")) overrides.push_back("output.path=" + values["output"].as<std::string>());
    return tessera::run(loadConfig(values["config"].as<std::string>(), overrides), run);
}

}  // namespace tessera::cli
