#include "tessera/mock.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "mock/files.hpp"
#include "mock/sample.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/version.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

using nlohmann::ordered_json;

constexpr const char* recordName = "mock.json";
constexpr const char* recordKind = "tessera-mock";
constexpr std::uint64_t mostGalaxies = 100000;
constexpr int mostChunks = 10000;
constexpr std::uint64_t mostRowsAFile = 2147483647;  // NumPart_ThisFile and SubhaloLenType are 32-bit

void checkOptions(const MockOptions& o) {
    if (o.output.empty()) throw ConfigError("mock: no output directory given");
    if (o.galaxies < 1 || o.galaxies > mostGalaxies)
        throw ConfigError(fmt::format("mock: galaxies = {} is outside 1-{}", o.galaxies, mostGalaxies));
    if (o.chunks < 1 || o.chunks > mostChunks)
        throw ConfigError(fmt::format("mock: chunks = {} is outside 1-{}", o.chunks, mostChunks));
    if (o.snapshot < 0 || o.snapshot > mock::lastSnapshot)
        throw ConfigError(fmt::format("mock: snapshot = {} is outside 0-{}", o.snapshot, mock::lastSnapshot));
    if (o.blockRows < 1) throw ConfigError("mock: blockRows = 0; at least one row must fit into memory");
    for (const auto& [name, rows] : {std::pair{"stars", o.stars}, std::pair{"gas", o.gas}})
        if (rows / 2 > mostRowsAFile || rows / std::uint64_t(o.chunks) >= mostRowsAFile / 2)
            throw ConfigError(
                fmt::format("mock: {} = {} is more than the format's 32-bit counts hold in {} chunk{}: at most {} a "
                            "chunk and {} in all",
                            name, rows, o.chunks, o.chunks == 1 ? "" : "s", mostRowsAFile / 2, mostRowsAFile * 2));
}

// Something at the output's place: nothing (or an empty directory), or a mock that may be replaced; else Error.
void checkPlace(const fs::path& output, bool force) {
    if (!fs::exists(fs::symlink_status(output))) return;
    if (!fs::is_directory(output))
        throw Error(fmt::format("{}: exists and is not a directory; choose another --output", output.string()));
    if (fs::is_empty(output)) return;
    const fs::path record = output / recordName;
    const auto found = ordered_json::parse(std::ifstream(record), nullptr, false);
    if (!found.is_object() || found.value("kind", ordered_json()) != recordKind)
        throw Error(fmt::format("{}: exists and is not a mock (it has no {} of one); choose another --output",
                                output.string(), recordName));
    if (!force) throw Error(fmt::format("{}: a mock is there already; --force replaces it", output.string()));
    for (const auto& entry : fs::directory_iterator(output)) {
        const std::string name = entry.path().filename().string();
        if (name != "output" && name != "postprocessing" && name != recordName)
            throw Error(fmt::format("{}: not replaced, because {} is not part of the mock", output.string(),
                                    entry.path().string()));
    }
}

void checkSpace(const fs::path& directory, const MockOptions& o) {
    constexpr std::uint64_t bytesARow = 110;  // upper limit, either type
    const std::uint64_t needed = (o.stars + o.gas) * bytesARow + std::uint64_t(o.chunks) * 60000 + o.galaxies * 800;
    std::error_code unknown;
    const auto space = fs::space(directory, unknown);
    if (!unknown && space.available < needed)
        throw Error(fmt::format("{}: the mock needs about {} MB, {} MB are free", directory.string(), needed / 1000000,
                                space.available / 1000000));
}

ordered_json describe(const mock::Census& c, const MockOptions& o) {
    ordered_json j{{"kind", recordKind},
                   {"tessera_version", version()},
                   {"options",
                    {{"galaxies", o.galaxies},
                     {"stars", o.stars},
                     {"gas", o.gas},
                     {"chunks", o.chunks},
                     {"snapshot", o.snapshot},
                     {"seed", o.seed}}},
                   {"redshift", c.epoch.redshift},
                   {"star_mass_Msun", c.starMass},
                   {"gas_cell_mass_Msun", c.cellMass},
                   {"subhalos", ordered_json::array()}};
    const double toKpc = 1 / c.toComoving();
    const auto vector = [](const Vec3d& v, double scale) {
        return ordered_json::array({v.x * scale, v.y * scale, v.z * scale});
    };
    for (std::size_t i = 0; i < c.galaxies.size(); ++i) {
        const mock::GalaxyPlan& g = c.galaxies[i];
        const mock::GalaxyParameters& p = g.model.parameters();
        j["subhalos"].push_back({{"id", i},
                                 {"group", g.group},
                                 {"stars", g.stars},
                                 {"gas", g.gas},
                                 {"stellar_mass_Msun", p.stellarMass},
                                 {"bulge_fraction", p.bulgeFraction},
                                 {"disc_scale_kpc", p.discScale},
                                 {"disc_height_kpc", p.discHeight},
                                 {"bulge_scale_kpc", p.bulgeScale},
                                 {"halo_mass_Msun", p.haloMass},
                                 {"peak_velocity_km_s", g.model.peakVelocity()},
                                 {"centre_kpc", vector(g.centre, toKpc)},
                                 {"velocity_km_s", vector(g.velocity, 1)},
                                 {"spin_axis", vector(transpose(g.toBox).row[2], 1)}});
    }
    return j;
}

void writeRecord(const fs::path& path, const ordered_json& record) {
    std::ofstream out(path);
    out << record.dump(2) << '\n';
    out.close();
    if (!out) throw Error(fmt::format("{}: cannot write", path.string()));
}

// A directory that disappears unless it is moved to its place.
class Draft {
public:
    explicit Draft(fs::path output) : output_(std::move(output)) {
        draft_ = output_;
        draft_ += fmt::format(".partial-{}", ::getpid());
        std::error_code failed;
        if (output_.has_parent_path()) fs::create_directories(output_.parent_path(), failed);
        if (!failed) fs::create_directory(draft_, failed);
        if (failed) throw Error(fmt::format("{}: cannot create ({})", draft_.string(), failed.message()));
    }
    ~Draft() {
        std::error_code ignored;
        if (!draft_.empty()) fs::remove_all(draft_, ignored);
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    const fs::path& path() const { return draft_; }

    // Takes the output's place; what was there (checked by checkPlace) is removed when the new one stands.
    void publish() {
        fs::path old;
        if (fs::exists(output_)) {
            old = output_;
            old += fmt::format(".old-{}", ::getpid());
            fs::rename(output_, old);
        }
        std::error_code failed;
        fs::rename(draft_, output_, failed);
        if (failed) {
            std::error_code ignored;
            if (!old.empty()) fs::rename(old, output_, ignored);
            throw Error(fmt::format("{}: cannot be put in its place ({})", output_.string(), failed.message()));
        }
        draft_.clear();
        if (!old.empty()) fs::remove_all(old);
    }

private:
    fs::path output_, draft_;
};

}  // namespace

MockReport makeMock(const MockOptions& o) try {
    checkOptions(o);
    fs::path output = fs::path(o.output).lexically_normal();
    if (!output.has_filename()) output = output.parent_path();  // a trailing slash
    checkPlace(output, o.force);
    Draft draft(output);
    checkSpace(draft.path(), o);

    const mock::Census census = mock::takeCensus(o);
    const mock::Layout layout = mock::layoutOf(draft.path().string(), census, o.chunks);
    for (const std::string& file :
         {layout.snapshotFile(o.snapshot, 0), layout.catalogueFile(o.snapshot, 0), layout.offsetsFile(o.snapshot)})
        fs::create_directories(fs::path(file).parent_path());
    const mock::ParticleSums sums = mock::writeSnapshot(layout, census, o.blockRows);
    mock::writeCatalogue(layout, census, sums);
    writeRecord(draft.path() / recordName, describe(census, o));

    MockReport report;
    report.basePath = (output / "output").string();
    report.redshift = census.epoch.redshift;
    report.stars = layout.rows[mock::starType].back();
    report.gas = layout.rows[mock::gasType].back();
    for (const auto& s : sums.stars) report.wind += s.sums.wind;
    report.subhalos = census.galaxies.size();
    report.groups = census.groups.size();
    for (const auto& entry : fs::recursive_directory_iterator(draft.path()))
        if (entry.is_regular_file()) {
            ++report.files;
            report.bytes += entry.file_size();
        }
    draft.publish();
    return report;
} catch (const fs::filesystem_error& e) {
    throw Error(fmt::format("{}: {}", e.path1().string(), e.code().message()));
}

Stars mockGalaxy(std::uint64_t count, std::uint64_t seed, double stellarMass) {
    const mock::Epoch epoch = mock::epochOf(mock::lastSnapshot);
    const mock::GalaxyModel model(mock::galaxyParameters(stellarMass, 0.2 * stellarMass, epoch, {}, 0.5f));
    const mock::StarRecipe recipe{stellarMass / double(std::max<std::uint64_t>(count, 1)), epoch.oldest, 0};
    const auto n = static_cast<std::size_t>(count);
    Stars stars(n);
    stars.smoothing = Buffer<float>(n);
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
        const mock::StarSample s = mock::sampleStar(model, recipe, {seed, 0}, i);
        stars.position[i] = s.position.to<double>();
        stars.velocity[i] = s.velocity;
        stars.mass[i] = s.initialMass;
        stars.age[i] = s.age;
        stars.metallicity[i] = s.metallicity;
        stars.smoothing[i] = s.smoothing;
    }
    return stars;
}

}  // namespace tessera
