#include "run_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "io/sha256.hpp"
#include "progress.hpp"
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

void chooseGalaxies(RunPlan& plan) {
    const GalaxiesConfig& chosen = plan.config.galaxies;
    plan.named = !chosen.subhalos.empty();
    for (const std::int64_t id : plan.named ? chosen.subhalos : plan.snapshot->subhalos()) {
        Subhalo subhalo = plan.snapshot->subhalo(id);
        if (!plan.named && subhalo.stars.count < std::max<std::uint64_t>(1, chosen.minStars)) {
            ++plan.tooFewStars;
            continue;
        }
        if (!plan.named && !subhalo.cosmological) {
            ++plan.notCosmological;
            continue;
        }
        plan.galaxies.push_back(std::move(subhalo));
    }
    if (plan.galaxies.empty())
        throw Error(fmt::format("{}: none of its {} subhalos has {} stars or more (galaxies.min_stars)",
                                plan.snapshot->info().path, plan.snapshot->info().numSubhalos, chosen.minStars));
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
        for (const auto& vector : {g.position, g.velocity})
            if (vector) add(vector->x, vector->y, vector->z);
    }
    return sha256OfText(bytes);
}

void keepShard(RunPlan& plan) {
    if (plan.shards <= 1) return;
    const auto keep = [](auto& all, std::size_t from, std::size_t to) {
        all = {std::make_move_iterator(all.begin() + std::ptrdiff_t(from)),
               std::make_move_iterator(all.begin() + std::ptrdiff_t(to))};
    };
    const std::size_t n = plan.galaxies.size();
    const std::size_t from = n * plan.shard / plan.shards, to = n * (plan.shard + 1) / plan.shards;
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

RunPlan makePlan(const Config& config, const RunOptions& options) {
    RunPlan plan;
    plan.config = config;
    plan.shard = options.shard;
    plan.shards = options.shards;
    plan.output = plan.shards > 1 ? shardPath(config.output.path, plan.shard) : config.output.path;
    checkWritable(plan.output);
    plan.snapshot = Snapshot::open(config.snapshot.path, config.snapshot.format, config.snapshot.number);
    SetupMaker setups(plan.snapshot->info());
    plan.setups.push_back(setups.make(config));
    chooseGalaxies(plan);
    plan.galaxiesSha256 = fingerprint(plan);
    listObservations(plan);
    keepShard(plan);
    for (const Setup& setup : plan.setups)
        for (std::string& note : resolutionNotes(setup))
            if (std::find(plan.notes.begin(), plan.notes.end(), note) == plan.notes.end())
                plan.notes.push_back(std::move(note));
    return plan;
}

CubeFileHeader headerOf(const RunPlan& plan, int ranks) {
    CubeFileHeader header;
    header.version = version();
    header.commit = commit();
    header.config = dumpConfig(plan.config);
    header.sspSha256 = plan.setups.front().library->sha256;
    header.snapshot = plan.snapshot->info().path;
    header.galaxiesSha256 = plan.galaxiesSha256;
    header.backend = "cpu";
    header.ranks = ranks;
    header.shard = plan.shard;
    header.shards = plan.shards;
    header.wavelength = plan.config.telescope.wavelengths();
    header.compression = plan.config.output.compression;
    return header;
}

std::span<const Observation> RunPlan::observationsOf(std::size_t galaxy) const {
    const std::size_t first = firstObservation.at(galaxy);
    return {observations.data() + first, firstObservation.at(galaxy + 1) - first};
}

DealtGalaxy RunPlan::costOf(std::size_t galaxy) const {
    constexpr double perStar = 60e-9, perVoxel = 4e-9, perCube = 5e-3;
    DealtGalaxy g;
    g.rows = galaxies.at(galaxy).stars.count;
    for (const Observation& o : observationsOf(galaxy)) {
        g.perRow += perStar;
        g.fixed += perCube + perVoxel * setupOf(o).cubeBytes() / sizeof(float);
    }
    return g;
}

double RunPlan::cubeBytes() const {
    double most = 0;
    for (const Setup& setup : setups) most = std::max(most, setup.cubeBytes());
    return most;
}

double RunPlan::outputBytes() const {
    double sum = 0;
    for (const Observation& o : observations) sum += setupOf(o).cubeBytes();
    return sum;
}

namespace {

double mostStars(const std::vector<Subhalo>& galaxies) {
    std::uint64_t most = 0;
    for (const Subhalo& g : galaxies) most = std::max(most, g.stars.count);
    return double(most);
}

}  // namespace

double RunPlan::memoryBytes() const {
    constexpr double perStar = 150, fixed = 300e6;  // [byte] docs/performance.md
    return cubeBytes() + perStar * mostStars(galaxies) + fixed;
}

double RunPlan::overlapBytes() const {
    constexpr double perStar = 56;  // [byte] as read
    if (observations.size() < 2) return 0;
    return cubeBytes() + (galaxies.size() > 1 ? perStar * mostStars(galaxies) : 0);
}

std::string RunPlan::fitsPath(std::int64_t subhalo, std::size_t view) const {
    const fs::path p(config.output.path);
    const std::string mark = view > 0 ? fmt::format("_view{}", view) : std::string();
    return (p.parent_path() / fmt::format("{}_{}{}.fits", p.stem().string(), subhalo, mark)).string();
}

std::string describe(const RunPlan& plan) {
    const Config& c = plan.config;
    const SnapshotInfo& info = plan.snapshot->info();
    const WavelengthGrid grid = c.telescope.wavelengths();
    const SspLibrary& library = *plan.setups.front().library;
    std::string text = fmt::format("snapshot:   {} ({}), {} star particles, redshift {:.4g}\n", info.path, info.format,
                                   info.numStars, info.redshift);
    constexpr std::size_t shown = 8;
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < std::min(shown, plan.galaxies.size()); ++i)
        ids.push_back(fmt::format("{} ({} stars)", plan.galaxies[i].id, plan.galaxies[i].stars.count));
    if (plan.galaxies.size() > shown) ids.push_back("...");
    text += fmt::format("galaxies:   {}: {}\n", plan.galaxies.size(), fmt::join(ids, ", "));
    if (plan.tooFewStars + plan.notCosmological > 0)
        text += fmt::format("left out:   {} with fewer than {} stars, {} not of cosmological origin\n",
                            plan.tooFewStars, c.galaxies.minStars, plan.notCosmological);
    text += fmt::format("views:      {}\n", c.views.size());
    text += fmt::format("telescope:  {}, {:g} arcsec, {:.2f} to {:.2f} Angstrom\n", c.telescope.name, c.telescope.fov,
                        grid.centre(0), grid.centre(double(grid.size - 1)));
    text += fmt::format("library:    {}, {} ages x {} metallicities x {} wavelengths\n", library.name, library.nAge(),
                        library.nZ(), library.nLambda());
    text += fmt::format("cube:       {0} x {0} x {1}{2}, {3}\n", c.telescope.spaxels(), grid.size,
                        c.noise ? " with variance" : "", bytesText(plan.cubeBytes()));
    text += fmt::format("output:     {}, {} before compression{}\n", plan.output, bytesText(plan.outputBytes()),
                        c.output.fits ? ", and as much in FITS files" : "");
    text += fmt::format("memory:     about {} per rank\n", bytesText(plan.memoryBytes() + plan.overlapBytes()));
    for (const auto& notes : {plan.notes, info.notes})
        for (const std::string& note : notes) text += fmt::format("note:       {}\n", note);
    return text;
}

}  // namespace tessera
