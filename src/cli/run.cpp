#include <fmt/format.h>

#include <cstdio>
#include <sstream>

#include "cli/options.hpp"
#include "cli/run_values.hpp"
#include "tessera/model/config.hpp"
#include "tessera/pipeline.hpp"

namespace tessera::cli {

namespace {

const char* const runHelp = R"(Usage: tessera run CONFIG.json [options]

Observes every galaxy of the configuration in every view and writes the cubes into one HDF5 file (and FITS
files where output.fits is true). Runs alone or under mpirun/srun: each rank reads a slice of the snapshot, and
large galaxies are shared by several.

What is finished stands in FILE.parts/ until the file is put together from it: after a run that was killed or ended
early, --resume goes on from there, with any number of ranks. A galaxy that cannot be read or observed is noted in the
catalogue ("failed: reason") and the others go on; the exit code is 1 where not one cube was made.

Examples:
  tessera run config.json
  tessera run config.json --set telescope.fov=30 --set view.orientation=edge-on --output edge.hdf5
  tessera run config.json --rows survey.csv
  tessera run config.json --dry-run
  tessera run config.json --resume
  tessera run config.json --retry-failed
  mpirun -np 4 tessera run config.json
  sbatch --array=0-9 --wrap 'tessera run config.json --shard auto'    # then: tessera merge --output cubes.hdf5

SIGTERM, SIGUSR1 and SIGINT end a run after the cubes that are being made, with exit code 75; --resume goes on.

)";

}  // namespace

ExitCode runCommand(const Arguments& args) {
    po::options_description options("Options", 110);
    po::options_description all;
    // clang-format off
    options.add_options()
        ("set", po::value<std::vector<std::string>>()->composing()->value_name("key.path=value"),
         "change a value of the configuration (repeatable)")
        ("rows", po::value<std::string>()->value_name("FILE"),
         "a cube for every row of a table (.csv, .ecsv, .hdf5) with a column subhalo and columns named after keys of the "
         "configuration, which they change; in place of the configuration's galaxies.subhalos, file or rows")
        ("output,o", po::value<std::string>()->value_name("FILE"), "the same as --set output.path=FILE")
        ("shard", po::value<std::string>()->value_name("I/N"),
         "observe part I (from 0) of N equal parts of the galaxies, into FILE.shardI; auto: from Slurm's job array. "
         "A shard that is complete is left as it is")
        ("resume", "go on with a run of the same output that was killed or ended early; harmless where there is none")
        ("retry-failed", "as --resume; of an output that is complete, the galaxies that failed are observed again")
        ("overwrite", "observe again what is complete, and throw away what an earlier run finished")
        ("strict", "the first galaxy that cannot be read or observed ends the run")
        ("max-time", po::value<std::string>()->value_name("HH:MM"),
         "end before so much time is over, with exit code 75; also HH:MM:SS, D-HH:MM:SS, 90s, 30m, 1.5h")
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
        fmt::print("{}{}", runHelp, text.str());
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
    run.overwrite = values.count("overwrite") != 0;
    run.retryFailed = values.count("retry-failed") != 0;
    run.resume = run.retryFailed || values.count("resume") != 0;
    run.strict = values.count("strict") != 0;
    if (run.resume && run.overwrite)
        throw ConfigError(
            fmt::format("run: --{} and --overwrite exclude each other", run.retryFailed ? "retry-failed" : "resume"));
    if (values.count("max-time")) run.maxSeconds = parseDuration(values["max-time"].as<std::string>());
    if (values.count("shard")) {
        const ShardChoice choice = parseShard(values["shard"].as<std::string>());
        run.shard = choice.shard;
        run.shards = choice.shards;
    }

    std::vector<std::string> overrides;
    if (values.count("set")) overrides = values["set"].as<std::vector<std::string>>();
    if (values.count("rows")) {
        overrides.insert(overrides.end(), {"galaxies.subhalos=null", "galaxies.file=null"});
        overrides.push_back("galaxies.rows=" + values["rows"].as<std::string>());
    }
    // As JSON text, so that a file called 1 or true stays a name.
    if (values.count("output")) overrides.push_back("output.path=" + values["output"].as<std::string>());
    return tessera::run(loadConfig(values["config"].as<std::string>(), overrides), run);
}

}  // namespace tessera::cli
