#include "io/snapshot_catalogue.hpp"

#include <fmt/format.h>

#include "io/snapshot_column.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"

namespace tessera::snapshots {

namespace {

constexpr std::size_t gas = 0, stars = 4;

h5::Group headerOf(const h5::File& file) {
    return file.root().group("Header");
}

std::vector<std::int64_t> lengths(const h5::Group& g, const std::string& name, std::int64_t rows) {
    Column(g, name, 6, std::uint64_t(rows));
    auto values = g.dataset(name).readAll<std::int64_t>();
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i] < 0 || values[i] > (std::int64_t(1) << 50))
            throw Error(fmt::format("{}/{}: row {} column {} is {}", g.where(), name, i / 6, i % 6, values[i]));
    return values;
}

// Starts of the catalogue's chunks by opening each of them.
Chunks scan(const TngLayout& layout, std::size_t files, std::int64_t total) {
    std::vector<std::int64_t> starts;
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < files; ++c) {
        const auto file = h5::File::openRead(layout.groupFile(c));
        const std::int64_t n = countOf(headerOf(file), "Nsubgroups_ThisFile", "Nsubhalos_ThisFile");
        if (n > 0) Column(file.root().group("Subhalo"), "SubhaloLenType", 6, std::uint64_t(n));
        starts.push_back(sum);
        sum += n;
    }
    if (sum != total)
        throw Error(fmt::format("{}:/Header: promises {} subhalos, its {} chunk files hold {}", layout.groupFile(0),
                                total, files, sum));
    return Chunks(std::move(starts), total, layout.groupFile(0));
}

}  // namespace

Catalogue::Catalogue(const TngLayout& layout, const Header& header, std::int64_t numStars, std::int64_t numGas)
    : layout_(layout),
      units_(header.units),
      boxSize_(header.info.boxSize),
      numStars_(numStars),
      numGas_(numGas),
      offsets_(layout.offsetsFile()) {
    const auto first = h5::File::openRead(layout.groupFile(0));
    const auto g = headerOf(first);
    const std::int64_t total = countOf(g, "Nsubgroups_Total", "Nsubhalos_Total");
    const auto named = g.attribute<std::int64_t>("NumFiles");
    const std::size_t files = named ? std::size_t(*named) : layout.groupFiles();
    if (named && (*named < 1 || *named > 1000000))
        throw Error(fmt::format("{} attribute NumFiles: is {}", g.where(), *named));

    if (!offsets_.empty()) {
        const auto root = h5::File::openRead(offsets_).root();
        if (!root.has("Subhalo/SnapByType") && total > 0)
            throw Error(offsets_ + ":/Subhalo/SnapByType: no such dataset");
        if (total > 0) Column(root.group("Subhalo"), "SnapByType", 6, std::uint64_t(total));
        if (root.has("FileOffsets/Subhalo")) {
            const auto d = root.dataset("FileOffsets/Subhalo");
            Column(root.group("FileOffsets"), "Subhalo", 1, files);
            chunks_ = Chunks(d.readAll<std::int64_t>(), total, d.where());
            return;
        }
    }
    chunks_ = scan(layout, files, total);
}

const Catalogue::Table& Catalogue::table(std::size_t chunk) const {
    if (table_ && table_->chunk == chunk) return *table_;
    const auto file = h5::File::openRead(layout_.groupFile(chunk));
    const auto g = file.root().group("Subhalo");
    const std::int64_t rows = chunks_.rows(chunk);
    const auto n = std::uint64_t(rows);

    Table t;
    t.chunk = chunk;
    t.where = g.where();
    t.length = lengths(g, "SubhaloLenType", rows);
    const double far = boxSize_ > 0 ? 2 * boxSize_ : 1e9;
    if (g.has("SubhaloPos")) {
        t.position.resize(3 * n);
        Column(g, "SubhaloPos", 3, n, {-far, far}).in(units_, Quantity::length).read(0, n, t.position.data());
    }
    if (g.has("SubhaloVel")) {
        t.velocity.resize(3 * n);
        Column(g, "SubhaloVel", 3, n, {-units::c_km_s, units::c_km_s})
            .in(units_, Quantity::physicalVelocity)
            .read(0, n, t.velocity.data());
    }
    const auto ofStars = [&](const char* name, Quantity q, std::vector<double>& out) {
        if (!g.has(name)) return;
        std::vector<double> all(6 * n);
        Column(g, name, 6, n, nonNegative).in(units_, q).read(0, n, all.data());
        out.resize(n);
        for (std::size_t i = 0; i < n; ++i) out[i] = all[6 * i + stars];
    };
    ofStars("SubhaloHalfmassRadType", Quantity::length, t.halfMassRadius);
    ofStars("SubhaloMassType", Quantity::mass, t.mass);
    if (g.has("SubhaloFlag")) {
        Column(g, "SubhaloFlag", 1, n);
        t.flag = g.dataset("SubhaloFlag").readAll<std::int64_t>();
    }
    if (g.has("SubhaloSFR")) {
        t.sfr.resize(n);
        Column(g, "SubhaloSFR", 1, n, nonNegative).read(0, n, t.sfr.data());
    }
    readStarts(t, chunks_.start(chunk), rows);
    table_ = std::move(t);
    return *table_;
}

void Catalogue::readStarts(Table& t, std::int64_t first, std::int64_t rows) const {
    t.start.resize(6 * std::size_t(rows));
    if (!offsets_.empty()) {
        const auto d = h5::File::openRead(offsets_).root().dataset("Subhalo/SnapByType");
        d.readRows(hsize_t(first), hsize_t(rows), t.start.data());
        return;
    }
    if (rebuilt_.empty()) rebuildStarts();
    for (std::int64_t i = 0; i < rows; ++i) {
        t.start[6 * i + stars] = rebuilt_[first + i][0];
        t.start[6 * i + gas] = rebuilt_[first + i][1];
    }
}

void Catalogue::rebuildStarts() const {
    // Lengths of all subhalos first: a group's subhalos may lie in a later chunk file than the group.
    std::vector<std::array<std::int64_t, 2>> length;
    for (std::size_t c = 0; c < chunks_.count(); ++c) {
        if (chunks_.rows(c) == 0) continue;
        const auto file = h5::File::openRead(layout_.groupFile(c));
        const auto all = lengths(file.root().group("Subhalo"), "SubhaloLenType", chunks_.rows(c));
        for (std::size_t i = 0; i < all.size(); i += 6) length.push_back({all[i + stars], all[i + gas]});
    }
    rebuilt_.assign(length.size(), {-1, -1});  // -1: of no group
    std::array<std::int64_t, 2> groupStart{0, 0};
    for (std::size_t c = 0; c < chunks_.count(); ++c) {
        const auto file = h5::File::openRead(layout_.groupFile(c));
        const std::int64_t rows = countOf(headerOf(file), "Ngroups_ThisFile", "Nhalos_ThisFile");
        if (rows == 0) continue;
        const auto g = file.root().group("Group");
        const auto all = lengths(g, "GroupLenType", rows);
        Column(g, "GroupFirstSub", 1, std::uint64_t(rows));
        Column(g, "GroupNsubs", 1, std::uint64_t(rows));
        const auto firstSub = g.dataset("GroupFirstSub").readAll<std::int64_t>();
        const auto subs = g.dataset("GroupNsubs").readAll<std::int64_t>();
        for (std::size_t i = 0; i < std::size_t(rows); ++i) {
            if (subs[i] > 0 && (firstSub[i] < 0 || firstSub[i] > size() || subs[i] > size() - firstSub[i]))
                throw Error(fmt::format("{}: group in row {} has {} subhalos from {} on, the catalogue has {}",
                                        g.where(), i, subs[i], firstSub[i], size()));
            auto start = groupStart;
            for (std::int64_t s = firstSub[i]; s < firstSub[i] + std::max<std::int64_t>(subs[i], 0); ++s) {
                rebuilt_[s] = start;
                for (int k = 0; k < 2; ++k) start[k] += length[s][k];
            }
            groupStart[0] += all[6 * i + stars];
            groupStart[1] += all[6 * i + gas];
            if (start[0] > groupStart[0] || start[1] > groupStart[1])
                throw Error(fmt::format("{}: the subhalos of the group in row {} have more particles than it has",
                                        g.where(), i));
        }
    }
}

ParticleRange Catalogue::range(const Table& t, std::int64_t row, std::size_t type, std::int64_t rows) const {
    const std::int64_t n = t.length[6 * row + type], first = t.start[6 * row + type];
    if (n == 0) return {0, 0};
    if (first < 0 || first > rows || n > rows - first)
        throw Error(fmt::format("{}: subhalo {} claims {} particles of type {} from row {} on; the snapshot has {}",
                                t.where, chunks_.start(t.chunk) + row, n, type, first, rows));
    return {std::uint64_t(first), std::uint64_t(n)};
}

Subhalo Catalogue::subhalo(std::int64_t id) const {
    if (id < 0 || id >= size())
        throw Error(fmt::format("{}: no subhalo {}; the catalogue has {}", layout_.groupFile(0), id, size()));
    const Table& t = table(chunks_.holding(id));
    const std::int64_t row = id - chunks_.start(t.chunk);
    const auto vector = [&](const std::vector<double>& v) {
        return v.empty() ? std::nullopt : std::optional(Vec3d{v[3 * row], v[3 * row + 1], v[3 * row + 2]});
    };
    const auto value = [&](const std::vector<double>& v) { return v.empty() ? std::nullopt : std::optional(v[row]); };
    Subhalo s;
    s.id = id;
    s.stars = range(t, row, stars, numStars_);
    s.gas = range(t, row, gas, numGas_);
    s.position = vector(t.position);
    s.velocity = vector(t.velocity);
    s.halfMassRadius = value(t.halfMassRadius);
    s.stellarMass = value(t.mass);
    s.sfr = value(t.sfr);
    s.cosmological = t.flag.empty() || t.flag[row] != 0;
    return s;
}

}  // namespace tessera::snapshots
