#include <cmath>
#include <variant>

#include "mock/files.hpp"
#include "tessera/core/error.hpp"

namespace tessera::mock {

namespace {

// The columns of the Subhalo or the Group table, whole; each file gets a run of rows.
class Table {
public:
    explicit Table(std::size_t rows) : rows_(rows) {}

    template <class T>
    T* add(const char* name, std::size_t width = 1) {
        columns_.push_back({name, width, std::vector<T>(rows_ * width)});
        return std::get<std::vector<T>>(columns_.back().values).data();
    }

    void write(const h5::Group& group, std::uint64_t first, std::uint64_t end) const {
        if (first == end) return;  // an empty file of the catalogue has the group, but no dataset
        for (const Column& c : columns_) {
            std::vector<hsize_t> shape{end - first};
            if (c.width > 1) shape.push_back(c.width);
            std::visit([&](const auto& v) { group.write(c.name, shape, v.data() + first * c.width); }, c.values);
        }
    }

private:
    struct Column {
        const char* name;
        std::size_t width;
        std::variant<std::vector<float>, std::vector<std::int32_t>, std::vector<std::uint8_t>> values;
    };
    std::size_t rows_;
    std::vector<Column> columns_;
};

void put(float* out, std::size_t row, const Vec3d& v) {
    for (int k = 0; k < 3; ++k) out[3 * row + std::size_t(k)] = float(v[k]);
}
// A place in the box: rounding to float must not reach the box's far side.
void putPlace(float* out, std::size_t row, const Vec3d& x) {
    for (int k = 0; k < 3; ++k) {
        const float f = float(wrapped(x[k]));
        out[3 * row + std::size_t(k)] = f < float(boxSize) ? f : 0.0f;
    }
}

Vec3d per(const Vec3d& sum, double total) {
    return total > 0 ? sum * (1 / total) : Vec3d{};
}

// Sums of all types of each galaxy, and of each group's inner fuzz.
struct ByOwner {
    std::vector<Sums> galaxy, fuzz;
    std::vector<std::array<double, typeCount>> halfMass;
    std::vector<std::array<std::uint64_t, typeCount>> galaxyFirst, groupFirst;
};

ByOwner gather(const Census& c, const ParticleSums& particles) {
    ByOwner by{std::vector<Sums>(c.galaxies.size()), std::vector<Sums>(c.groups.size()), {}, {}, {}};
    by.halfMass.resize(c.galaxies.size());
    by.galaxyFirst.resize(c.galaxies.size());
    by.groupFirst.resize(c.groups.size());
    for (const Type type : {gasType, starType}) {
        const auto segments = c.segments(type);
        const auto& sums = type == gasType ? particles.gas : particles.stars;
        std::uint64_t groupBegins = 0;
        for (std::size_t i = 0; i < segments.size(); ++i) {
            const Segment& s = segments[i];
            if (s.kind == Segment::Kind::galaxy) {
                by.galaxy[s.owner].add(sums[i].sums, {});
                by.halfMass[s.owner][type] = sums[i].halfMassRadius;
                by.galaxyFirst[s.owner][type] = s.first;
            } else if (s.kind == Segment::Kind::innerFuzz) {
                by.fuzz[s.owner].add(sums[i].sums, {});
                by.groupFirst[s.owner][type] = groupBegins;
                groupBegins = s.first + s.count;
            }
        }
    }
    return by;
}

Table subhaloTable(const Census& c, const ByOwner& by) {
    Table t(c.galaxies.size());
    auto* lenType = t.add<std::int32_t>("SubhaloLenType", typeCount);
    auto* len = t.add<std::int32_t>("SubhaloLen");
    auto* massType = t.add<float>("SubhaloMassType", typeCount);
    auto* mass = t.add<float>("SubhaloMass");
    auto* halfMass = t.add<float>("SubhaloHalfmassRadType", typeCount);
    auto* pos = t.add<float>("SubhaloPos", 3);
    auto* cm = t.add<float>("SubhaloCM", 3);
    auto* vel = t.add<float>("SubhaloVel", 3);
    auto* spin = t.add<float>("SubhaloSpin", 3);
    auto* dispersion = t.add<float>("SubhaloVelDisp");
    auto* vmax = t.add<float>("SubhaloVmax");
    auto* vmaxRadius = t.add<float>("SubhaloVmaxRad");
    auto* rate = t.add<float>("SubhaloSFR");
    auto* group = t.add<std::int32_t>("SubhaloGrNr");
    t.add<std::int32_t>("SubhaloParent");
    auto* flag = t.add<std::uint8_t>("SubhaloFlag");
    for (std::size_t i = 0; i < c.galaxies.size(); ++i) {
        const GalaxyPlan& g = c.galaxies[i];
        const Sums& s = by.galaxy[i];
        std::uint64_t all = 0;
        for (std::size_t k = 0; k < typeCount; ++k) {
            lenType[typeCount * i + k] = narrow<std::int32_t>(s.length[k]);
            massType[typeCount * i + k] = float(s.mass[k]);
            halfMass[typeCount * i + k] = float(by.halfMass[i][k]);
            all += s.length[k];
        }
        len[i] = narrow<std::int32_t>(all);
        mass[i] = float(s.total);
        const Vec3d mean = s.total > 0 ? per(s.massV, s.total) : g.velocity;
        put(pos, i, g.centre);
        putPlace(cm, i, g.centre + per(s.massX, s.total));
        put(vel, i, mean);
        // (kpc/h)(km/s), physical, about the centre: sum of m x cross (v - mean) over sum of m.
        put(spin, i, per(s.angular - cross(s.massX, mean), s.total) * c.epoch.scaleFactor);
        const double square = s.total > 0 ? s.massV2 / s.total - dot(mean, mean) : 0;
        dispersion[i] = float(std::sqrt(std::max(0.0, square) / 3));
        vmax[i] = float(g.model.peakVelocity());
        vmaxRadius[i] = float(g.model.peakRadius() * c.epoch.cosmology.h);
        rate[i] = float(s.rate);
        group[i] = narrow<std::int32_t>(g.group);
        flag[i] = g.cosmological ? 1 : 0;
    }
    return t;
}

Table groupTable(const Census& c, const ByOwner& by) {
    Table t(c.groups.size());
    auto* lenType = t.add<std::int32_t>("GroupLenType", typeCount);
    auto* len = t.add<std::int32_t>("GroupLen");
    auto* massType = t.add<float>("GroupMassType", typeCount);
    auto* mass = t.add<float>("GroupMass");
    auto* first = t.add<std::int32_t>("GroupFirstSub");
    auto* count = t.add<std::int32_t>("GroupNsubs");
    auto* pos = t.add<float>("GroupPos", 3);
    auto* cm = t.add<float>("GroupCM", 3);
    auto* vel = t.add<float>("GroupVel", 3);
    auto* rate = t.add<float>("GroupSFR");
    auto* m200 = t.add<float>("Group_M_Crit200");
    auto* r200 = t.add<float>("Group_R_Crit200");
    for (std::size_t i = 0; i < c.groups.size(); ++i) {
        const GroupPlan& g = c.groups[i];
        Sums s = by.fuzz[i];
        for (std::uint64_t k = g.firstGalaxy; k < g.firstGalaxy + g.galaxies; ++k)
            s.add(by.galaxy[k], separationOf(g.centre, c.galaxies[k].centre));
        std::uint64_t all = 0;
        for (std::size_t k = 0; k < typeCount; ++k) {
            lenType[typeCount * i + k] = narrow<std::int32_t>(s.length[k]);
            massType[typeCount * i + k] = float(s.mass[k]);
            all += s.length[k];
        }
        len[i] = narrow<std::int32_t>(all);
        mass[i] = float(s.total);
        first[i] = g.galaxies > 0 ? narrow<std::int32_t>(g.firstGalaxy) : -1;
        count[i] = narrow<std::int32_t>(g.galaxies);
        put(pos, i, g.centre);
        putPlace(cm, i, g.centre + per(s.massX, s.total));
        // [km/s/a]: the peculiar velocity is this over a.
        put(vel, i, (s.total > 0 ? per(s.massV, s.total) : g.velocity) * c.epoch.scaleFactor);
        rate[i] = float(s.rate);
        m200[i] = float(g.m200 * c.epoch.cosmology.h / massUnit);
        r200[i] = float(g.r200 * c.toComoving());
    }
    return t;
}

void writeHeader(const h5::File& file, const Layout& l, const Census& c, std::size_t chunk) {
    const h5::Group header = file.root().createGroup("Header");
    writeEpoch(header, c.epoch);
    const auto set = [&](const char* name, std::uint64_t value) {
        header.setAttribute(name, narrow<std::int32_t>(value));
    };
    set("NumFiles", std::uint64_t(l.chunks));
    set("Ngroups_ThisFile", l.groups[chunk + 1] - l.groups[chunk]);
    set("Ngroups_Total", l.groups.back());
    set("Nsubgroups_ThisFile", l.subhalos[chunk + 1] - l.subhalos[chunk]);
    set("Nsubgroups_Total", l.subhalos.back());
    // The catalogue lists no ids of its own: particles are in the snapshot in its order.
    set("Nids_ThisFile", 0);
    set("Nids_Total", 0);
    set("FlagDoubleprecision", 0);
    header.setAttribute("SimulationName", "tessera-mock");
}

void writeOffsets(const Layout& l, const Census& c, const ByOwner& by) {
    h5::File file = h5::File::create(l.offsetsFile(c.epoch.number));
    const auto table = [](const std::vector<std::array<std::uint64_t, typeCount>>& rows) {
        std::vector<std::int64_t> flat;
        for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
        return flat;
    };
    const auto chunks = hsize_t(l.chunks);
    std::vector<std::int64_t> byType, groups(l.groups.begin(), l.groups.end() - 1),
        subhalos(l.subhalos.begin(), l.subhalos.end() - 1);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk)
        for (std::size_t t = 0; t < typeCount; ++t) byType.push_back(std::int64_t(l.rows[t][chunk]));
    const h5::Group files = file.root().createGroup("FileOffsets");
    files.write("SnapByType", {chunks, typeCount}, byType.data());
    files.write("Group", {chunks}, groups.data());
    files.write("Subhalo", {chunks}, subhalos.data());
    const auto galaxyRows = table(by.galaxyFirst), groupRows = table(by.groupFirst);
    file.root().createGroup("Subhalo").write("SnapByType", {c.galaxies.size(), typeCount}, galaxyRows.data());
    file.root().createGroup("Group").write("SnapByType", {c.groups.size(), typeCount}, groupRows.data());
    file.close();
}

}  // namespace

void writeCatalogue(const Layout& l, const Census& c, const ParticleSums& particles) {
    const ByOwner by = gather(c, particles);
    const Table subhalos = subhaloTable(c, by), groups = groupTable(c, by);
    for (std::size_t chunk = 0; chunk < std::size_t(l.chunks); ++chunk) {
        h5::File file = h5::File::create(l.catalogueFile(c.epoch.number, int(chunk)));
        writeHeader(file, l, c, chunk);
        groups.write(file.root().createGroup("Group"), l.groups[chunk], l.groups[chunk + 1]);
        subhalos.write(file.root().createGroup("Subhalo"), l.subhalos[chunk], l.subhalos[chunk + 1]);
        file.close();
    }
    writeOffsets(l, c, by);
}

}  // namespace tessera::mock
