#include "io/snapshot_particles.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>

#include "io/snapshot_column.hpp"
#include "tessera/core/error.hpp"

namespace tessera::snapshots {

static_assert(sizeof(Vec3d) == 3 * sizeof(double) && sizeof(Vec3f) == 3 * sizeof(float));

namespace {

constexpr std::uint64_t blockRows = 1 << 19;  // what several threads convert at a time; stays near the caches
constexpr std::uint64_t sliceRows = 1 << 15;  // what one of them does; fewer rows are not worth a second

// A periodic box, with one box around it for positions that were left unwrapped; else any length up to a Gpc.
Limits positionLimits(const SnapshotInfo& info) {
    if (info.boxSize > 0) return {-info.boxSize, 2 * info.boxSize};
    return {-1e6 * 1e3, 1e6 * 1e3};
}

// The first of the names that the group has; empty if none.
std::string firstOf(const h5::Group& g, std::initializer_list<const char*> names) {
    for (const char* n : names)
        if (g.has(n)) return n;
    return "";
}

std::string massField(const h5::Group& g) {
    const std::string name = firstOf(g, {"GFM_InitialMass", "Masses"});
    return name.empty() ? "GFM_InitialMass" : name;
}

std::string smoothingField(const h5::Group& g) {
    return firstOf(g, {"StellarHsml", "SubfindHsml"});
}

std::uint64_t total(const std::vector<Piece>& pieces) {
    std::uint64_t n = 0;
    for (const Piece& p : pieces) n += p.count;
    return n;
}

// Leaves out some of `rows` rows (`gaps`, ascending), in place.
template <class T>
void closeGaps(T* values, std::uint64_t rows, const std::vector<std::uint32_t>& gaps) {
    std::uint64_t kept = 0, from = 0;
    for (std::size_t k = 0; k <= gaps.size(); ++k) {
        const std::uint64_t end = k < gaps.size() ? gaps[k] : rows;
        if (kept != from) std::memmove(values + kept, values + from, (end - from) * sizeof(T));
        kept += end - from;
        from = end + 1;
    }
}

// work[k](first, count) for slices of the rows, by all threads. Of errors, that of the first work and slice is thrown,
// as one thread would have met it.
void inSlices(std::uint64_t rows, const std::vector<std::function<void(std::uint64_t, std::uint64_t)>>& work) {
    const std::uint64_t slices = (rows + sliceRows - 1) / sliceRows;
    std::vector<std::exception_ptr> errors(slices * work.size());
#pragma omp parallel for schedule(dynamic) if (slices > 1)
    for (std::size_t i = 0; i < errors.size(); ++i) {
        const std::uint64_t first = i % slices * sliceRows;
        try {
            work[i / slices](first, std::min(sliceRows, rows - first));
        } catch (...) {
            errors[i] = std::current_exception();
        }
    }
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

}  // namespace

const h5::File& FileCache::open(const std::string& path) {
    if (!file_ || file_->path() != path) {
        file_.reset();
        file_ = h5::File::openRead(path);
    }
    return *file_;
}

ParticleReader::ParticleReader(const Header& header) : header_(header) {}

const FormationClock& ParticleReader::clock() const {
    if (!clock_) {
        const SnapshotInfo& i = header_.info;
        if (!i.hasCosmology)
            throw Error(i.path + ":/Header: has no attribute Omega0, which the ages of the stars need");
        clock_.emplace(Cosmology{i.h, i.omegaM, i.omegaL, -1, 0}, i.scaleFactor);
    }
    return *clock_;
}

void ParticleReader::checkStars(const h5::Group& g, std::uint64_t rows, SnapshotInfo& info) const {
    const Units& u = header_.units;
    double bytes = 0;
    const auto add = [&](Column&& column) { bytes += column.rowBytes(); };
    add(Column(g, "Coordinates", 3, rows).in(u, Quantity::length));
    add(Column(g, "Velocities", 3, rows).in(u, Quantity::velocity));
    add(Column(g, "GFM_StellarFormationTime", 1, rows));
    add(Column(g, "GFM_Metallicity", 1, rows));
    const std::string mass = massField(g), smoothing = smoothingField(g);
    add(Column(g, mass, 1, rows).in(u, Quantity::mass));
    if (mass != "GFM_InitialMass")
        info.notes.push_back("the stars have no GFM_InitialMass: their current Masses stand for the mass formed");
    if (!smoothing.empty()) add(Column(g, smoothing, 1, rows).in(u, Quantity::length));
    info.starBytes = bytes;
    clock();
}

Stars ParticleReader::readStars(const std::vector<Piece>& pieces) const {
    for (const Piece& p : pieces)  // before anything is allocated
        Column(files_.open(p.path).root().group(starGroup), "Coordinates", 3, p.rows);
    const std::uint64_t n = total(pieces);
    const Units& u = header_.units;
    const double aMax = header_.info.scaleFactor * (1 + 1e-4);

    Stars s(n);
    std::optional<std::string> mass, smoothing;
    std::vector<double> birth(std::min(n, blockRows));
    std::vector<float> stored;  // of them, where the file has floats
    std::vector<std::uint32_t> wind;
    std::uint64_t kept = 0, passed = 0;
    if (n == 0) return s;
    const FormationClock& age = clock();

    for (const Piece& p : pieces) {
        const auto g = files_.open(p.path).root().group(starGroup);
        if (!mass) {
            mass = massField(g);
            smoothing = smoothingField(g);
            if (!smoothing->empty()) s.smoothing = Buffer<float>(n);
        }
        const Column births(g, "GFM_StellarFormationTime", 1, p.rows, {-1e30, aMax});
        const Column positions =
            Column(g, "Coordinates", 3, p.rows, positionLimits(header_.info)).in(u, Quantity::length);
        const Column velocities = Column(g, "Velocities", 3, p.rows, speed).in(u, Quantity::velocity);
        const Column masses = Column(g, *mass, 1, p.rows, nonNegative).in(u, Quantity::mass);
        const Column metals(g, "GFM_Metallicity", 1, p.rows, fraction);
        std::optional<Column> lengths;
        if (!smoothing->empty()) lengths = Column(g, *smoothing, 1, p.rows, nonNegative).in(u, Quantity::length);

        for (std::uint64_t done = 0; done < p.count;) {
            const std::uint64_t rows = std::min(blockRows, p.count - done), row = p.first + done;
            using Row = std::uint64_t;
            if (births.holds<float>()) {
                stored.resize(birth.size());
                births.fetch(row, rows, stored.data());
                inSlices(rows, {[&](Row i, Row part) {
                             births.convert(row + i, part, &stored[i]);
                             std::copy_n(&stored[i], part, &birth[i]);
                         }});
            } else {
                births.fetch(row, rows, birth.data());
                inSlices(rows, {[&](Row i, Row part) { births.convert(row + i, part, &birth[i]); }});
            }
            wind.clear();
            for (std::uint32_t i = 0; i < rows; ++i)
                if (!(birth[i] > 0)) wind.push_back(i);
            for (const std::uint32_t i : wind) s.windRows.push_back(passed + i);
            positions.fetch(row, rows, &s.position[kept].x);
            velocities.fetch(row, rows, &s.velocity[kept].x);
            masses.fetch(row, rows, &s.mass[kept]);
            metals.fetch(row, rows, &s.metallicity[kept]);
            if (lengths) lengths->fetch(row, rows, &s.smoothing[kept]);
            inSlices(rows, {
                               [&](Row i, Row part) { positions.convert(row + i, part, &s.position[kept + i].x); },
                               [&](Row i, Row part) { velocities.convert(row + i, part, &s.velocity[kept + i].x); },
                               [&](Row i, Row part) { masses.convert(row + i, part, &s.mass[kept + i]); },
                               [&](Row i, Row part) { metals.convert(row + i, part, &s.metallicity[kept + i]); },
                               [&](Row i, Row part) {
                                   if (lengths) lengths->convert(row + i, part, &s.smoothing[kept + i]);
                               },
                               [&](Row i, Row part) {  // wind, left out below, is formed at no time
                                   age.ages(&birth[i], part, &s.age[kept + i]);
                               },
                           });
            if (!wind.empty()) {
#pragma omp parallel sections if (rows > sliceRows)
                {
#pragma omp section
                    closeGaps(&s.position[kept], rows, wind);
#pragma omp section
                    {
                        closeGaps(&s.velocity[kept], rows, wind);
                        closeGaps(&s.mass[kept], rows, wind);
                        closeGaps(&s.metallicity[kept], rows, wind);
                        closeGaps(&s.age[kept], rows, wind);
                        if (lengths) closeGaps(&s.smoothing[kept], rows, wind);
                    }
                }
            }
            kept += rows - wind.size();
            passed += rows;
            done += rows;
        }
    }
    s.position.shrink(kept);
    s.velocity.shrink(kept);
    s.mass.shrink(kept);
    s.age.shrink(kept);
    s.metallicity.shrink(kept);
    s.smoothing.shrink(kept);
    return s;
}

Buffer<Vec3d> ParticleReader::readPositions(const std::vector<Piece>& pieces) const {
    Buffer<Vec3d> out(total(pieces));
    std::uint64_t at = 0;
    for (const Piece& p : pieces) {
        const auto g = files_.open(p.path).root().group(starGroup);
        const Column c =
            Column(g, "Coordinates", 3, p.rows, positionLimits(header_.info)).in(header_.units, Quantity::length);
        c.fetch(p.first, p.count, &out[at].x);
        using Row = std::uint64_t;
        inSlices(p.count, {[&](Row i, Row part) { c.convert(p.first + i, part, &out[at + i].x); }});
        at += p.count;
    }
    return out;
}

namespace {

// Appends the rows of a piece to a field that snapshots may lack; whether it is there is settled by the first piece.
struct OptionalField {
    Buffer<float>& out;
    std::string name;
    Quantity quantity;
    Limits limits;
    std::size_t width = 1, component = 0;
    bool present = false;

    void prepare(const h5::Group& g, std::uint64_t n) {
        present = !name.empty() && g.has(name);
        if (present) out = Buffer<float>(n);
    }
    void read(const h5::Group& g, const Units& u, const Piece& p, std::uint64_t at) const {
        if (!present) return;
        const Column c = Column(g, name, width, p.rows, limits).in(u, quantity);
        if (width == 1)
            c.read(p.first, p.count, out.data() + at);
        else
            c.readComponent(component, p.first, p.count, out.data() + at);
    }
};

}  // namespace

Gas ParticleReader::readGas(const std::vector<Piece>& pieces) const {
    for (const Piece& p : pieces) Column(files_.open(p.path).root().group(gasGroup), "Coordinates", 3, p.rows);
    const std::uint64_t n = total(pieces);
    const Units& u = header_.units;
    Gas gas;
    gas.position = Buffer<Vec3d>(n);
    gas.mass = Buffer<float>(n);
    OptionalField fields[] = {
        {gas.density, "Density", Quantity::density, nonNegative},
        {gas.internalEnergy, "InternalEnergy", Quantity::specificEnergy, nonNegative},
        {gas.electronAbundance, "ElectronAbundance", Quantity::none, nonNegative},
        {gas.starFormationRate, "StarFormationRate", Quantity::massRate, nonNegative},
        {gas.metallicity, "GFM_Metallicity", Quantity::none, fraction},
        {gas.hydrogen, "GFM_Metals", Quantity::none, fraction, 10, 0},
        {gas.oxygen, "GFM_Metals", Quantity::none, fraction, 10, 4},
        {gas.smoothing, "SubfindHsml", Quantity::length, nonNegative},
    };
    bool first = true, moving = false;
    std::uint64_t at = 0;
    for (const Piece& p : pieces) {
        const auto g = files_.open(p.path).root().group(gasGroup);
        if (first) {
            for (auto& f : fields) f.prepare(g, n);
            moving = g.has("Velocities");
            if (moving) gas.velocity = Buffer<Vec3f>(n);
            first = false;
        }
        Column(g, "Coordinates", 3, p.rows, positionLimits(header_.info))
            .in(u, Quantity::length)
            .read(p.first, p.count, &gas.position.data()[at].x);
        if (moving)
            Column(g, "Velocities", 3, p.rows, speed)
                .in(u, Quantity::velocity)
                .read(p.first, p.count, &gas.velocity.data()[at].x);
        Column(g, "Masses", 1, p.rows, nonNegative).in(u, Quantity::mass).read(p.first, p.count, gas.mass.data() + at);
        for (const auto& f : fields) f.read(g, u, p, at);
        at += p.count;
    }
    return gas;
}

}  // namespace tessera::snapshots
