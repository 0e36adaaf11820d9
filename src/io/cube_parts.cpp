#include "tessera/io/cube_parts.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "io/cube_assembly.hpp"
#include "io/cube_tables.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// Names as PartsWriter gives them: what else is in the directory is not ours to remove.
bool isPart(const std::string& name) {
    const std::string end = ".hdf5";
    if (name.size() <= end.size() || !name.ends_with(end)) return false;
    return name.find_first_not_of("0123456789TZ.") == name.size() - end.size() + 1;
}

// "cubes.hdf5.tmp.4711" -> "cubes.hdf5"
std::optional<std::string> temporaryOf(const std::string& name) {
    const std::string mark = ".tmp.";
    const std::size_t at = name.rfind(mark);
    if (at == std::string::npos || at == 0 || at + mark.size() == name.size()) return {};
    if (name.find_first_not_of("0123456789", at + mark.size()) != std::string::npos) return {};
    return name.substr(0, at);
}

std::vector<std::string> namesIn(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(directory, code)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

void removeFile(const fs::path& path) {
    std::error_code code;
    fs::remove(path, code);
    if (code) throw Error(path.string() + ": cannot remove (" + code.message() + ")");
}

// Parts that a complete file at this place links to.
std::set<std::string> linkedFrom(const std::string& output) {
    std::set<std::string> names;
    if (!headerOfComplete(output)) return names;
    const h5::File file = h5::File::openRead(output);
    const h5::Group galaxies = file.root().group("galaxies");
    const std::string directory = fs::path(partsPath(output)).filename().string();
    for (const std::string& id : galaxies.names())
        if (const auto target = galaxies.linkedFile(id); target && fs::path(*target).parent_path() == directory)
            names.insert(fs::path(*target).filename().string());
    return names;
}

}  // namespace

std::string partsPath(const std::string& output) {
    return followLinks(output) + ".parts";
}

FoundParts findParts(const std::string& output, bool linkedToo) {
    FoundParts found;
    const std::string directory = partsPath(output);
    const std::vector<std::string> names = namesIn(directory);
    if (std::none_of(names.begin(), names.end(), isPart)) return found;
    const std::set<std::string> linked = linkedToo ? std::set<std::string>() : linkedFrom(output);
    for (const std::string& name : names) {
        if (!isPart(name) || linked.contains(name)) continue;
        try {
            const h5::File file = h5::File::openRead((fs::path(directory) / name).string());
            const h5::Group root = file.root();
            found.parts.push_back({name, readCubeHeader(root), readCatalogue(root)});
        } catch (const Error&) {
            found.damaged.push_back(name);
        }
    }
    return found;
}

void takeApart(const std::string& output) {
    if (!linkedFrom(output).empty()) return;
    const fs::path file = followLinks(output), directory = partsPath(output);
    fs::create_directory(directory);
    for (int n = 0;; ++n) {
        const fs::path name = directory / ("0." + std::to_string(n) + ".hdf5");
        std::error_code code;
        if (fs::equivalent(file, name, code)) return;  // of a run that was killed
        if (fs::exists(name)) continue;
        fs::create_hard_link(file, name, code);
        if (!code) return;
        TemporaryFile copy(name.string());
        fs::copy_file(file, copy.name(), code);
        if (code) throw Error(file.string() + ": cannot copy to " + name.string() + " (" + code.message() + ")");
        copy.commit(true);
        return;
    }
}

void removeParts(const std::string& output, const std::vector<std::string>& except) {
    const std::set<std::string> kept(except.begin(), except.end());
    const std::string directory = partsPath(output);
    for (const std::string& name : namesIn(directory))
        if (isPart(name) && !kept.contains(name)) removeFile(fs::path(directory) / name);
    std::error_code code;
    if (fs::is_empty(directory, code) && !code) fs::remove(directory, code);
}

void removeTemporaryFiles(const std::string& output, const std::vector<std::string>& others) {
    const std::string directory = partsPath(output);
    for (const std::string& name : namesIn(directory))
        if (temporaryOf(name)) removeFile(fs::path(directory) / name);
    std::set<std::string> finals{fs::path(followLinks(output)).filename().string()};
    for (const std::string& other : others) finals.insert(fs::path(other).filename().string());
    const std::string beside = directoryOf(directory);
    for (const std::string& name : namesIn(beside))
        if (const auto of = temporaryOf(name); of && finals.contains(*of)) removeFile(fs::path(beside) / name);
}

std::vector<SourcedRow> sourcedRows(const std::string& output, const std::vector<RowOfPart>& rows) {
    const std::string directory = partsPath(output);
    std::vector<SourcedRow> sourced;
    for (const RowOfPart& row : rows) sourced.push_back({row.report, directory + "/" + row.part});
    return sourced;
}

bool renameOnlyPart(const std::string& output, const std::vector<RowOfPart>& rows) {
    std::set<std::string> all;
    for (const RowOfPart& row : rows) all.insert(row.part);
    if (all.size() != 1) return false;
    const std::string only = partsPath(output) + "/" + *all.begin(), final = followLinks(output);
    {
        const h5::File file = h5::File::openRead(only);
        const std::vector<GalaxyReport> there = readCatalogue(file.root());
        if (!std::equal(there.begin(), there.end(), rows.begin(), rows.end(), [](const auto& a, const auto& b) {
                return a.subhalo == b.report.subhalo && a.view == b.report.view;
            }))
            return false;
    }
    checkReplaceable(final);
    std::error_code code;
    fs::rename(only, final, code);
    if (code) throw Error("cannot rename '" + only + "' to '" + final + "': " + code.message());
    removeParts(output);
    return true;
}

void assembleParts(const std::string& output, const CubeFileHeader& header, const std::vector<RowOfPart>& rows,
                   OutputLayout layout) {
    if (layout == OutputLayout::single) {
        if (renameOnlyPart(output, rows)) return;
        assembleCubeFile(output, header, sourcedRows(output, rows), MergeBy::copies, true);
        removeParts(output);
        return;
    }
    std::set<std::string> withCubes;
    for (const RowOfPart& row : rows)
        if (row.report.status == "ok") withCubes.insert(row.part);
    assembleCubeFile(output, header, sourcedRows(output, rows), MergeBy::links, true);
    removeParts(output, {withCubes.begin(), withCubes.end()});
}

}  // namespace tessera
