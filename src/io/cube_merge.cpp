#include "tessera/io/cube_merge.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "io/cube_assembly.hpp"
#include "io/cube_tables.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// The number in "cubes.shard12.hdf5", where the name is of that form.
std::optional<unsigned> shardNumber(const std::string& name, const fs::path& merged) {
    const std::string begin = merged.stem().string() + ".shard", end = merged.extension().string();
    if (name.size() <= begin.size() + end.size() || !name.starts_with(begin) || !name.ends_with(end)) return {};
    unsigned number = 0;
    const char *first = name.data() + begin.size(), *last = name.data() + name.size() - end.size();
    const auto [stop, code] = std::from_chars(first, last, number);
    if (code != std::errc() || stop != last) return {};
    return number;
}

// Temporary files beside the place where this one should be: of a run that is still at it, or that was killed.
std::string unfinishedBeside(const std::string& path) {
    const std::string begin = fs::path(path).filename().string() + ".tmp.";
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(directoryOf(path), code))
        if (const std::string name = entry.path().filename().string(); name.starts_with(begin))
            return "; unfinished: " + name + " (still being written, or left behind by a run that was killed)";
    return "";
}

struct Shard {
    std::string path;
    CubeFileHeader header;
    std::vector<GalaxyReport> rows;
};

Shard readShard(const std::string& path) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    if (!root.has("galaxies") || !root.hasAttribute("tessera_version")) throw Error(path + ": not a cube file");
    Shard shard{path, readCubeHeader(root), {}};
    if (shard.header.shards == 1) throw Error(path + ": not a shard: the file of a run without --shard, or merged");
    if (!root.has("catalog")) throw Error(path + ": unfinished: it has no catalogue");
    shard.rows = readCatalogue(root);
    for (const GalaxyReport& row : shard.rows) {
        const std::string view = row.view > 0 ? "/view_" + std::to_string(row.view) : "";
        const std::string cube = "galaxies/" + std::to_string(row.subhalo) + view + "/flux";
        if (row.status == "ok" && !root.has(cube)) throw Error(path + ": damaged: there is no " + cube);
    }
    return shard;
}

// All that is wrong is told at once: shards take hours.
class Faults {
public:
    void add(const std::string& fault) { text_ += (text_.empty() ? "" : "\n  ") + fault; }
    void check() const {
        if (!text_.empty()) throw Error("cannot merge: " + text_);
    }

private:
    std::string text_;
};

// By number; each of them once, and all of one run.
std::vector<Shard> readShards(const std::vector<std::string>& paths, const std::string& output) {
    Faults faults;
    std::vector<Shard> all;
    for (const std::string& path : paths) {
        try {
            all.push_back(readShard(path));
        } catch (const Error& e) {
            faults.add(e.what() + unfinishedBeside(path));
        }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Shard& a, const Shard& b) { return a.header.shard < b.header.shard; });
    if (all.empty()) faults.check();
    const Shard& first = all.front();
    std::map<unsigned, std::string> seen;
    const auto ofAll = [](unsigned shard, unsigned shards) {
        return "shard " + std::to_string(shard) + " of " + std::to_string(shards);
    };
    for (const Shard& shard : all) {
        const std::string difference = differenceOf(shard.header, first.header);
        if (!difference.empty()) {
            faults.add(shard.path + ": of another run than " + first.path + ": " + difference);
            continue;
        }
        const auto [known, isNew] = seen.emplace(shard.header.shard, shard.path);
        if (!isNew)
            faults.add(shard.path + ": is " + ofAll(shard.header.shard, shard.header.shards) + ", as is " +
                       known->second);
    }
    for (unsigned i = 0; i < first.header.shards; ++i) {
        const std::string expected = shardPath(output, i);
        if (!seen.contains(i) && std::find(paths.begin(), paths.end(), expected) == paths.end())
            faults.add(ofAll(i, first.header.shards) + " is missing (" + expected + ")" + unfinishedBeside(expected));
    }
    faults.check();
    return all;
}

}  // namespace

std::string shardPath(const std::string& path, unsigned shard) {
    const fs::path p(path);
    return (p.parent_path() / (p.stem().string() + ".shard" + std::to_string(shard) + p.extension().string())).string();
}

std::vector<std::string> findShards(const std::string& path) {
    std::map<unsigned, std::string> found;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(directoryOf(path), code))
        if (const auto number = shardNumber(entry.path().filename().string(), path))
            found.emplace(*number, shardPath(path, *number));
    std::vector<std::string> shards;
    for (const auto& [number, name] : found) shards.push_back(name);
    return shards;
}

Merged mergeShards(const std::vector<std::string>& paths, const std::string& output, MergeBy by) {
    std::error_code code;
    for (const std::string& path : paths)
        if (fs::equivalent(path, output, code))
            throw ConfigError("merge: " + output + " is both a shard and the output");
    if (paths.empty())
        throw Error("cannot merge: there is no " + shardPath(output, 0) + unfinishedBeside(shardPath(output, 0)));
    const std::vector<Shard> shards = readShards(paths, output);

    CubeFileHeader header = shards.front().header;
    header.shard = 0;
    header.shards = 1;
    for (const Shard& shard : shards) header.ranks = std::max(header.ranks, shard.header.ranks);
    std::vector<SourcedRow> rows;
    for (const Shard& shard : shards)
        for (const GalaxyReport& row : shard.rows) rows.push_back({row, shard.path});
    std::stable_sort(rows.begin(), rows.end(),
                     [](const SourcedRow& a, const SourcedRow& b) { return a.report.row < b.report.row; });
    return {shards.size(), rows.size(), assembleCubeFile(output, header, rows, by, false)};
}

}  // namespace tessera
