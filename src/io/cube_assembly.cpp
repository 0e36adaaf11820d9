#include "io/cube_assembly.hpp"

#include <filesystem>
#include <map>
#include <optional>

#include "io/cube_tables.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// As seen from the file that links to it. A source that is a link itself keeps its name.
std::string seenFrom(const fs::path& directory, const std::string& source) {
    const fs::path at = fs::canonical(directoryOf(source)) / fs::path(source).filename();
    return at.lexically_relative(fs::canonical(directory)).generic_string();
}

}  // namespace

std::vector<GalaxiesOfSource> galaxiesBySource(const std::vector<SourcedRow>& rows) {
    std::vector<GalaxiesOfSource> found;
    std::map<std::string, std::size_t> places;
    std::map<std::int64_t, std::string> sources;
    for (const SourcedRow& row : rows) {
        if (row.report.status != "ok") continue;
        const std::int64_t id = row.report.subhalo;
        const auto [known, isNew] = sources.emplace(id, row.source);
        if (!isNew && known->second != row.source)
            throw Error("galaxy " + std::to_string(id) + " is in " + row.source + " and in " + known->second);
        if (!isNew) continue;
        const std::size_t place = places.emplace(row.source, found.size()).first->second;
        if (place == found.size()) found.push_back({row.source, {}});  // each source is opened once
        found[place].ids.push_back(id);
    }
    return found;
}

void beginCubeFile(const std::string& path, const CubeFileHeader& header, const std::vector<SourcedRow>& rows) {
    h5::File file = h5::File::create(path);
    const h5::Group root = file.root();
    writeCubeHeader(root, header);
    root.createGroup("galaxies");
    std::vector<GalaxyReport> catalogue;
    for (const SourcedRow& row : rows) catalogue.push_back(row.report);
    writeCatalogue(root, catalogue);
    file.close();
}

void addGalaxiesTogether(const std::string& path, const std::vector<GalaxiesOfSource>& sources, const MpiHandle& mpi) {
    h5::File file = h5::File::openTogether(path, mpi);
    const h5::Group galaxies = file.root().group("galaxies");
    h5::Writer writer{std::size_t(mpi.rank), std::size_t(mpi.size)};
    for (const auto& [source, ids] : sources) {
        const h5::File from = h5::File::openRead(source);
        for (const std::int64_t id : ids) {
            const std::string name = std::to_string(id);
            galaxies.copyTogether(name, from.root().group("galaxies/" + name), writer);
        }
    }
    file.close();
}

std::size_t assembleCubeFile(const std::string& output, const CubeFileHeader& header,
                             const std::vector<SourcedRow>& rows, MergeBy by, bool synced) {
    TemporaryFile temporary(output);
    std::size_t galaxies = 0;
    try {
        h5::File file = h5::File::create(temporary.name());
        const h5::Group root = file.root();
        writeCubeHeader(root, header);
        const h5::Group group = root.createGroup("galaxies");
        for (const auto& [source, ids] : galaxiesBySource(rows)) {
            std::optional<h5::File> from;
            if (by == MergeBy::copies) from.emplace(h5::File::openRead(source));
            const std::string seen = by == MergeBy::links ? seenFrom(directoryOf(temporary.finalName()), source) : "";
            for (const std::int64_t id : ids) {
                const std::string name = std::to_string(id);
                if (from)
                    group.copy(name, from->root().group("galaxies/" + name));
                else
                    group.linkExternal(name, seen, "/galaxies/" + name);
            }
            galaxies += ids.size();
        }
        std::vector<GalaxyReport> catalogue;
        for (const SourcedRow& row : rows) catalogue.push_back(row.report);
        writeCatalogue(root, catalogue);
        file.close();
    } catch (const Error& e) {
        throw Error("cannot write '" + temporary.finalName() + "': " + temporary.inFinalNames(e.what()), e.where());
    }
    temporary.commit(synced);
    return galaxies;
}

}  // namespace tessera
