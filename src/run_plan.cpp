#include "run_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "assembly.hpp"
#include "cost.hpp"
#include "footprint.hpp"
#include "io/sha256.hpp"
#include "progress.hpp"
#include "rows.hpp"
#include "selection.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/cube_merge.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// The directory's own permissions; the file itself is replaced, whatever its own are.
void checkWritable(const std::string& path) {
    std::error_code code;
    const fs::path parent = fs::path(path).parent_path();
    const std::string directory = parent.empty() ? "." : parent.string();
    if (!fs::is_directory(directory, code))
        throw Error(fmt::format("output.path {}: there is no directory {}", path, directory));
    if (fs::is_directory(path, code)) throw Error(fmt::format("output.path {}: is a directory", path));
    if (access(directory.c_str(), W_OK | X_OK) != 0)
        throw Error(
            fmt::format("output.path {}: cannot write into directory {}: {}", path, directory, std::strerror(errno)));
}

void chooseGalaxies(RunPlan& plan, const NamedGalaxies& named) {
    const GalaxiesConfig& chosen = plan.config.galaxies;
    Selection selection = selectGalaxies(*plan.snapshot, chosen, named);
    plan.galaxies = std::move(selection.galaxies);
    plan.leftOut = std::move(selection.leftOut);
    for (auto& [i, why] : selection.skipped) plan.skipped.emplace(plan.galaxies[i].id, std::move(why));
    if (plan.galaxies.empty()) {
        std::string why;
        for (const auto& [kind, count] : plan.leftOut)
            why += fmt::format("{}{} {}", why.empty() ? "" : ", ", count, kind);
        throw Error(fmt::format("{}: none of its {} subhalos passes the cuts: {}", plan.snapshot->info().path,
                                plan.snapshot->info().numSubhalos, why));
    }
    if (chosen.centre && plan.galaxies.size() > 1)
        throw ConfigError(
            fmt::format("galaxies.centre: one centre for the {} galaxies of {}; name one in galaxies.subhalos",
                        plan.galaxies.size(), plan.snapshot->info().path));
}

// Tells one content of a snapshot from another, of the same header even, without reading particles.
std::string fingerprint(const RunPlan& plan) {
    std::string bytes;
    const auto add = [&bytes](const auto&... values) {
        (bytes.append(reinterpret_cast<const char*>(&values), sizeof values), ...);
    };
    const SnapshotInfo& info = plan.snapshot->info();
    add(info.redshift, info.boxSize, info.numStars, info.numSubhalos);
    for (const Subhalo& g : plan.galaxies) {
        add(g.id, g.stars.first, g.stars.count);
        if (g.ownStars) add(g.ownStars->first, g.ownStars->count);
        for (const auto& vector : {g.position, g.velocity})
            if (vector) add(vector->x, vector->y, vector->z);
    }
    return sha256OfText(bytes);
}

// Pixels of all cubes; none where they differ.
WavelengthGrid sharedWavelengths(const std::vector<Setup>& setups) {
    const WavelengthGrid first = setups.front().config.telescope.wavelengths();
    for (const Setup& setup : setups)
        if (setup.config.telescope.wavelengths() != first) return {};
    return first;
}

void keepShard(RunPlan& plan) {
    if (plan.shards <= 1) return;
    const auto keep = [](auto& all, std::size_t from, std::size_t to) {
        all = {std::make_move_iterator(all.begin() + std::ptrdiff_t(from)),
               std::make_move_iterator(all.begin() + std::ptrdiff_t(to))};
    };
    std::vector<double> costs;
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) costs.push_back(plan.costOf(g));
    const std::vector<std::size_t> cuts = cutEvenly(costs, plan.shards);
    const std::size_t from = cuts[plan.shard], to = cuts[plan.shard + 1];
    const std::size_t first = plan.firstObservation[from];
    keep(plan.observations, first, plan.firstObservation[to]);
    keep(plan.firstObservation, from, to + 1);
    for (std::size_t& o : plan.firstObservation) o -= first;
    keep(plan.galaxies, from, to);
}

// Every galaxy in every view of the configuration.
void listObservations(RunPlan& plan) {
    const std::size_t views = plan.config.views.size();
    const std::uint64_t seed = plan.config.noise ? plan.config.noise->seed : 0;
    plan.observations.reserve(plan.galaxies.size() * views);
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) {
        plan.firstObservation.push_back(plan.observations.size());
        for (std::size_t v = 0; v < views; ++v)
            plan.observations.push_back({0, v, {seed, narrow<std::uint32_t>(v)}, plan.observations.size()});
    }
    plan.firstObservation.push_back(plan.observations.size());
}

}  // namespace

RunPlan makePlan(const Config& config, const RunOptions& options, std::unique_ptr<Snapshot> instead) {
    RunPlan plan;
    plan.config = config;
    plan.shard = options.shard;
    plan.shards = options.shards;
    checkAssembly(config.output);
    plan.output = plan.shards > 1 ? shardPath(config.output.path, plan.shard) : config.output.path;
    if (instead) {
        plan.snapshot = std::move(instead);
    } else {
        checkWritable(plan.output);
        plan.snapshot = Snapshot::open(config.snapshot.path, config.snapshot.format, config.snapshot.number);
    }
    SetupMaker setups(plan.snapshot->info());
    if (config.galaxies.rows.empty()) {
        plan.setups.push_back(setups.make(config));
        const NamedGalaxies named = namedGalaxies(config.galaxies);
        plan.named = !named.ids.empty();
        chooseGalaxies(plan, named);
        listObservations(plan);
    } else {
        Rows rows = readRows(config, setups);
        plan.setups = std::move(rows.setups);
        plan.observations = std::move(rows.observations);
        plan.firstObservation = std::move(rows.first);
        plan.rowsSha256 = std::move(rows.sha256);
        chooseGalaxies(plan, rows.galaxies);
    }
    plan.wavelength = sharedWavelengths(plan.setups);
    plan.galaxiesSha256 = fingerprint(plan);
    keepShard(plan);
    constexpr std::size_t most = 8;  // of setups that are told about
    for (const Setup& setup : std::span(plan.setups).first(std::min(most, plan.setups.size())))
        for (std::string& note : resolutionNotes(setup))
            if (std::find(plan.notes.begin(), plan.notes.end(), note) == plan.notes.end())
                plan.notes.push_back(std::move(note));
    return plan;
}

double meanStarMass(const RunPlan& plan) {
    double mass = 0, stars = 0;
    for (const Subhalo& g : plan.galaxies) {
        if (!g.stellarMass || g.ownStars) continue;
        mass += *g.stellarMass;
        stars += double(g.stars.count);
    }
    return mass > 0 && stars > 0 ? mass / stars : 1e5;
}

CubeFileHeader headerOf(const RunPlan& plan, int ranks) {
    CubeFileHeader header;
    header.version = version();
    header.commit = commit();
    header.config = dumpConfig(plan.config);
    for (const Setup& setup : plan.setups)
        if (header.sspSha256.find(setup.library->sha256) == std::string::npos)
            header.sspSha256 += (header.sspSha256.empty() ? "" : " ") + setup.library->sha256;
    header.snapshot = plan.snapshot->info().path;
    header.galaxiesSha256 = plan.galaxiesSha256;
    header.backend = "cpu";
    header.ranks = ranks;
    header.shard = plan.shard;
    header.shards = plan.shards;
    header.wavelength = plan.wavelength;
    header.rowsSha256 = plan.rowsSha256;
    header.compression = plan.config.output.compression;
    return header;
}

std::span<const Observation> RunPlan::observationsOf(std::size_t galaxy) const {
    const std::size_t first = firstObservation.at(galaxy);
    return {observations.data() + first, firstObservation.at(galaxy + 1) - first};
}

std::uint64_t RunPlan::rowsOf(std::size_t galaxy) const {
    std::uint64_t rows = galaxies.at(galaxy).stars.count;
    if (!neighbours.empty())
        for (const ParticleRange& r : neighbours.at(galaxy)) rows += r.count;
    return rows;
}

std::vector<ParticleRange> RunPlan::partOf(std::size_t galaxy, const ParticleRange& rows) const {
    std::vector<ParticleRange> all{galaxies.at(galaxy).stars}, part;
    if (!neighbours.empty()) all.insert(all.end(), neighbours.at(galaxy).begin(), neighbours.at(galaxy).end());
    std::uint64_t passed = 0;  // rows before this range
    for (const ParticleRange& r : all) {
        const std::uint64_t from = std::max(rows.first, passed);
        const std::uint64_t to = std::min(rows.first + rows.count, passed + r.count);
        if (from < to) part.push_back({r.first + (from - passed), to - from});
        passed += r.count;
    }
    return part;
}

DealtGalaxy RunPlan::dealt(std::size_t galaxy) const {
    if (skipped.contains(galaxies.at(galaxy).id)) return {0, 0, costOf(galaxy)};
    DealtGalaxy g;
    g.rows = rowsOf(galaxy);
    g.fixed = readingCost(0);
    for (const Observation& o : observationsOf(galaxy)) g.fixed += cubeCost(0, setupOf(o).volume());
    g.mostRows = mostStars();
    if (g.rows > 0) g.perRow = (costOf(galaxy) - g.fixed) / double(g.rows);
    return g;
}

double RunPlan::costOf(std::size_t galaxy) const {
    const Subhalo& g = galaxies.at(galaxy);
    if (skipped.contains(g.id)) return 1e-6;  // a row of the catalogue
    const std::uint64_t rows = rowsOf(galaxy);
    double cost = readingCost(rows);
    for (const Observation& o : observationsOf(galaxy)) cost += cubeCost(rows, setupOf(o).volume());
    return cost;
}

double RunPlan::outputBytes() const {
    double sum = 0;
    for (const Observation& o : observations) sum += setupOf(o).cubeBytes();
    return sum;
}

namespace {
constexpr double leastPerStar = 100;  // [byte] read, projected, ordered
}

double RunPlan::leastBytes(std::uint64_t stars) const {
    double cube = 0;
    for (const Setup& setup : setups) cube = std::max(cube, setup.cubeBytes());
    return cube + leastPerStar * double(stars);
}

std::uint64_t RunPlan::mostStars() const {
    if (config.resources.memoryPerRank == 0) return 0;
    return std::uint64_t(std::max(1.0, (double(config.resources.memoryPerRank) - leastBytes(0)) / leastPerStar));
}

std::string RunPlan::fitsPath(std::int64_t subhalo, std::size_t view) const {
    const fs::path p(config.output.path);
    const std::string mark = view > 0 ? fmt::format("_view{}", view) : std::string();
    return (p.parent_path() / fmt::format("{}_{}{}.fits", p.stem().string(), subhalo, mark)).string();
}

std::string describe(const RunPlan& plan) {
    const Config& c = plan.config;
    const SnapshotInfo& info = plan.snapshot->info();
    std::string text = fmt::format("snapshot:   {} ({}), {} star particles, redshift {:.4g}\n", info.path, info.format,
                                   info.numStars, info.redshift);
    constexpr std::size_t shown = 8;
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < std::min(shown, plan.galaxies.size()); ++i)
        ids.push_back(fmt::format("{} ({} stars)", plan.galaxies[i].id, plan.galaxies[i].stars.count));
    if (plan.galaxies.size() > shown) ids.push_back("...");
    text += fmt::format("galaxies:   {}: {}\n", plan.galaxies.size(), fmt::join(ids, ", "));
    for (const auto& [kind, count] : plan.leftOut) text += fmt::format("left out:   {} {}\n", count, kind);
    if (!plan.skipped.empty())
        text += fmt::format("skipped:    {} of the named galaxies, which the cuts leave out\n", plan.skipped.size());
    if (plan.rowsSha256.empty())
        text += fmt::format("views:      {}\n", c.views.size());
    else
        text += fmt::format("rows:       {} of {}, in {} setups of instrument and library\n", plan.observations.size(),
                            c.galaxies.rows, plan.setups.size());
    for (std::size_t i = 0; i < std::min(shown, plan.setups.size()); ++i) {
        const Setup& setup = plan.setups[i];
        const Telescope& t = setup.config.telescope;
        const WavelengthGrid grid = t.wavelengths();
        const SspLibrary& library = *setup.library;
        text += fmt::format("telescope:  {}, {:g} arcsec, {:.2f} to {:.2f} Angstrom\n", t.name, t.fov, grid.centre(0),
                            grid.centre(double(grid.size - 1)));
        text += fmt::format("library:    {}, {} ages x {} metallicities x {} wavelengths\n", library.name,
                            library.nAge(), library.nZ(), library.nLambda());
        text += fmt::format("cube:       {0} x {0} x {1}{2}, {3}\n", t.spaxels(), grid.size,
                            setup.config.noise ? " with variance" : "", bytesText(setup.cubeBytes()));
    }
    if (plan.setups.size() > shown) text += fmt::format("            ... and {} more\n", plan.setups.size() - shown);
    text += fmt::format("output:     {}, {} before compression{}\n", plan.output, bytesText(plan.outputBytes()),
                        c.output.fits ? ", and as much in FITS files" : "");
    text += fmt::format("memory:     about {} per rank\n", bytesText(footprint(plan, true).total()));
    for (const auto& notes : {plan.notes, info.notes})
        for (const std::string& note : notes) text += fmt::format("note:       {}\n", note);
    return text;
}

}  // namespace tessera
