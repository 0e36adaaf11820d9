#include "mock/census.hpp"

#include <algorithm>
#include <cmath>

#include "mock/shares.hpp"

namespace tessera::mock {

namespace {

// What the large galaxy is made of, however many particles that is.
constexpr double largeStellarMass = 5e10, largeGasMass = 1e10;  // [Msun]
constexpr double windShare = 0.012;                             // of the PartType4 rows of a galaxy that has gas
constexpr std::uint64_t fewestForWind = 100;
constexpr double separation = 2000;  // [ckpc/h] between groups where the box has room

double uniform(Source s, std::uint64_t index, Purpose p, std::size_t i) {
    return double(uniforms(s, index, p)[i]);
}

double rounded(double x) {
    const float f = float(wrapped(x));
    return f < float(boxSize) ? double(f) : 0.0;
}
Vec3d rounded(const Vec3d& x) {
    return {rounded(x.x), rounded(x.y), rounded(x.z)};
}

double distance(const Vec3d& a, const Vec3d& b) {
    Vec3d d = a - b;
    for (int i = 0; i < 3; ++i) d[i] -= boxSize * std::round(d[i] / boxSize);
    return norm(d);
}

Vec3d direction(const std::array<float, 4>& u) {
    const double z = 2 * double(u[0]) - 1, rho = std::sqrt(1 - z * z), phi = 2 * units::pi * double(u[1]);
    return {rho * std::cos(phi), rho * std::sin(phi), z};
}

// Columns: two directions of the disc's plane and the spin axis.
Mat3d frameOf(const Vec3d& axis, double roll) {
    const Vec3d other = std::fabs(axis.z) < 0.9 ? Vec3d{0, 0, 1} : Vec3d{1, 0, 0};
    Vec3d e1 = cross(other, axis);
    e1 *= 1 / norm(e1);
    const Vec3d e2 = cross(axis, e1);
    Mat3d rows;
    rows.row[0] = e1 * std::cos(roll) + e2 * std::sin(roll);
    rows.row[1] = e2 * std::cos(roll) - e1 * std::sin(roll);
    rows.row[2] = axis;
    return transpose(rows);
}

// Ranks in the order of the catalogue, and where each group begins. Rank 0 and the odd ranks are centrals, the even
// ones satellites of the groups in turn: large, middling and tiny galaxies of both kinds.
struct Families {
    std::vector<std::vector<std::uint32_t>> members;
    std::vector<std::uint32_t> centrals;
};
Families familiesOf(std::uint64_t galaxies) {
    Families f;
    std::size_t next = 0;
    for (std::uint32_t rank = 0; rank < galaxies; ++rank) {
        if (rank == 0 || rank % 2 == 1) {
            f.members.push_back({rank});
            f.centrals.push_back(rank);
        } else {
            f.members[next].push_back(rank);
            next = (next + 1) % f.members.size();
        }
    }
    return f;
}

// A random place away from the earlier groups; the chosen group's central sits within a kpc of the border in x and y.
Vec3d placeGroup(Source s, const std::vector<GroupPlan>& earlier, bool onBorder) {
    Vec3d centre;
    for (std::uint64_t attempt = 0; attempt < 32; ++attempt) {
        const auto u = uniforms(s, attempt, Purpose::position);
        centre = rounded(Vec3d{double(u[0]), double(u[1]), double(u[2])} * boxSize);
        if (onBorder) {
            centre.x = rounded(boxSize - 0.4 * double(u[0]));
            centre.y = rounded(0.4 * double(u[1]));
        }
        if (std::all_of(earlier.begin(), earlier.end(),
                        [&](const GroupPlan& g) { return distance(g.centre, centre) > separation; }))
            break;
    }
    return centre;
}

GalaxyPlan makeGalaxy(const Census& census, const Shares& stars, const Shares& gas, std::uint32_t rank) {
    const Source source{census.seed, rank};
    const double oldest = census.epoch.oldest;
    const std::uint64_t nStars = stars.galaxy[rank], nGas = gas.galaxy[rank];
    auto scatter = normals(source, 0, Purpose::parameters);
    if (rank == 0) scatter = {};  // the large galaxy lies on the relations
    const double bulge = rank == 0 ? 0.5 : uniform(source, 1, Purpose::parameters, 0);
    const auto turn = uniforms(source, 0, Purpose::orientation);
    return {rank,
            0,
            nStars,
            nGas,
            true,
            GalaxyModel(galaxyParameters(double(nStars) * census.starMass, double(nGas) * census.cellMass, census.epoch,
                                         scatter, float(bulge))),
            {census.starMass, oldest, nGas > 0 && nStars >= fewestForWind ? windShare : 0.0},
            {},
            {},
            frameOf(direction(turn), 2 * units::pi * double(turn[2]))};
}

// A satellite: somewhere inside the group's halo, moving in its potential.
void placeSatellite(const Census& census, const GroupPlan& group, GalaxyPlan& g) {
    const Source source{census.seed, g.rank};
    const auto u = uniforms(source, 0, Purpose::position);
    const auto kick = normals(source, 0, Purpose::velocity);
    const double r = (0.2 + 0.6 * double(u[2])) * group.r200 * census.toComoving();
    g.centre = rounded(group.centre + direction(u) * r);
    g.velocity = group.velocity + Vec3d{double(kick[0]), double(kick[1]), double(kick[2])} * group.fuzz.dispersion;
}

}  // namespace

double wrapped(double x) {
    x -= boxSize * std::floor(x / boxSize);
    return x < boxSize ? x : 0.0;  // a tiny negative x rounds up to the box itself
}

Census takeCensus(const MockOptions& o) {
    Census c;
    c.seed = o.seed;
    c.epoch = epochOf(o.snapshot);
    const Families families = familiesOf(o.galaxies);
    const Shares stars = shareStars(o.stars, o.galaxies, families.centrals);
    const Shares gas = shareGas(o.gas, o.galaxies, families.centrals);
    c.starMass = largeStellarMass / double(std::max<std::uint64_t>(stars.galaxy[0], 1));
    c.cellMass = largeGasMass / double(std::max<std::uint64_t>(gas.galaxy[0], 1));
    c.outerStars = stars.outer;
    c.outerGas = gas.outer;
    c.fuzzStarRecipe = {c.starMass, c.epoch.oldest, 0};
    c.outerFuzz = {0, 0, 100, 2e4};
    for (std::size_t g = 0; g < families.members.size() + 1; ++g) {
        const Source source{o.seed, innerFuzzSource + std::uint32_t(g)};
        GroupPlan group;
        group.firstGalaxy = c.galaxies.size();
        group.galaxies = g < families.members.size() ? families.members[g].size() : 0;
        group.fuzzStars = stars.inner[g];
        group.fuzzGas = gas.inner[g];
        group.centre = placeGroup(source, c.groups, g == (o.galaxies > 1 ? 1u : 0u));
        const auto kick = normals(source, 0, Purpose::velocity);
        group.velocity = Vec3d{double(kick[0]), double(kick[1]), double(kick[2])} * 250.0;
        for (std::uint64_t k = 0; k < group.galaxies; ++k) {
            c.galaxies.push_back(makeGalaxy(c, stars, gas, families.members[g][k]));
            GalaxyPlan& galaxy = c.galaxies.back();
            galaxy.group = std::uint32_t(g);
            if (k == 0) {
                group.m200 = galaxy.model.parameters().haloMass;
                group.r200 = galaxy.model.parameters().haloRadius;
                galaxy.centre = group.centre;
                galaxy.velocity = group.velocity;
            }
            group.fuzz = {0.15 * group.r200, group.r200, 0.6 * std::sqrt(gravity * group.m200 / group.r200), 1e6};
            if (k > 0) placeSatellite(c, group, galaxy);
            // TNG flags clumps of no cosmological origin: here the satellite of three stars.
            galaxy.cosmological = k == 0 || galaxy.stars != 3;
        }
        if (group.galaxies == 0) {
            group.m200 = 1e9;
            group.r200 = std::cbrt(group.m200 / (200 * c.epoch.criticalDensity() * 4 * units::pi / 3));
            group.fuzz = {0.15 * group.r200, group.r200, 10, 2e4};
        }
        c.groups.push_back(group);
    }
    return c;
}

std::vector<Segment> Census::segments(Type type) const {
    std::vector<Segment> all;
    std::uint64_t row = 0;
    const auto add = [&](Segment::Kind kind, std::uint64_t owner, std::uint64_t count) {
        all.push_back({kind, owner, row, count});
        row += count;
    };
    const bool star = type == starType;
    for (std::size_t g = 0; g < groups.size(); ++g) {
        const GroupPlan& group = groups[g];
        for (std::uint64_t k = group.firstGalaxy; k < group.firstGalaxy + group.galaxies; ++k)
            add(Segment::Kind::galaxy, k, star ? galaxies[k].stars : galaxies[k].gas);
        add(Segment::Kind::innerFuzz, g, star ? group.fuzzStars : group.fuzzGas);
    }
    add(Segment::Kind::outerFuzz, 0, star ? outerStars : outerGas);
    return all;
}

}  // namespace tessera::mock
