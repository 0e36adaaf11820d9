// The command line: subcommand, errors to text and exit code.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "cli/commands.hpp"
#include "config/suggest.hpp"
#include "device_observer.hpp"
#include "simd/kernels.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/hdf5_library.hpp"

namespace {

using namespace tessera;

struct Command {
    const char* name;
    ExitCode (*function)(const cli::Arguments&);
    bool parallel;  // every rank takes part; of the others, rank 0 alone does the work
    const char* doc;
};

constexpr Command commands[] = {
    {"run", cli::runCommand, true, "observe galaxies of a snapshot: CONFIG.json in, cubes out"},
    {"plan", cli::planCommand, false, "say what a run will take: time, memory, bytes, for any number of ranks"},
    {"gradient", cli::gradientCommand, true, "derivatives of the cubes' loss in stars, view and instrument"},
    {"merge", cli::mergeCommand, false, "put the shards of a run (run --shard I/N) together into one cube file"},
    {"mock", cli::mockCommand, false, "make a snapshot of mock galaxies to try everything on"},
    {"ssp", cli::sspCommand, false, "show or convert libraries of stellar spectra"},
    {"telescopes", cli::telescopesCommand, false, "list the telescopes known by name"},
    {"schema", cli::schemaCommand, false, "print the JSON Schema of the configuration"},
    {"export", cli::exportCommand, false, "write a galaxy of a cube file as FITS"},
};

void printHelp() {
    fmt::print(
        "Tessera {}: mock integral-field spectroscopy of cosmological simulations\n\nUsage: tessera COMMAND "
        "[options]\n\n"
        "Commands (tessera COMMAND --help describes each):\n",
        version());
    for (const Command& c : commands) fmt::print("  {:<12}{}\n", c.name, c.doc);
    fmt::print("{}", R"(
  --version   version and commit; with --verbose also compiler, MPI, HDF5 and OpenMP
  --help      this text

Example:
  tessera mock --output mock
  tessera run config.json --set snapshot.path=mock/output --output cubes.hdf5
  tessera export cubes.hdf5 --galaxy 0 --format muse --output galaxy0.fits

Exit codes: 0 done; 1 failed; 2 wrong command line or configuration; 75 stopped early, can be resumed.
)");
}

void printVersion(bool verbose) {
    fmt::print("tessera {} ({})\n", version(), commit());
    if (!verbose) return;
    fmt::print("build:    {}, {}\n", buildType(), compiler());
    fmt::print("MPI:      {}\n", mpiLibraryVersion());
    fmt::print("HDF5:     {}\n", hdf5LibraryVersion());
    fmt::print("OpenMP:   {}, {} threads\n", _OPENMP, omp_get_max_threads());
    fmt::print("GPU:      {}\n", deviceBackends());
    std::vector<std::string> levels;
    for (const char* level : {"baseline", "avx2", "avx512"})
        if (simd::kernelsOf(level) != nullptr) levels.push_back(level);
    fmt::print("SIMD:     {} (this build and CPU: {})\n", simd::kernels().name, fmt::join(levels, ", "));
}

const Command& findCommand(const std::string& name) {
    std::vector<std::string> names;
    for (const Command& c : commands) {
        if (name == c.name) return c;
        names.push_back(c.name);
    }
    throw ConfigError(fmt::format("unknown command \"{}\"; nearest: \"{}\"; commands: {}", name,
                                  nearestName(name, names), fmt::join(names, ", ")));
}

ExitCode dispatch(const cli::Arguments& args, int rank) {
    if (args.empty()) throw ConfigError("no command given; see tessera --help");
    const auto has = [&](const char* option) { return std::find(args.begin(), args.end(), option) != args.end(); };
    if (args[0] == "--help" || args[0] == "-h" || args[0] == "help" || args[0] == "--version") {
        if (rank != 0) return ExitCode::ok;
        if (args[0] == "--version")
            printVersion(has("--verbose") || has("-v"));
        else
            printHelp();
        return ExitCode::ok;
    }
    const Command& command = findCommand(args[0]);
    if (rank != 0 && !command.parallel) return ExitCode::ok;
    return command.function({args.begin() + 1, args.end()});
}

// What was printed must have arrived: `tessera schema > /dev/full` is a failure.
void flushOutput() {
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        throw Error("cannot write to standard output (no space left?)");
}

struct Ranks {
    int rank = 0, size = 1;
};

int fail(const Ranks& ranks, ExitCode code, const std::string& message) {
    // Every rank finds the same fault in a configuration or a header; rank 0 says so and takes the others down meanwhile.
    if (ranks.rank != 0) std::this_thread::sleep_for(std::chrono::seconds(1));
    const std::string who = ranks.size > 1 ? fmt::format("[rank {}] ", ranks.rank) : std::string();
    fmt::print(stderr, "{}tessera: error: {}\n", who, message);
    std::fflush(stderr);
    if (ranks.size > 1) Comm::world().abort(int(code));
    return int(code);
}

}  // namespace

int main(int argc, char** argv) {
    // A write beyond the file-size limit shall fail with an error, not kill the process.
    std::signal(SIGXFSZ, SIG_IGN);
    bool verbose = false;
    Ranks ranks;
    std::optional<MpiSession> session;
    try {
        startHdf5();
        session.emplace(argc, argv);
        ranks = {Comm::world().rank(), Comm::world().size()};
        const cli::Arguments args(argv + 1, argv + argc);
        verbose =
            std::any_of(args.begin(), args.end(), [](const std::string& a) { return a == "-v" || a == "--verbose"; });
        const ExitCode code = dispatch(args, ranks.rank);
        flushOutput();
        return int(code);
    } catch (const Error& e) {
        const std::string place =
            verbose ? fmt::format(" ({}:{})", e.where().file_name(), e.where().line()) : std::string();
        return fail(ranks, e.exitCode(), e.what() + place);
    } catch (const std::bad_alloc&) {
        return fail(ranks, ExitCode::failed,
                    "out of memory; a smaller telescope.fov, fewer wavelengths or fewer ranks on the node need less "
                    "(tessera run --dry-run estimates it)");
    } catch (const std::system_error& e) {  // of fmt::print, of std::filesystem
        return fail(ranks, ExitCode::failed, e.what());
    } catch (const std::exception& e) {
        return fail(ranks, ExitCode::failed, std::string("internal error: ") + e.what());
    }
}
