// Format tng: chunk files, a group catalogue and offsets below a base directory.
#include <fmt/format.h>

#include <numeric>

#include "io/snapshot_catalogue.hpp"
#include "io/snapshot_chunks.hpp"
#include "io/snapshot_column.hpp"
#include "io/snapshot_formats.hpp"
#include "io/snapshot_groups.hpp"
#include "io/snapshot_layout.hpp"
#include "io/snapshot_particles.hpp"
#include "tessera/core/error.hpp"

namespace tessera::snapshots {

namespace {

constexpr std::size_t gas = 0, stars = 4;

// Starts of the chunk files for both types: from the offsets file, else from every file's header.
std::array<Chunks, 2> readChunks(const TngLayout& layout, std::size_t files, std::int64_t numStars,
                                 std::int64_t numGas) {
    std::vector<std::int64_t> star(files), cell(files);
    std::string where = layout.offsetsFile();
    if (!where.empty()) {
        const auto root = h5::File::openRead(where).root();
        if (root.has("FileOffsets/SnapByType")) {
            Column(root.group("FileOffsets"), "SnapByType", 6, files);
            const auto d = root.dataset("FileOffsets/SnapByType");
            const auto all = d.readAll<std::int64_t>();
            for (std::size_t c = 0; c < files; ++c) {
                star[c] = all[6 * c + stars];
                cell[c] = all[6 * c + gas];
            }
            return {Chunks(star, numStars, d.where()), Chunks(cell, numGas, d.where())};
        }
    }
    where = layout.snapshotFile(0);
    std::int64_t starSum = 0, cellSum = 0;
    for (std::size_t c = 0; c < files; ++c) {
        const auto file = h5::File::openRead(layout.snapshotFile(c));
        const auto header = file.root().group("Header");
        star[c] = starSum;
        cell[c] = cellSum;
        starSum += perType(header, "NumPart_ThisFile", stars);
        cellSum += perType(header, "NumPart_ThisFile", gas);
    }
    if (starSum != numStars || cellSum != numGas)
        throw Error(
            fmt::format("{}:/Header: NumPart_Total promises {} gas cells and {} stars, the {} chunk files hold {} "
                        "and {} (NumPart_ThisFile)",
                        where, numGas, numStars, files, cellSum, starSum));
    return {Chunks(star, numStars, where), Chunks(cell, numGas, where)};
}

class TngSnapshot : public Snapshot {
public:
    TngSnapshot(const std::string& base, int number) : layout_(base, number) {
        const auto file = h5::File::openRead(layout_.snapshotFile(0));
        const auto group = file.root().group("Header");
        header_ = readHeader(file);
        SnapshotInfo& info = header_.info;
        info.path = base;
        info.format = "tng";
        info.number = layout_.number();
        const std::int64_t numStars = totalParticles(group, stars), numGas = totalParticles(group, gas);
        info.numStars = std::uint64_t(numStars);
        info.numGas = std::uint64_t(numGas);
        const auto named = group.attribute<std::int64_t>("NumFilesPerSnapshot");
        if (named && (*named < 1 || *named > 1000000))
            throw Error(fmt::format("{} attribute NumFilesPerSnapshot: is {}", group.where(), *named));
        info.chunks = named ? std::size_t(*named) : layout_.snapshotFiles();

        const auto chunks = readChunks(layout_, info.chunks, numStars, numGas);
        stars_ = chunks[0];
        gas_ = chunks[1];
        catalogue_.emplace(layout_, header_, numStars, numGas);
        groups_.emplace(layout_, catalogue_->files(), numStars, catalogue_->size());
        info.numSubhalos = catalogue_->size();
        if (catalogue_->rebuilt())
            info.notes.push_back("no offsets file: the subhalos' particles are found from the group catalogue");
        reader_.emplace(header_);
        if (numStars > 0) {
            const std::size_t c = stars_.holding(0);
            const auto first = h5::File::openRead(layout_.snapshotFile(c));
            reader_->checkStars(first.root().group(starGroup), std::uint64_t(stars_.rows(c)), info);
        }
    }

    const SnapshotInfo& info() const override { return header_.info; }
    Subhalo subhalo(std::int64_t id) const override { return catalogue_->subhalo(id); }
    std::vector<std::int64_t> subhalos() const override {
        std::vector<std::int64_t> ids(std::size_t(catalogue_->size()));
        std::iota(ids.begin(), ids.end(), 0);
        return ids;
    }
    std::vector<bool> centrals() const override { return groups_->centrals(); }
    ParticleRange groupStars(const Subhalo& s) const override { return groups_->starsAround(s.stars); }
    Stars readStars(ParticleRange r) const override { return reader_->readStars(pieces(stars_, r, "stars")); }
    Stars readStars(std::span<const ParticleRange> ranges) const override {
        std::vector<Piece> all;
        for (const ParticleRange& r : ranges)
            for (Piece& p : pieces(stars_, r, "stars")) all.push_back(std::move(p));
        return reader_->readStars(all);
    }
    Buffer<Vec3d> readStarPositions(ParticleRange r) const override {
        return reader_->readPositions(pieces(stars_, r, "stars"));
    }
    Gas readGas(ParticleRange r) const override { return reader_->readGas(pieces(gas_, r, "gas cells")); }

private:
    std::vector<Piece> pieces(const Chunks& chunks, ParticleRange r, const char* what) const {
        const auto total = std::uint64_t(chunks.total());
        if (r.first > total || r.count > total - r.first)
            throw Error(fmt::format("{}: {} from row {} on asked for; the snapshot has {} {}", header_.info.path,
                                    r.count, r.first, total, what));
        std::vector<Piece> out;
        if (r.count == 0) return out;
        std::size_t c = chunks.holding(std::int64_t(r.first));
        auto offset = r.first - std::uint64_t(chunks.start(c));
        for (auto left = r.count; left > 0; ++c, offset = 0) {
            const auto rows = std::uint64_t(chunks.rows(c));
            if (rows == 0) continue;  // such files may lack the group
            const auto n = std::min(left, rows - offset);
            out.push_back({layout_.snapshotFile(c), offset, n, rows});
            left -= n;
        }
        return out;
    }

    TngLayout layout_;
    Header header_;
    Chunks stars_, gas_;
    std::optional<Catalogue> catalogue_;
    std::optional<Groups> groups_;
    std::optional<ParticleReader> reader_;
};

}  // namespace

std::unique_ptr<Snapshot> openTng(const std::string& base, int number) {
    return std::make_unique<TngSnapshot>(base, number);
}

}  // namespace tessera::snapshots
