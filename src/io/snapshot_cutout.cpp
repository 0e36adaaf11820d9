// Format tng-cutout: the particles of one galaxy in one file, as the web API of TNG gives them. Its header counts are
// those of the simulation or of nothing in particular: the datasets decide.
#include <fmt/format.h>

#include "io/snapshot_column.hpp"
#include "io/snapshot_formats.hpp"
#include "io/snapshot_particles.hpp"
#include "tessera/core/error.hpp"

namespace tessera::snapshots {

namespace {

std::uint64_t rowsIn(const h5::Group& root, const char* group) {
    return root.has(group) ? rowsOf(root.group(group), "Coordinates") : 0;
}

// The subhalo a cutout's header names; 0 if none.
std::int64_t galaxyId(const h5::Group& root, std::vector<std::string>& notes) {
    const auto header = root.group("Header");
    const auto type = header.attributeString("CutoutType");
    const auto cutout = header.attribute<std::int64_t>("CutoutID");
    if (cutout && type && *type != "subhalo") {
        notes.push_back(fmt::format("a cutout of {} {}, not of a subhalo: taken as galaxy 0", *type, *cutout));
        return 0;
    }
    for (const auto& id :
         {cutout, header.attribute<std::int64_t>("SubhaloID"), root.attribute<std::int64_t>("SubhaloID")})
        if (id) return *id;
    return 0;
}

class CutoutSnapshot : public Snapshot {
public:
    explicit CutoutSnapshot(const std::string& path) {
        const auto file = h5::File::openRead(path);
        const auto root = file.root();
        header_ = readHeader(file);
        SnapshotInfo& info = header_.info;
        info.format = "tng-cutout";
        info.numStars = rowsIn(root, starGroup);
        info.numGas = rowsIn(root, gasGroup);
        info.numSubhalos = 1;
        id_ = galaxyId(root, info.notes);
        reader_.emplace(header_);
        if (info.numStars > 0) reader_->checkStars(root.group(starGroup), info.numStars, info);
    }

    const SnapshotInfo& info() const override { return header_.info; }
    std::vector<std::int64_t> subhalos() const override { return {id_}; }
    Subhalo subhalo(std::int64_t id) const override {
        if (id != id_) throw Error(fmt::format("{}: holds galaxy {}, not {}", header_.info.path, id_, id));
        Subhalo s;
        s.id = id;
        s.stars = {0, header_.info.numStars};
        s.gas = {0, header_.info.numGas};
        return s;
    }
    Stars readStars(ParticleRange r) const override {
        return reader_->readStars(pieces(r, header_.info.numStars, "stars"));
    }
    Gas readGas(ParticleRange r) const override {
        return reader_->readGas(pieces(r, header_.info.numGas, "gas cells"));
    }

private:
    std::vector<Piece> pieces(ParticleRange r, std::uint64_t total, const char* what) const {
        if (r.first > total || r.count > total - r.first)
            throw Error(fmt::format("{}: {} from row {} on asked for; the file has {} {}", header_.info.path, r.count,
                                    r.first, total, what));
        if (r.count == 0) return {};
        return {{header_.info.path, r.first, r.count, total}};
    }

    Header header_;
    std::int64_t id_ = 0;
    std::optional<ParticleReader> reader_;
};

}  // namespace

std::unique_ptr<Snapshot> openCutout(const std::string& path) {
    return std::make_unique<CutoutSnapshot>(path);
}

}  // namespace tessera::snapshots
