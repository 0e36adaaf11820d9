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

FoundParts findParts(const std::string& output) {
    FoundParts found;
    const std::string directory = partsPath(output);
    const std::vector<std::string> names = namesIn(directory);
    if (std::none_of(names.begin(), names.end(), isPart)) return found;
    const std::set<std::string> linked = linkedFrom(output);
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

void assembleParts(const std::string& output, const CubeFileHeader& header, const std::vector<RowOfPart>& rows,
                   OutputLayout layout) {
    const std::string directory = partsPath(output), final = followLinks(output);
    std::vector<SourcedRow> sourced;
    std::set<std::string> withCubes, all;
    for (const RowOfPart& row : rows) {
        sourced.push_back({row.report, directory + "/" + row.part});
        all.insert(row.part);
        if (row.report.status == "ok") withCubes.insert(row.part);
    }
    if (layout != OutputLayout::single) {
        assembleCubeFile(output, header, sourced, MergeBy::links, true);
        removeParts(output, {withCubes.begin(), withCubes.end()});
        return;
    }
    const auto holdsJustThese = [&](const std::string& part) {
        const h5::File file = h5::File::openRead(directory + "/" + part);
        const std::vector<GalaxyReport> there = readCatalogue(file.root());
        return std::equal(there.begin(), there.end(), rows.begin(), rows.end(), [](const auto& a, const auto& b) {
            return a.subhalo == b.report.subhalo && a.view == b.report.view;
        });
    };
    if (all.size() == 1 && holdsJustThese(*all.begin())) {
        checkReplaceable(final);
        std::error_code code;
        fs::rename(fs::path(directory) / *all.begin(), final, code);
        if (code)
            throw Error("cannot rename '" + directory + "/" + *all.begin() + "' to '" + final + "': " + code.message());
    } else {
        assembleCubeFile(output, header, sourced, MergeBy::copies, true);
    }
    removeParts(output);
}

}  // namespace tessera
