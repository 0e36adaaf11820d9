// Mock trees: the layout, the catalogue against its particles, the same particles however they are cut.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include "mock_tree.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/hd.hpp"

using namespace tessera;
using namespace tessera::test;
namespace fs = std::filesystem;

namespace {

const double box = 35000;

MockOptions options(const std::string& output) {
    MockOptions o;
    o.output = output;
    o.stars = 20000;
    o.gas = 8000;
    return o;
}

MockTree make(const MockOptions& o) {
    makeMock(o);
    return MockTree::read(o.output, o.snapshot);
}

Vec3d vector(const MockTree& t, const std::string& name, std::size_t row) {
    return {t.value(name, row, 0), t.value(name, row, 1), t.value(name, row, 2)};
}

Vec3d nearest(Vec3d d) {
    for (int k = 0; k < 3; ++k) d[k] -= box * std::round(d[k] / box);
    return d;
}

bool isWind(const MockTree& t, std::size_t row) {
    return t.value("PartType4/GFM_StellarFormationTime", row) <= 0;
}

void checkClose(const Vec3d& a, const Vec3d& b, double margin) {
    for (int k = 0; k < 3; ++k) CHECK(a[k] == Approx(b[k]).margin(margin));
}

// Sums over the rows of a subhalo or group, both types, by brute force.
struct Direct {
    double mass = 0, massOfType[6] = {}, rate = 0, halfMass[6] = {};
    Vec3d centre, velocity, spin;
};

Direct sumRows(const MockTree& t, const std::string& table, std::size_t row, const Vec3d& pos) {
    const double a = t.header.at("Time");
    Direct d;
    Vec3d massX, massV, massL;
    for (const int type : {0, 4}) {
        const std::string part = "PartType" + std::to_string(type) + "/";
        const auto first = std::size_t(t.value("offsets/" + table + "/SnapByType", row, std::size_t(type)));
        const auto count = std::size_t(
            t.value(table == "Group" ? "Group/GroupLenType" : "Subhalo/SubhaloLenType", row, std::size_t(type)));
        std::vector<std::pair<double, double>> shells;
        double sum = 0;
        for (std::size_t i = first; i < first + count; ++i) {
            const double m = t.value(part + "Masses", i);
            const Vec3d x = nearest(vector(t, part + "Coordinates", i) - pos);
            const Vec3d v = vector(t, part + "Velocities", i) * std::sqrt(a);
            d.mass += m;
            massX += m * x;
            massV += m * v;
            massL += m * cross(x, v);
            const bool wind = type == 4 && isWind(t, i);
            d.massOfType[wind ? 0 : type] += m;
            if (type == 0) d.rate += t.value(part + "StarFormationRate", i);
            if (wind) continue;
            shells.push_back({norm(x), m});
            sum += m;
        }
        std::sort(shells.begin(), shells.end());
        double below = 0;
        for (const auto& [r, m] : shells)
            if ((below += m) >= sum / 2) {
                d.halfMass[type] = r;
                break;
            }
    }
    if (d.mass > 0) {
        d.centre = massX * (1 / d.mass);
        d.velocity = massV * (1 / d.mass);
        d.spin = (massL - cross(massX, d.velocity)) * (a / d.mass);
    }
    return d;
}

}  // namespace

TEST_CASE("a tree has the layout, the counts and the header it promises", "[mock]") {
    TemporaryDirectory dir;
    const MockOptions o = options(dir / "mock");
    const MockReport r = makeMock(o);
    const MockTree t = MockTree::read(o.output);
    CHECK(r.basePath == dir / "mock/output");
    CHECK(r.stars == 20000);
    CHECK(r.gas == 8000);
    CHECK(r.subhalos == 8);
    CHECK(r.files == 4 + 4 + 1 + 1);
    CHECK(t.total == std::vector<std::uint64_t>{8000, 0, 0, 0, 20000, 0});
    CHECK(t.rows("PartType4/Coordinates") == 20000);
    CHECK(t.rows("PartType0/Coordinates") == 8000);
    CHECK(t.header.at("Time") == 1);
    CHECK(t.header.at("BoxSize") == box);
    CHECK(t.header.at("HubbleParam") == 0.6774);
    CHECK(t.header.at("NumFilesPerSnapshot") == 4);

    // Types and scaling attributes as in real snapshots.
    const auto file = h5::File::openRead(dir / "mock/output/snapdir_099/snap_099.0.hdf5");
    const auto stars = file.root().group("PartType4");
    const auto velocities = stars.dataset("Velocities");
    CHECK(velocities.attribute<double>("a_scaling") == 0.5);
    CHECK(velocities.attribute<double>("to_cgs") == 1e5);
    const auto masses = stars.dataset("Masses");
    CHECK(masses.attribute<double>("h_scaling") == -1.0);
    CHECK(masses.attribute<double>("mass_scaling") == 1.0);
    CHECK(stars.dataset("ParticleIDs").isInteger());
    for (const char* name :
         {"GFM_InitialMass", "GFM_Metallicity", "GFM_StellarFormationTime", "GFM_Metals", "StellarHsml", "SubfindHsml"})
        CHECK(stars.dataset(name).isFloat());
    // The second chunk has no gas, the third file of the catalogue nothing.
    CHECK_FALSE(h5::File::openRead(dir / "mock/output/snapdir_099/snap_099.1.hdf5").root().has("PartType0"));
    CHECK(t.rowsOfChunk[1][0] == 0);
    CHECK(t.groupsOfChunk[2] + t.subhalosOfChunk[2] == 0);
}

TEST_CASE("the galaxies of a tree: one large, some tiny, some without gas, one on the border", "[mock]") {
    TemporaryDirectory dir;
    const MockTree t = make(options(dir / "mock"));
    const std::size_t n = t.rows("Subhalo/SubhaloLenType");
    REQUIRE(n == 8);
    std::multiset<std::uint64_t> stars;
    int withoutGas = 0, satellites = 0, crossing = 0, flagged = 0;
    for (std::size_t i = 0; i < n; ++i) {
        stars.insert(std::uint64_t(t.value("Subhalo/SubhaloLenType", i, 4)));
        withoutGas += t.value("Subhalo/SubhaloLenType", i, 0) == 0;
        flagged += t.value("Subhalo/SubhaloFlag", i) == 0;
        const auto group = std::size_t(t.value("Subhalo/SubhaloGrNr", i));
        const double first = t.value("Group/GroupFirstSub", group);
        REQUIRE(double(i) >= first);
        REQUIRE(double(i) < first + t.value("Group/GroupNsubs", group));
        satellites += double(i) != first;
        const auto begin = std::size_t(t.value("offsets/Subhalo/SnapByType", i, 4));
        bool low = false, high = false;
        for (std::size_t k = begin; k < begin + std::size_t(t.value("Subhalo/SubhaloLenType", i, 4)); ++k) {
            low = low || t.value("PartType4/Coordinates", k, 0) < 1000;
            high = high || t.value("PartType4/Coordinates", k, 0) > box - 1000;
        }
        crossing += low && high;
    }
    CHECK(t.value("Subhalo/SubhaloLenType", 0, 4) > 9000);
    CHECK(stars.count(0) == 1);
    CHECK(stars.count(3) == 1);
    CHECK(stars.count(20) == 1);
    CHECK(withoutGas >= 2);
    CHECK(satellites >= 2);
    CHECK(crossing >= 1);
    CHECK(flagged == 1);
    const std::size_t last = t.rows("Group/GroupNsubs") - 1;
    CHECK(t.value("Group/GroupNsubs", last) == 0);
    CHECK(t.value("Group/GroupFirstSub", last) == -1);
    CHECK(t.value("Group/GroupLenType", last, 4) > 0);
    // A star of the large galaxy weighs what makes it 5e10 Msun.
    double formed = 0;
    const auto large = std::size_t(t.value("Subhalo/SubhaloLenType", 0, 4));
    for (std::size_t i = 0; i < large; ++i) formed += t.value("PartType4/GFM_InitialMass", i);
    CHECK(formed * 1e10 / 0.6774 == Approx(5e10).epsilon(0.01));
}

TEST_CASE("every value of a tree is one a simulation could have", "[mock]") {
    TemporaryDirectory dir;
    MockOptions o = options(dir / "mock");
    o.snapshot = GENERATE(99, 50);
    const MockTree t = make(o);
    for (const auto& [name, values] : t.data)
        for (const double v : values)
            if (!std::isfinite(v)) FAIL(name);
    std::set<double> ids;
    for (const int type : {0, 4}) {
        const std::string part = "PartType" + std::to_string(type) + "/";
        for (const double x : t.at(part + "Coordinates")) {
            REQUIRE(x >= 0);
            REQUIRE(x < box);
        }
        for (const double m : t.at(part + "Masses")) REQUIRE(m > 0);
        for (std::size_t i = 0; i < t.rows(part + "GFM_Metals"); ++i) {
            double sum = 0;
            for (std::size_t k = 0; k < 10; ++k) {
                sum += t.value(part + "GFM_Metals", i, k);
                REQUIRE(t.value(part + "GFM_Metals", i, k) > 0);
            }
            REQUIRE(sum == Approx(1).margin(3e-6));
            const double metals = 1 - t.value(part + "GFM_Metals", i, 0) - t.value(part + "GFM_Metals", i, 1);
            REQUIRE(metals == Approx(t.value(part + "GFM_Metallicity", i)).margin(3e-6));
        }
        ids.insert(t.at(part + "ParticleIDs").begin(), t.at(part + "ParticleIDs").end());
    }
    CHECK(ids.size() == 28000);
    std::size_t wind = 0, forming = 0;
    for (std::size_t i = 0; i < t.rows("PartType4/Masses"); ++i) {
        wind += isWind(t, i);
        REQUIRE(t.value("PartType4/GFM_StellarFormationTime", i) <= t.header.at("Time"));
        REQUIRE(t.value("PartType4/Masses", i) <= t.value("PartType4/GFM_InitialMass", i));
        REQUIRE(t.value("PartType4/StellarHsml", i) > 0);
    }
    CHECK(wind > 100);
    CHECK(wind < 400);
    for (const double rate : t.at("PartType0/StarFormationRate")) forming += rate > 0;
    CHECK(forming > 800);
    CHECK(forming < 7200);
}

TEST_CASE("the catalogue is the sum of the particles", "[mock]") {
    TemporaryDirectory dir;
    MockOptions o = options(dir / "mock");
    o.snapshot = GENERATE(99, 50);
    const MockTree t = make(o);
    const double a = t.header.at("Time");
    for (std::size_t i = 0; i < 8; ++i) {
        const Vec3d pos = vector(t, "Subhalo/SubhaloPos", i);
        const Direct d = sumRows(t, "Subhalo", i, pos);
        CHECK(t.value("Subhalo/SubhaloMass", i) == Approx(d.mass).epsilon(1e-6));
        CHECK(t.value("Subhalo/SubhaloSFR", i) == Approx(d.rate).epsilon(1e-6));
        for (std::size_t type = 0; type < 6; ++type) {
            CHECK(t.value("Subhalo/SubhaloMassType", i, type) == Approx(d.massOfType[type]).epsilon(1e-6));
            if (t.value("Subhalo/SubhaloLenType", i, type) > 1000)
                CHECK(t.value("Subhalo/SubhaloHalfmassRadType", i, type) == Approx(d.halfMass[type]).epsilon(5e-3));
        }
        if (d.mass == 0) continue;
        checkClose(nearest(vector(t, "Subhalo/SubhaloCM", i) - pos), d.centre, 0.01);
        checkClose(vector(t, "Subhalo/SubhaloVel", i), d.velocity, 1e-3);
        checkClose(vector(t, "Subhalo/SubhaloSpin", i), d.spin, 1e-4 * (1 + norm(d.spin)));
        CHECK(t.value("Subhalo/SubhaloVmax", i) > 5);
    }
    for (std::size_t g = 0; g < t.rows("Group/GroupMass"); ++g) {
        const Vec3d pos = vector(t, "Group/GroupPos", g);
        const Direct d = sumRows(t, "Group", g, pos);
        CHECK(t.value("Group/GroupMass", g) == Approx(d.mass).epsilon(1e-6));
        CHECK(t.value("Group/GroupSFR", g) == Approx(d.rate).epsilon(1e-6));
        if (d.mass == 0) continue;
        checkClose(nearest(vector(t, "Group/GroupCM", g) - pos), d.centre, 0.01);
        checkClose(vector(t, "Group/GroupVel", g) * (1 / a), d.velocity, 1e-3);
        // 200 times the critical density, H = 100 h E km/s/Mpc: M = 100 H^2 R^3 / G in units of 1e10 Msun/h and ckpc/h.
        const double expansion = 0.3089 / (a * a * a) + 0.6911, r = t.value("Group/Group_R_Crit200", g) * a;
        CHECK(t.value("Group/Group_M_Crit200", g) ==
              Approx(100 * 0.01 * expansion * r * r * r / (4.30091e-6 * 1e10)).epsilon(1e-4));
    }
    // Positions and motions are those of a disc in the box: fast centre, slow particles.
    const Direct large = sumRows(t, "Subhalo", 0, vector(t, "Subhalo/SubhaloPos", 0));
    CHECK(norm(large.velocity) > 30);
    CHECK(norm(large.centre) < 0.2 * large.halfMass[4]);
}

TEST_CASE("offsets agree with lengths and with the chunk files", "[mock]") {
    TemporaryDirectory dir;
    MockOptions o = options(dir / "mock");
    o.chunks = GENERATE(1, 4, 7, 40);
    const MockTree t = make(o);
    REQUIRE(t.rowsOfChunk.size() == std::size_t(o.chunks));
    std::vector<double> row(6, 0.0);
    double groups = 0, subhalos = 0;
    for (std::size_t c = 0; c < t.rowsOfChunk.size(); ++c) {
        for (std::size_t type = 0; type < 6; ++type) {
            CHECK(t.value("offsets/FileOffsets/SnapByType", c, type) == row[type]);
            row[type] += double(t.rowsOfChunk[c][type]);
        }
        CHECK(t.value("offsets/FileOffsets/Group", c) == groups);
        CHECK(t.value("offsets/FileOffsets/Subhalo", c) == subhalos);
        groups += double(t.groupsOfChunk[c]);
        subhalos += double(t.subhalosOfChunk[c]);
    }
    for (std::size_t type = 0; type < 6; ++type) CHECK(row[type] == double(t.total[type]));
    CHECK(groups == double(t.rows("Group/GroupNsubs")));
    CHECK(subhalos == 8);
    // Nelson et al. 2019, figure 4: groups back to back, in each its subhalos back to back, then the rest.
    for (const std::size_t type : {0u, 4u}) {
        double start = 0;
        for (std::size_t g = 0; g < t.rows("Group/GroupNsubs"); ++g) {
            CHECK(t.value("offsets/Group/SnapByType", g, type) == start);
            double inside = start;
            const auto first = std::size_t(std::max(0.0, t.value("Group/GroupFirstSub", g)));
            for (std::size_t s = first; s < first + std::size_t(t.value("Group/GroupNsubs", g)); ++s) {
                CHECK(t.value("offsets/Subhalo/SnapByType", s, type) == inside);
                inside += t.value("Subhalo/SubhaloLenType", s, type);
            }
            start += t.value("Group/GroupLenType", g, type);
            CHECK(inside <= start);
        }
        CHECK(start < double(t.total[type]));  // outer fuzz
    }
}

TEST_CASE("chunks, blocks and threads do not change the particles; the seed does", "[mock]") {
    TemporaryDirectory dir;
    MockOptions o = options(dir / "one");
    o.chunks = 1;
    const MockTree one = make(o);
    const auto compare = [&](const MockTree& other) {
        for (const auto& [name, values] : one.data)
            if (name.rfind("offsets/FileOffsets", 0) != 0) {
                INFO(name);
                CHECK(values == other.at(name));
            }
    };
    for (const auto& [chunks, block] : {std::pair{3, 262144}, {7, 1000}, {1, 777}, {3, 1}}) {
        o.output = dir / (std::to_string(chunks) + "_" + std::to_string(block));
        o.chunks = chunks;
        o.blockRows = std::size_t(block);
        if (block == 1) o.stars = o.gas = 500;
        if (block == 1) {
            MockOptions few = o;
            few.output = dir / "few";
            few.blockRows = 100;
            CHECK(make(o).data == make(few).data);
        } else {
            compare(make(o));
        }
    }
    o = options(dir / "seed");
    o.chunks = 1;
    o.seed = 2;
    const MockTree other = make(o);
    CHECK(other.at("PartType4/Coordinates") != one.at("PartType4/Coordinates"));
    CHECK(other.at("Subhalo/SubhaloPos") != one.at("Subhalo/SubhaloPos"));
}
