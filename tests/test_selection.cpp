// Which galaxies are chosen, and which stars belong to them, against sums over the catalogue's own columns.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>

#include "mock_tree.hpp"
#include "selection.hpp"
#include "snapshot_tree.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/snapshot.hpp"
#include "workshop.hpp"

using namespace tessera;
using namespace tessera::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

struct Mock {
    Mock() {
        MockOptions o;
        o.output = directory / "mock";
        o.galaxies = 12;
        o.stars = 6000;
        o.gas = 500;
        o.chunks = 3;
        o.seed = 4;
        makeMock(o);
        tree = MockTree::read(o.output);
        snapshot = Snapshot::open(o.output + "/output");
    }
    TemporaryDirectory directory;
    MockTree tree;
    std::unique_ptr<Snapshot> snapshot;
};

const Mock& mock() {
    static const Mock made;
    return made;
}

std::vector<std::int64_t> idsOf(const Selection& s) {
    std::vector<std::int64_t> ids;
    for (const Subhalo& g : s.galaxies) ids.push_back(g.id);
    return ids;
}

GalaxiesConfig all() {
    GalaxiesConfig c;
    c.minStars = 1;
    return c;
}

template <class Keep>
std::vector<std::int64_t> bruteForce(Keep keep) {
    std::vector<std::int64_t> ids;
    const MockTree& t = mock().tree;
    for (std::size_t i = 0; i < t.rows("Subhalo/SubhaloLen"); ++i)
        if (t.value("Subhalo/SubhaloLenType", i, 4) >= 1 && t.value("Subhalo/SubhaloFlag", i) != 0 && keep(i))
            ids.push_back(std::int64_t(i));
    return ids;
}

std::vector<double> sorted(const std::string& column, std::size_t k, double factor) {
    std::vector<double> values;
    for (std::size_t i = 0; i < mock().tree.rows(column); ++i)
        values.push_back(factor * mock().tree.value(column, i, k));
    std::sort(values.begin(), values.end());
    return values;
}

}  // namespace

TEST_CASE("each cut leaves what the catalogue's column says, and is counted") {
    const MockTree& t = mock().tree;
    const double massUnit = 1e10 / t.header.at("HubbleParam");
    const double length = t.header.at("Time") / t.header.at("HubbleParam");
    struct Cut {
        const char* column;
        std::size_t k;
        double factor;
        std::optional<Interval> GalaxiesConfig::*member;
        const char* key;
    };
    for (const Cut& cut :
         {Cut{"Subhalo/SubhaloMassType", 4, massUnit, &GalaxiesConfig::stellarMass, "stellar_mass"},
          Cut{"Subhalo/SubhaloSFR", 0, 1, &GalaxiesConfig::sfr, "star_formation_rate"},
          Cut{"Subhalo/SubhaloHalfmassRadType", 4, length, &GalaxiesConfig::halfMassRadius, "half_mass_radius"}}) {
        INFO(cut.column);
        const auto values = sorted(cut.column, cut.k, cut.factor);
        // Between two values, so that rounding decides nothing.
        const Interval between{0.5 * (values[4] + values[5]), 0.5 * (values[9] + values[10])};
        for (const Interval& allowed : {between, Interval{between.min, INFINITY}, Interval{-INFINITY, between.max}}) {
            GalaxiesConfig c = all();
            c.*cut.member = allowed;
            const Selection s = selectGalaxies(*mock().snapshot, c, {});
            const auto expected =
                bruteForce([&](std::size_t i) { return allowed.contains(cut.factor * t.value(cut.column, i, cut.k)); });
            CHECK(idsOf(s) == expected);
            CHECK(!expected.empty());
            std::uint64_t counted = 0;
            bool named = false;
            for (const auto& [kind, count] : s.leftOut) {
                counted += count;
                named = named || kind.find(cut.key) != std::string::npos;
            }
            CHECK(named);
            CHECK(counted + s.galaxies.size() == t.rows("Subhalo/SubhaloLen"));
        }
    }
}

TEST_CASE("central subhalos are GroupFirstSub") {
    const MockTree& t = mock().tree;
    GalaxiesConfig c = all();
    c.centrals = true;
    const auto expected = bruteForce([&](std::size_t i) {
        for (std::size_t g = 0; g < t.rows("Group/GroupFirstSub"); ++g)
            if (t.value("Group/GroupFirstSub", g) == double(i)) return true;
        return false;
    });
    CHECK(expected.size() > 1);
    CHECK(expected.size() < bruteForce([](std::size_t) { return true; }).size());
    CHECK(idsOf(selectGalaxies(*mock().snapshot, c, {})) == expected);
}

TEST_CASE("named galaxies that a cut leaves out are skipped with the reason; the order is the user's") {
    GalaxiesConfig c = all();
    const auto masses = sorted("Subhalo/SubhaloMassType", 4, 1e10 / mock().tree.header.at("HubbleParam"));
    c.stellarMass = Interval{0.5 * (masses[10] + masses[11]), INFINITY};  // the largest alone
    c.subhalos = {5, 0, 3};
    const Selection s = selectGalaxies(*mock().snapshot, c, namedGalaxies(c));
    CHECK(idsOf(s) == c.subhalos);
    REQUIRE(s.skipped.size() == 2);
    CHECK(s.skipped.count(1) == 0);
    CHECK_THAT(s.skipped.at(0), Contains("skipped: stellar mass ") && Contains("outside"));
    c.subhalos = {5, 400};
    CHECK_THROWS_WITH(selectGalaxies(*mock().snapshot, c, namedGalaxies(c)), Contains("no subhalo 400"));
}

TEST_CASE("a cut on what the catalogue lacks names the field") {
    const TemporaryDirectory directory;
    TreeOptions o;
    o.without = {"Subhalo/SubhaloSFR", "Subhalo/SubhaloMassType", "Subhalo/SubhaloGrNr", "Group/GroupFirstSub"};
    const auto snapshot = Snapshot::open(writeTree(directory.path(), o));
    GalaxiesConfig c = all();
    c.sfr = Interval{0, 1};
    CHECK_THROWS_WITH(selectGalaxies(*snapshot, c, {}), Contains("SubhaloSFR") && Contains("star_formation_rate"));
    c = all();
    c.stellarMass = Interval{0, 1};
    CHECK_THROWS_WITH(selectGalaxies(*snapshot, c, {}), Contains("SubhaloMassType"));
    const auto cutout = Snapshot::open(std::string(TESSERA_REFERENCE_DIR) + "/tng_cutout_extract.hdf5");
    c = all();
    c.centrals = true;
    CHECK_THROWS_WITH(selectGalaxies(*cutout, c, {}), Contains("no groups"));
    c = all();
    c.particles = "group";
    CHECK_THROWS_WITH(selectGalaxies(*cutout, c, {}), Contains("no groups"));
}

TEST_CASE("the stars of a group are those of its rows, with and without an offsets file") {
    const Extract e = readExtract();
    for (const bool offsets : {true, false})
        for (const std::size_t chunks : {1, 3}) {
            const TemporaryDirectory directory;
            TreeOptions o;
            o.offsets = offsets;
            o.groupChunks = chunks;
            const auto snapshot = Snapshot::open(writeTree(directory.path(), o));
            // The first row of a group is its first subhalo's; its stars hold all of its subhalos'.
            std::uint64_t held = 0;
            for (const std::int64_t id : snapshot->subhalos()) {
                const Subhalo s = snapshot->subhalo(id);
                const ParticleRange g = snapshot->groupStars(s);
                CHECK(g.count >= s.stars.count);
                if (s.stars.count == 0) continue;
                CHECK(g.first <= s.stars.first);
                CHECK(g.first + g.count >= s.stars.first + s.stars.count);
                if (g.first == s.stars.first) held += g.count;  // the first subhalo of each
            }
            CHECK(held > 0);
            CHECK(held <= e.mass.size());
        }
    const MockTree& t = mock().tree;
    for (std::size_t i = 0; i < t.rows("Subhalo/SubhaloLen"); ++i) {
        const auto group = std::size_t(t.value("Subhalo/SubhaloGrNr", i));
        const ParticleRange r = mock().snapshot->groupStars(mock().snapshot->subhalo(std::int64_t(i)));
        if (t.value("Subhalo/SubhaloLenType", i, 4) == 0) {
            CHECK(r.count == 0);
            continue;
        }
        CHECK(double(r.count) == t.value("Group/GroupLenType", group, 4));
        if (r.count > 0) CHECK(double(r.first) == t.value("offsets/Group/SnapByType", group, 4));
    }
}

TEST_CASE("a cube of a group holds its satellites and intra-halo stars, across the periodic border too") {
    Workshop w;
    w.config["galaxies"] = {{"particles", "group"}, {"min_stars", 50}};
    w.config["view"] = {{"redshift", 0.05}, {"orientation", "none"}};
    w.config["telescope"]["fov"] = 60;
    w.config["telescope"]["spaxel"] = 10;
    const Outcome o = w.run();
    INFO(o.err);
    REQUIRE(o.code == 0);
    const MockTree t = MockTree::read(w.root / "mock");
    const double box = t.header.at("BoxSize"), toKpc = t.header.at("Time") / t.header.at("HubbleParam");
    std::size_t beyondOwn = 0, across = 0;
    REQUIRE(galaxiesInFile(w.output()).size() >= 2);
    for (const std::int64_t id : galaxiesInFile(w.output())) {
        const GalaxyReport r = readGalaxyCube(w.output(), id).report;
        const auto group = std::size_t(t.value("Subhalo/SubhaloGrNr", std::size_t(id)));
        const auto first = std::size_t(t.value("offsets/Group/SnapByType", group, 4));
        const auto count = std::size_t(t.value("Group/GroupLenType", group, 4));
        const double half = 0.5 * 60 * r.kpcPerArcsec;
        std::uint64_t inField = 0, stars = 0;
        double mass = 0;
        bool wrapped = false;
        for (std::size_t row = first; row < first + count; ++row) {
            if (t.value("PartType4/GFM_StellarFormationTime", row) <= 0) continue;
            ++stars;
            double d[2];
            for (std::size_t k = 0; k < 2; ++k) {
                d[k] = t.value("PartType4/Coordinates", row, k) - t.value("Subhalo/SubhaloPos", std::size_t(id), k);
                wrapped = wrapped || std::fabs(d[k]) > box / 2;
                d[k] = (d[k] - box * std::round(d[k] / box)) * toKpc;
            }
            if (std::fabs(d[0]) >= half || std::fabs(d[1]) >= half) continue;
            ++inField;
            mass += t.value("PartType4/GFM_InitialMass", row) * 1e10 / t.header.at("HubbleParam");
        }
        CHECK(r.nStars == stars);
        CHECK(double(r.nStarsInField) == Approx(double(inField)).margin(1));
        CHECK(r.massInField == Approx(mass).epsilon(2e-3));
        across += wrapped;
        beyondOwn += double(count) > t.value("Subhalo/SubhaloLenType", std::size_t(id), 4);
    }
    CHECK(beyondOwn > 0);
    CHECK(across > 0);
}

TEST_CASE("ids from files") {
    Workshop w;
    const auto ids = [&](const std::string& name, const std::string& text) {
        std::ofstream(w.root / name) << text;
        GalaxiesConfig c;
        c.file = w.root / name;
        return namedGalaxies(c);
    };
    CHECK(ids("a.txt", "# chosen\n 3\r\n\n0 # the central\n7").ids == std::vector<std::int64_t>{3, 0, 7});
    CHECK(ids("a.csv", "name,subhalo\n\"a, b\",3\nc,0\n").ids == std::vector<std::int64_t>{3, 0});
    CHECK(ids("b.csv", "SubhaloID\n12\n").ids == std::vector<std::int64_t>{12});
    CHECK_THROWS_WITH(ids("b.txt", "3\n# \n4\n3\n"), Contains("b.txt line 4: 3 is there already (line 1)"));
    CHECK_THROWS_WITH(ids("b.txt", "3\nx4\n"), Contains("line 2") && Contains("\"x4\""));
    CHECK_THROWS_WITH(ids("b.txt", "3\n-4\n"), Contains("line 2"));
    CHECK_THROWS_WITH(ids("b.txt", "# none\n"), Contains("names no galaxy"));
    CHECK_THROWS_WITH(ids("c.csv", "id\n3\n"), Contains("no column subhalo") && Contains("id"));
    CHECK_THROWS_WITH(ids("c.csv", "subhalo\n3\n3\n"), Contains("line 3: 3 is there already (line 2)"));
    GalaxiesConfig none;
    none.file = w.root / "none.txt";
    CHECK_THROWS_WITH(namedGalaxies(none), Contains("none.txt"));

    ids("run.txt", "2\n0\n");
    w.config["galaxies"] = {{"file", "run.txt"}, {"min_stars", 1}};
    CHECK(w.run().code == 0);
    CHECK(galaxiesInFile(w.output()) == std::vector<std::int64_t>{0, 2});
    std::ofstream(w.root / "run.txt") << "2\n\n400\n";
    const Outcome o = w.run();
    CHECK(o.code == 1);
    CHECK(o.err.find("run.txt line 3: ") != std::string::npos);
}

TEST_CASE("what cuts leave out is said by the dry run and the summary") {
    Workshop w;
    w.config["galaxies"] = {{"centrals", true}, {"min_stars", 1}};
    w.args = {"--dry-run"};
    CHECK(w.run().out.find("not central in their groups (galaxies.centrals)") != std::string::npos);
    w.args = {};
    CHECK(w.run().out.find("not central in their groups (galaxies.centrals)") != std::string::npos);
    w.config["galaxies"]["stellar_mass"] = {1e15, nullptr};
    const Outcome o = w.run();
    CHECK(o.code == 1);
    CHECK(o.err.find("none of its 4 subhalos passes the cuts") != std::string::npos);
    CHECK(o.err.find("galaxies.stellar_mass") != std::string::npos);
}
