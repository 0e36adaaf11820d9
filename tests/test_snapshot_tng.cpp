// Format tng on a tree cut by reference/make_camels_tree.py and on trees cut here in every way, against slices of the
// uncut particles (CAMELS-IllustrisTNG, real but for what the script documents).
#include <catch2/catch.hpp>
#include <cmath>

#include "snapshot_tree.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"

using namespace tessera;
using namespace tessera::test;
using Catch::Matchers::Contains;

namespace {

// t(a) [Gyr] by the midpoint rule in ln a: independent of the code under test.
double cosmicTime(const Extract& e, double a) {
    const double first = std::log(1e-8), step = (std::log(a) - first) / 200000;
    double sum = 0;
    for (int i = 0; i < 200000; ++i) {
        const double s = std::exp(first + (i + 0.5) * step);
        sum += step / std::sqrt(e.omegaM / (s * s * s) + (1 - e.omegaM - e.omegaL) / (s * s) + e.omegaL);
    }
    return sum * 3.0856775814913673e19 / (100 * e.h) / 3.15576e16;
}

void compareStars(const Stars& s, const Extract& e, std::size_t first, std::size_t count) {
    std::size_t i = 0, wind = 0;
    for (std::size_t row = first; row < first + count; ++row) {
        if (e.birth[row] <= 0) {
            REQUIRE(wind < s.windRows.size());
            CHECK(s.windRows[wind++] == row - first);
            continue;
        }
        REQUIRE(i < s.size());
        for (int k = 0; k < 3; ++k) {
            CHECK(s.position[i][k] == Approx(e.coordinates[3 * row + k] * e.a / e.h).epsilon(1e-14));
            CHECK(s.velocity[i][k] == Approx(e.velocities[3 * row + k] * std::sqrt(e.a)).epsilon(1e-6));
        }
        CHECK(s.mass[i] == Approx(e.mass[row] * 1e10 / e.h).epsilon(1e-6));
        CHECK(s.metallicity[i] == Approx(e.metallicity[row]).epsilon(1e-6));
        CHECK(s.smoothing[i] == Approx(e.smoothing[row] * e.a / e.h).epsilon(1e-6));
        ++i;
    }
    CHECK(i == s.size());
    CHECK(wind == s.windRows.size());
}

// Every subhalo of a snapshot against the extract.
void compareAll(const Snapshot& snap, const Extract& e) {
    REQUIRE(snap.info().numSubhalos == std::int64_t(e.subhalos()));
    REQUIRE(snap.info().numStars == e.mass.size());
    REQUIRE(snap.info().numGas == e.gasMass.size());
    for (std::size_t i = 0; i < e.subhalos(); ++i) {
        const Subhalo s = snap.subhalo(std::int64_t(i));
        CHECK(s.stars.count == std::uint64_t(e.lengths[6 * i + 4]));
        CHECK(s.gas.count == std::uint64_t(e.lengths[6 * i]));
        if (s.stars.count) CHECK(s.stars.first == std::uint64_t(e.starStart[i]));
        if (s.gas.count) CHECK(s.gas.first == std::uint64_t(e.gasStart[i]));
        compareStars(snap.readStars(s.stars), e, s.stars.first, s.stars.count);
        const Gas gas = snap.readGas(s.gas);
        REQUIRE(gas.size() == s.gas.count);
        for (std::size_t j = 0; j < gas.size(); ++j) {
            const std::size_t row = s.gas.first + j;
            CHECK(gas.mass[j] == Approx(e.gasMass[row] * 1e10 / e.h).epsilon(1e-6));
            for (int k = 0; k < 3; ++k)
                CHECK(gas.position[j][k] == Approx(e.gasCoordinates[3 * row + k] * e.a / e.h).epsilon(1e-14));
        }
    }
    compareStars(snap.readStars({0, snap.info().numStars}), e, 0, e.mass.size());
}

}  // namespace

TEST_CASE("the tree cut by the script gives the uncut particles") {
    const Extract e = readExtract();
    const auto snap = Snapshot::open(std::string(TESSERA_REFERENCE_DIR) + "/camels/output");
    const SnapshotInfo& info = snap->info();
    CHECK(info.format == "tng");
    CHECK(info.number == camelsNumber);
    CHECK(info.chunks == 5);
    CHECK(info.scaleFactor == e.a);
    CHECK(info.redshift == Approx(1 / e.a - 1));
    CHECK(info.h == e.h);
    CHECK(info.hasCosmology);
    CHECK(info.boxSize == Approx(25000 * e.a / e.h).epsilon(1e-14));
    CHECK(info.lengthUnit == Approx(e.a / e.h).epsilon(1e-14));
    CHECK(info.notes.empty());
    compareAll(*snap, e);
}

TEST_CASE("catalogue values in physical units, and the galaxies where it says they are") {
    const Extract e = readExtract();
    const auto snap = Snapshot::open(std::string(TESSERA_REFERENCE_DIR) + "/camels/output/");
    CHECK(snap->subhalos().size() == 13);
    std::size_t withStars = 0;
    for (std::int64_t id : snap->subhalos()) {
        const Subhalo s = snap->subhalo(id);
        REQUIRE(s.id == id);
        for (int k = 0; k < 3; ++k) {
            CHECK((*s.position)[k] == Approx(e.position[3 * id + k] * e.a / e.h).epsilon(1e-14));
            CHECK((*s.velocity)[k] == Approx(e.velocity[3 * id + k]));  // no sqrt(a)
        }
        CHECK(*s.halfMassRadius == Approx(e.halfMassRadius[6 * id + 4] * e.a / e.h));
        CHECK(*s.stellarMass == Approx(e.massType[6 * id + 4] * 1e10 / e.h));
        CHECK(s.cosmological == (id != 11));
        const Stars stars = snap->readStars(s.stars);
        if (stars.size() == 0) continue;
        ++withStars;
        for (int k = 0; k < 3; ++k) {
            std::vector<double> d;
            for (const Vec3d& x : stars.position) {
                const double box = snap->info().boxSize, dx = x[k] - (*s.position)[k];
                d.push_back(dx - box * std::round(dx / box));
            }
            std::nth_element(d.begin(), d.begin() + d.size() / 2, d.end());
            CHECK(std::fabs(d[d.size() / 2]) < 1 * e.a / e.h);  // 1 ckpc/h
        }
    }
    CHECK(withStars == 10);
}

TEST_CASE("any number of chunks, with offsets and without, in all naming styles") {
    const Extract e = readExtract();
    for (std::size_t chunks = 1; chunks <= 7; ++chunks)
        for (bool offsets : {true, false})
            for (bool empty : {true, false}) {
                INFO("chunks " << chunks << " offsets " << offsets << " empty " << empty);
                TemporaryDirectory dir;
                TreeOptions o;
                o.snapshotChunks = chunks;
                o.groupChunks = (chunks * 2) % 5 + 1;
                o.offsets = offsets;
                o.emptyChunks = empty;
                o.highWord = chunks % 2 == 0;
                o.names = chunks % 3 == 0 ? TreeNames::illustris : TreeNames::tng;
                const auto snap = Snapshot::open(writeTree(dir.path(), o), "tng", camelsNumber);
                CHECK(snap->info().chunks == chunks);
                CHECK(snap->info().notes.size() == (offsets ? 0 : 1));
                compareAll(*snap, e);
            }
    TemporaryDirectory dir;
    TreeOptions o;
    o.snapshotChunks = o.groupChunks = 1;
    o.offsets = false;
    o.names = TreeNames::singleFile;
    compareAll(*Snapshot::open(writeTree(dir.path(), o)), e);
}

TEST_CASE("ages use the file's own cosmology and time") {
    const Extract e = readExtract();
    const auto snap = Snapshot::open(std::string(TESSERA_REFERENCE_DIR) + "/camels/output");
    const Stars s = snap->readStars({0, snap->info().numStars});
    const double now = cosmicTime(e, e.a);
    CHECK(now > 11.5);
    std::size_t i = 0, compared = 0;
    for (std::size_t row = 0; row < e.birth.size(); ++row) {
        if (e.birth[row] <= 0) continue;
        if (row % 31 == 0) {
            CHECK(s.age[i] == Approx(now - cosmicTime(e, e.birth[row])).epsilon(1e-6));
            ++compared;
        }
        ++i;
    }
    CHECK(compared > 15);
    CHECK(s.windRows.size() == 2);
}

TEST_CASE("mini snapshots and bare catalogues: what is missing stays empty or is replaced") {
    const Extract e = readExtract();
    TemporaryDirectory dir;
    TreeOptions o;
    o.without = {"PartType4/SubfindHsml",          "PartType4/GFM_InitialMass", "Subhalo/SubhaloVel",
                 "Subhalo/SubhaloHalfmassRadType", "Subhalo/SubhaloMassType",   "Subhalo/SubhaloFlag",
                 "PartType0/SubfindHsml",          "PartType0/Velocities",      "Subhalo/SubhaloPos"};
    const auto snap = Snapshot::open(writeTree(dir.path(), o));
    REQUIRE(snap->info().notes.size() == 1);
    CHECK_THAT(snap->info().notes[0], Contains("GFM_InitialMass"));
    const Subhalo s = snap->subhalo(1);
    CHECK(!s.position);
    CHECK(!s.velocity);
    CHECK(!s.halfMassRadius);
    CHECK(!s.stellarMass);
    CHECK(s.cosmological);
    const Stars stars = snap->readStars(s.stars);
    CHECK(stars.smoothing.empty());
    const auto masses = h5::File::openRead(camelsExtract).root().dataset("PartType4/Masses").readAll<double>();
    CHECK(stars.mass[0] == Approx(masses[s.stars.first] * 1e10 / e.h));
    const Gas gas = snap->readGas({0, 5});
    CHECK(gas.size() == 5);
    CHECK(gas.smoothing.empty());
    CHECK(gas.velocity.empty());
    CHECK(gas.density.empty());
    CHECK(gas.metallicity.size() == 5);
}

TEST_CASE("StellarHsml is the smoothing length where there is one; a high word makes large totals") {
    TemporaryDirectory dir;
    TreeOptions o;
    o.snapshotChunks = 2;
    const std::string base = writeTree(dir.path(), o);
    const std::string path = base + "/snapdir_086/snap_086.0.hdf5";
    {
        auto file = h5::File::openReadWrite(path);
        const auto g = file.root().group("PartType4");
        const std::vector<float> hsml(g.dataset("Masses").rows(), 2.0f);
        const auto d = g.write<float>("StellarHsml", {hsml.size()}, hsml.data());
        d.setAttribute("to_cgs", 3.085678e21);  // physical kpc
        d.setAttribute("a_scaling", 0.0);
        d.setAttribute("h_scaling", 0.0);
        file.close();
    }
    const Stars s = Snapshot::open(base)->readStars({0, 3});
    CHECK(s.smoothing[0] == 2.0f);
    {
        auto file = h5::File::openReadWrite(path);
        file.root().group("Header").setAttributeArray<std::uint32_t>("NumPart_Total_HighWord", {0, 0, 0, 0, 2, 0});
        file.close();
    }
    CHECK(Snapshot::open(base)->info().numStars == (2ULL << 32) + readExtract().mass.size());
}

TEST_CASE("choice of the snapshot: the highest, a given one, or an error that lists them") {
    TemporaryDirectory dir;
    const std::string base = writeTree(dir.path());
    std::filesystem::create_directories(base + "/snapdir_004");
    std::filesystem::create_directories(base + "/snapdir_x");
    CHECK(Snapshot::open(base)->info().number == 86);
    const auto message = [](const std::string& path, int number) {
        return messageOf<Error>([&] { Snapshot::open(path, "tng", number); });
    };
    CHECK_THAT(message(base, 99), Contains("has no snapshot 99; there: 4, 86"));
    CHECK_THAT(message(base, 4), Contains("no snapshot file") && Contains("snap_004.0.hdf5"));
    CHECK_THAT(message(dir.path().string(), 86), Contains("holds no snapshot") && Contains("output"));
    CHECK_THAT(message(dir / "absent", 86), Contains("absent: no such directory"));
    CHECK_THAT(messageOf<Error>([&] { Snapshot::open(base, "eagle"); }), Contains("allowed: auto, tng"));
}

TEST_CASE("ids and rows out of range") {
    const auto snap = Snapshot::open(std::string(TESSERA_REFERENCE_DIR) + "/camels/output");
    const auto n = snap->info().numStars;
    CHECK_THAT(messageOf<Error>([&] { snap->subhalo(13); }), Contains("no subhalo 13; the catalogue has 13"));
    CHECK_THAT(messageOf<Error>([&] { snap->subhalo(-1); }), Contains("no subhalo -1"));
    CHECK_THAT(messageOf<Error>([&] { snap->readStars({n, 1}); }), Contains("the snapshot has"));
    CHECK_THAT(messageOf<Error>([&] { snap->readStars({1, ~0ULL}); }), Contains("the snapshot has"));
    CHECK(snap->readStars({n, 0}).size() == 0);
}
