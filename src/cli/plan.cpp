#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <sstream>

#include "calibration.hpp"
#include "cli/options.hpp"
#include "cli/run_values.hpp"
#include "forecast.hpp"
#include "plan_text.hpp"
#include "tessera/mock.hpp"
#include "totals.hpp"

namespace tessera::cli {

namespace {

const char* const planHelp = R"(Usage: tessera plan CONFIG.json [--ranks N[,N...]] [options]

Says what a run will take before it is started: star particles and bytes read and written, memory a rank, time,
galaxies that several ranks share, and how long a rank waits for others. With several numbers of ranks, a table to
choose from. Nothing is written, no particles are read.

Times are those of this machine: the first plan of a configuration observes, writes and reads mock galaxies for some
seconds, in a directory beside the output that is removed again, and keeps the result in ~/.cache/tessera.

--simulation plans for a snapshot that is not here, of which totals are known; --totals reads them from a JSON file
(docs/formats.md), or changes those of --simulation. Their galaxies are drawn up from a mass function: an assumption.

Examples:
  tessera plan config.json --ranks 1,2,4,8,16
  tessera plan config.json --ranks 8 --threads 4 --set galaxies.min_stars=1000
  tessera plan config.json --simulation TNG50-1 --ranks 64
  tessera plan config.json --simulation TNG300-1 --totals mine.json --ranks 128,256 --json

)";

std::vector<int> parseRanks(const std::string& text) {
    std::vector<int> ranks;
    std::stringstream list(text);
    for (std::string part; std::getline(list, part, ',');) {
        const bool digits =
            !part.empty() && part.size() < 8 && part.find_first_not_of("0123456789") == std::string::npos;
        if (!digits || std::stoi(part) < 1 || std::stoi(part) > 1'000'000)
            throw ConfigError(
                fmt::format("plan: --ranks \"{}\"; allowed: whole numbers from 1 to 1000000 with commas "
                            "between, as in 1,2,4",
                            text));
        ranks.push_back(std::stoi(part));
    }
    if (ranks.empty()) throw ConfigError("plan: --ranks is empty; allowed: numbers as in 1,2,4");
    return ranks;
}

MockSource mockSource() {
    return {[](std::uint64_t stars, double mass) { return mockGalaxy(stars, 1, mass); },
            [](const std::string& directory, std::uint64_t stars) {
                MockOptions o;
                o.output = directory;
                o.galaxies = 2;
                o.stars = stars;
                o.gas = 0;
                o.chunks = 1;
                return makeMock(o).basePath;
            }};
}

// A node of this machine's kind: as many ranks as it has cores for.
struct Layout {
    int threads, perNode;
};
Layout layoutOf(int ranks, int threads) {
    const int cores = std::max(1, omp_get_num_procs());
    const int perNode = std::min(ranks, threads > 0 ? std::max(1, cores / threads) : cores);
    return {threads > 0 ? threads : std::max(1, cores / perNode), perNode};
}

// [byte] that the system can keep of files.
bool fitsMemory(const RunPlan& plan) {
    double rows = 0;
    for (const Subhalo& g : plan.galaxies) rows += double(g.stars.count);
    return rows * plan.snapshot->info().starBytes < 0.5 * nodeMemory();
}

}  // namespace

ExitCode planCommand(const Arguments& args) {
    po::options_description options("Options", 110), all;
    // clang-format off
    options.add_options()
        ("ranks", po::value<std::string>()->value_name("N[,N...]")->default_value("1"), "numbers of MPI ranks")
        ("threads", po::value<int>()->value_name("T"),
         "of each rank; otherwise resources.threads, else this machine's cores shared by the ranks on it")
        ("set", po::value<std::vector<std::string>>()->composing()->value_name("key.path=value"),
         "change a value of the configuration (repeatable)")
        ("shard", po::value<std::string>()->value_name("I/N"), "plan part I (from 0) of N equal parts of the galaxies")
        ("simulation", po::value<std::string>()->value_name("NAME"),
         "a snapshot that is not here: TNG50-1, TNG100-1 or TNG300-1 at snapshot 99")
        ("totals", po::value<std::string>()->value_name("FILE.json"), "totals of a snapshot that is not here")
        ("calibrate", "measure this machine anew")
        ("no-calibrate", "measure nothing: the times of docs/performance.md")
        ("json", "all numbers as JSON, those of each rank and shared galaxy too")
        ("help,h", "this text");
    all.add(options);
    all.add_options()("config", po::value<std::string>());
    // clang-format on
    const po::variables_map values = parseOptions("plan", args, all, {"config"});
    if (values.count("help")) {
        std::ostringstream text;
        text << options;
        fmt::print("{}{}", planHelp, text.str());
        return ExitCode::ok;
    }
    if (!values.count("config")) throw ConfigError("plan: no configuration file given: tessera plan CONFIG.json");
    if (values.count("calibrate") && values.count("no-calibrate"))
        throw ConfigError("plan: --calibrate and --no-calibrate exclude each other");
    const std::vector<int> ranks = parseRanks(values["ranks"].as<std::string>());
    std::vector<std::string> overrides;
    if (values.count("set")) overrides = values["set"].as<std::vector<std::string>>();
    const Config config = loadConfig(values["config"].as<std::string>(), overrides);
    const int threads = values.count("threads") ? values["threads"].as<int>() : config.resources.threads;
    if (threads < 0 || threads > 4096 || (values.count("threads") && threads == 0))
        throw ConfigError(fmt::format("plan: --threads {}; allowed: 1 to 4096", threads));

    RunOptions run;
    if (values.count("shard")) {
        const ShardChoice choice = parseShard(values["shard"].as<std::string>());
        run.shard = choice.shard;
        run.shards = choice.shards;
    }
    std::unique_ptr<Snapshot> instead;
    if (values.count("simulation") || values.count("totals")) {
        SnapshotTotals totals;
        if (values.count("simulation")) totals = knownTotals(values["simulation"].as<std::string>());
        if (values.count("totals")) totals = readTotals(values["totals"].as<std::string>(), totals);
        instead = snapshotOf(totals);
    }
    const bool here = !instead;
    const auto begin = std::chrono::steady_clock::now();
    const RunPlan plan = makePlan(config, run, std::move(instead));
    const double planSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    std::map<int, Calibration> calibrations;
    const bool compressed = config.output.compression > 0;
    std::vector<Forecast> forecasts;
    for (const int n : ranks) {
        const Layout layout = layoutOf(n, threads);
        auto known = calibrations.find(layout.threads);
        if (known == calibrations.end())
            known = calibrations
                        .emplace(layout.threads,
                                 values.count("no-calibrate")
                                     ? builtInCalibration(layout.threads, compressed)
                                     : calibrated(plan, layout.threads, mockSource(), values.count("calibrate") != 0))
                        .first;
        forecasts.push_back(
            forecast(plan, known->second, {n, layout.perNode, !here || !fitsMemory(plan), planSeconds}));
    }
    fmt::print("{}", values.count("json") ? planJson(plan, forecasts) : planText(plan, forecasts));
    return ExitCode::ok;
}

}  // namespace tessera::cli
