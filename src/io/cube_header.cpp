#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/cube_tables.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

using nlohmann::json;

namespace {

std::string utcNow() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// The part of a configuration that cubes depend on: not where they go, nor how many threads make them.
json ofCubes(const std::string& text) {
    json config = json::parse(text, nullptr, false, true);
    if (!config.is_object()) return {};
    config.erase("resources");
    // What the rows say is compared by itself.
    if (const auto galaxies = config.find("galaxies"); galaxies != config.end() && galaxies->is_object())
        galaxies->erase("rows");
    if (const auto output = config.find("output"); output != config.end() && output->is_object()) {
        for (const char* key : {"path", "compression", "layout", "assembly", "checkpoint"}) output->erase(key);
    }
    return config;
}

// "/view/0/redshift" -> "view.0.redshift"
std::string keyOf(const std::string& pointer) {
    std::string key = pointer.substr(pointer.find_first_not_of('/') == std::string::npos ? pointer.size() : 1);
    std::replace(key.begin(), key.end(), '/', '.');
    return key;
}

}  // namespace

void writeCubeHeader(const h5::Group& root, const CubeFileHeader& header) {
    root.setAttribute("tessera_version", header.version);
    root.setAttribute("commit", header.commit);
    root.setAttribute("config", header.config);
    root.setAttribute("ssp_sha256", header.sspSha256);
    root.setAttribute("snapshot", header.snapshot);
    root.setAttribute("galaxies_sha256", header.galaxiesSha256);
    root.setAttribute("created", utcNow());
    root.setAttribute<std::int64_t>("ranks", header.ranks);
    root.setAttribute("backend", header.backend);
    if (header.shards > 1) {
        root.setAttribute<std::int64_t>("shard", header.shard);
        root.setAttribute<std::int64_t>("shards", header.shards);
    }
    if (!header.rowsSha256.empty()) root.setAttribute("rows_sha256", header.rowsSha256);
    if (header.wavelength.size > 0) writeWavelengths(root, header.wavelength);
}

void writeWavelengths(const h5::Group& group, const WavelengthGrid& grid) {
    const std::vector<double> centres = grid.centres();
    const h5::Dataset wavelength = group.write("wavelength", {centres.size()}, centres.data());
    wavelength.setAttribute("unit", "Angstrom");
    wavelength.setAttribute<double>("step", grid.step);
    wavelength.setAttribute<std::int32_t>("log", grid.log);
}

// The grid behind the pixel centres. Files of others may lack the attributes: then the centres tell.
WavelengthGrid readWavelengths(const h5::Group& group) {
    const h5::Dataset set = group.dataset("wavelength");
    const std::vector<double> centres = set.readAll<double>();
    const std::size_t n = centres.size();
    if (set.shape().size() != 1 || n == 0) throw Error(set.where() + ": expected one row of wavelengths");
    const auto matches = [&](const WavelengthGrid& grid) {
        for (std::size_t j = 0; j < n; ++j)
            if (!(std::fabs(grid.centre(double(j)) - centres[j]) <= 1e-6 * grid.width(j))) return false;
        return centres[0] > 0 && grid.step > 0;
    };
    const std::optional<double> step = set.attribute<double>("step");
    const double intervals = n > 1 ? double(n - 1) : 1;
    WavelengthGrid linear{centres[0], step.value_or(n > 1 ? (centres[n - 1] - centres[0]) / intervals : 1), n, false};
    if (!set.attribute<std::int32_t>("log").value_or(0) && matches(linear)) return linear;
    WavelengthGrid log{centres[0], step.value_or(std::log10(centres[n - 1] / centres[0]) / intervals), n, true};
    if (matches(log)) return log;
    throw Error(set.where() + ": the wavelengths are neither linear nor logarithmic with one positive step");
}

CubeFileHeader readCubeHeader(const h5::Group& root) {
    CubeFileHeader header;
    const auto text = [&](const char* name) { return root.attributeString(name).value_or(""); };
    header.version = text("tessera_version");
    header.commit = text("commit");
    header.config = text("config");
    header.sspSha256 = text("ssp_sha256");
    header.snapshot = text("snapshot");
    header.galaxiesSha256 = text("galaxies_sha256");
    header.backend = text("backend");
    header.ranks = int(root.attribute<std::int64_t>("ranks").value_or(1));
    const std::int64_t shard = root.attribute<std::int64_t>("shard").value_or(0);
    const std::int64_t shards = root.attribute<std::int64_t>("shards").value_or(1);
    if (shard < 0 || shard >= shards || !std::in_range<unsigned>(shards))
        throw Error(root.where() + ": claims to be shard " + std::to_string(shard) + " of " + std::to_string(shards));
    header.shard = unsigned(shard);
    header.shards = unsigned(shards);
    header.rowsSha256 = text("rows_sha256");
    if (root.has("wavelength")) header.wavelength = readWavelengths(root);
    return header;
}

std::string differenceOf(const CubeFileHeader& a, const CubeFileHeader& b) {
    if (a.version != b.version || a.commit != b.commit)
        return "tessera " + a.version + " (" + a.commit + ") instead of " + b.version + " (" + b.commit + ")";
    const json one = ofCubes(a.config), other = ofCubes(b.config);
    if (one != other) {
        const json changes = json::diff(other, one);
        std::string keys;
        for (std::size_t i = 0; i < changes.size() && i < 3; ++i)
            keys += (keys.empty() ? "" : ", ") + keyOf(changes[i].at("path").get<std::string>());
        return "another configuration (" + keys + (changes.size() > 3 ? ", ..." : "") + ")";
    }
    if (a.rowsSha256 != b.rowsSha256) return "other rows (galaxies.rows)";
    if (a.sspSha256 != b.sspSha256) return "another SSP library";
    if (a.snapshot != b.snapshot) return "snapshot " + a.snapshot + " instead of " + b.snapshot;
    if (a.galaxiesSha256 != b.galaxiesSha256) return "another content of the snapshot's catalogue";
    if (a.shards != b.shards)
        return "a division into " + std::to_string(a.shards) + " shards instead of " + std::to_string(b.shards);
    return "";
}

}  // namespace tessera
