#include "mock/block.hpp"

#include <algorithm>
#include <array>

namespace tessera::mock {

namespace {

constexpr FieldUnits pureNumber{0, 0, 0, 0, 0, 0};
constexpr FieldUnits lengthUnits{1, -1, 1, 0, 0, 3.085678e21};
constexpr FieldUnits massUnits{0, -1, 0, 1, 0, 1.989e43};
constexpr FieldUnits velocityUnits{0.5, 0, 0, 0, 1, 1e5};

// Mass fractions of C, N, O, Ne, Mg, Si, Fe and all others in the metals: solar (Asplund et al. 2009 scaled as in
// Wiersma et al. 2009). Helium grows with the metals from its primordial share.
constexpr std::array<float, 8> metalShares{0.163f, 0.0658f, 0.432f, 0.111f, 0.0465f, 0.0538f, 0.0866f, 0.0413f};

void writeMetals(float* out, float metallicity) {
    out[1] = 0.24f + 2.1f * metallicity;
    out[0] = 1 - out[1] - metallicity;
    for (std::size_t i = 0; i < metalShares.size(); ++i) out[i + 2] = metalShares[i] * metallicity;
}

// What turns a sample of one segment into snapshot units.
struct Placement {
    Vec3d centre, velocity;
    Mat3d toBox;
    Source source;
};

struct Units {
    double toComoving, perRootA, toMass;
    double density, subfind;

    explicit Units(const Census& c)
        : toComoving(c.toComoving()),
          perRootA(1 / std::sqrt(c.epoch.scaleFactor)),
          toMass(c.epoch.cosmology.h / massUnit),
          density(toMass / (toComoving * toComoving * toComoving)),
          subfind(1.3) {}
};

Placement placementOf(const Census& c, const Segment& s) {
    switch (s.kind) {
        case Segment::Kind::galaxy: {
            const GalaxyPlan& g = c.galaxies[s.owner];
            return {g.centre, g.velocity, g.toBox, {c.seed, g.rank}};
        }
        case Segment::Kind::innerFuzz: {
            const GroupPlan& g = c.groups[s.owner];
            return {g.centre, g.velocity, {}, {c.seed, innerFuzzSource + std::uint32_t(s.owner)}};
        }
        default:
            return {{}, {}, {}, {c.seed, outerFuzzSource}};
    }
}

// Gas and stars of one source draw from streams of their own: the index's top bit tells them apart.
std::uint64_t streamIndex(Type type, std::uint64_t index) {
    return type == gasType ? index | (std::uint64_t(1) << 63) : index;
}

void placeRow(Block& b, std::size_t i, Column<float>& velocities, const Placement& p, const Units& u,
              const Segment& segment, std::uint64_t index, const Vec3f& position, const Vec3f& velocity) {
    Vec3d x = p.centre + (p.toBox * position.to<double>()) * u.toComoving;
    if (segment.kind == Segment::Kind::outerFuzz) {
        const auto where = uniforms(p.source, index, Purpose::position);
        x = Vec3d{double(where[0]), double(where[1]), double(where[2])} * boxSize;
    }
    const Vec3d v = (p.velocity + p.toBox * velocity.to<double>()) * u.perRootA;
    for (int k = 0; k < 3; ++k) {
        b.coordinates.row(i)[k] = wrapped(x[k]);
        velocities.row(i)[k] = float(v[k]);
    }
}

struct Filler {
    Block& b;
    const Census& census;
    Units u;

    void star(std::size_t i, const Segment& segment, const Placement& p, std::uint64_t local) {
        const std::uint64_t index = streamIndex(starType, local);
        const StarSample s =
            segment.kind == Segment::Kind::galaxy
                ? sampleStar(census.galaxies[segment.owner].model, census.galaxies[segment.owner].recipe, p.source,
                             index)
                : sampleFuzzStar(
                      segment.kind == Segment::Kind::innerFuzz ? census.groups[segment.owner].fuzz : census.outerFuzz,
                      census.fuzzStarRecipe, p.source, index);
        auto& f = b.fields;
        placeRow(b, i, f[starVelocities], p, u, segment, index, s.position, s.velocity);
        f[starMasses].values[i] = float(double(s.mass) * u.toMass);
        f[starInitialMass].values[i] = float(double(s.initialMass) * u.toMass);
        f[starMetallicity].values[i] = s.metallicity;
        f[starFormation].values[i] = s.wind ? -s.windTime : float(census.epoch.formation(double(s.age)));
        f[starHsml].values[i] = float(double(s.smoothing) * u.toComoving);
        if (!f[starMetals].values.empty()) {
            writeMetals(f[starMetals].row(i), s.metallicity);
            f[starSubfindHsml].values[i] = float(double(s.smoothing) * u.toComoving * u.subfind);
        }
    }

    void gas(std::size_t i, const Segment& segment, const Placement& p, std::uint64_t local) {
        const std::uint64_t index = streamIndex(gasType, local);
        const GasSample s =
            segment.kind == Segment::Kind::galaxy
                ? sampleGas(census.galaxies[segment.owner].model, census.cellMass, p.source, index)
                : sampleFuzzGas(
                      segment.kind == Segment::Kind::innerFuzz ? census.groups[segment.owner].fuzz : census.outerFuzz,
                      census.cellMass, p.source, index);
        auto& f = b.fields;
        placeRow(b, i, f[gasVelocities], p, u, segment, index, s.position, s.velocity);
        f[gasMasses].values[i] = float(double(s.mass) * u.toMass);
        f[gasDensity].values[i] = float(double(s.density) * u.density);
        f[gasEnergy].values[i] = s.internalEnergy;
        f[gasElectrons].values[i] = s.electronAbundance;
        f[gasRate].values[i] = s.starFormationRate;
        f[gasMetallicity].values[i] = s.metallicity;
        if (!f[gasMetals].values.empty()) {
            writeMetals(f[gasMetals].row(i), s.metallicity);
            f[gasSubfindHsml].values[i] = float(double(s.smoothing) * u.toComoving * u.subfind);
        }
    }
};

std::uint64_t rowsOf(const std::vector<Segment>& segments) {
    return segments.empty() ? 0 : segments.back().first + segments.back().count;
}

}  // namespace

Block makeBlock(Type type, std::size_t capacity, bool fullSnapshot) {
    Block b;
    b.type = type;
    b.coordinates = {"Coordinates", 3, lengthUnits, std::vector<double>(3 * capacity)};
    b.ids = {"ParticleIDs", 1, pureNumber, std::vector<std::uint64_t>(capacity)};
    const auto add = [&](const char* name, std::size_t width, const FieldUnits& units, bool present = true) {
        b.fields.push_back({name, width, units, std::vector<float>(present ? width * capacity : 0)});
    };
    add("Velocities", 3, velocityUnits);
    add("Masses", 1, massUnits);
    if (type == starType) {
        add("GFM_InitialMass", 1, massUnits);
        add("GFM_Metallicity", 1, pureNumber);
        add("GFM_StellarFormationTime", 1, pureNumber);
        add("GFM_Metals", 10, pureNumber, fullSnapshot);
        add("StellarHsml", 1, lengthUnits);
    } else {
        add("Density", 1, {-3, 2, -3, 1, 0, 6.76991e-22});
        add("InternalEnergy", 1, {0, 0, 0, 0, 2, 1e10});
        add("ElectronAbundance", 1, pureNumber);
        add("StarFormationRate", 1, {0, 0, -1, 1, 1, 6.30287e25});
        add("GFM_Metallicity", 1, pureNumber);
        add("GFM_Metals", 10, pureNumber, fullSnapshot);
    }
    add("SubfindHsml", 1, lengthUnits, fullSnapshot);
    return b;
}

void fillBlock(Block& b, const Census& census, const std::vector<Segment>& segments, std::uint64_t first,
               std::size_t rows) {
    b.first = first;
    b.rows = rows;
    Filler filler{b, census, Units(census)};
    // Unique over all types: gas first, then stars.
    const std::uint64_t idOffset = 1 + (b.type == starType ? rowsOf(census.segments(gasType)) : 0);
    constexpr std::size_t tile = 512;
    const std::size_t tiles = (rows + tile - 1) / tile;
#pragma omp parallel for schedule(dynamic, 4)
    for (std::size_t t = 0; t < tiles; ++t) {
        // The last segment that begins at or before the row: empty segments are passed over.
        auto segment = std::upper_bound(segments.begin(), segments.end(), first + t * tile,
                                        [](std::uint64_t row, const Segment& s) { return row < s.first; }) -
                       1;
        Placement p = placementOf(census, *segment);
        for (std::size_t i = t * tile; i < std::min(rows, (t + 1) * tile); ++i) {
            const std::uint64_t row = first + i;
            if (row >= segment->first + segment->count) {
                while (row >= segment->first + segment->count) ++segment;
                p = placementOf(census, *segment);
            }
            if (b.type == starType)
                filler.star(i, *segment, p, row - segment->first);
            else
                filler.gas(i, *segment, p, row - segment->first);
            b.ids.values[i] = idOffset + row;
        }
    }
}

}  // namespace tessera::mock
