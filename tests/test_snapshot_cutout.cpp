// Format tng-cutout on an extract of SimSpin's TNG sample, against values computed by reference/make_tng_extract.py,
// and on the header's known quirks.
#include <catch2/catch.hpp>
#include <cmath>

#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using test::messageOf;

namespace {

const std::string extract = std::string(TESSERA_REFERENCE_DIR) + "/tng_cutout_extract.hdf5";

std::vector<double> expected(const std::string& name) {
    return h5::File::openRead(std::string(TESSERA_REFERENCE_DIR) + "/tng_cutout_expected.hdf5")
        .root()
        .dataset(name)
        .readAll<double>();
}

template <class T>
void compare(const Buffer<T>& values, const std::string& name, double tolerance) {
    INFO(name);
    const auto truth = expected(name);
    REQUIRE(values.size() == truth.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(double(values[i]) == Approx(truth[i]).epsilon(tolerance));
}

template <class T>
void compare(const Buffer<Vec3<T>>& values, const std::string& name, double tolerance) {
    INFO(name);
    const auto truth = expected(name);
    REQUIRE(3 * values.size() == truth.size());
    for (std::size_t i = 0; i < truth.size(); ++i)
        CHECK(double(values[i / 3][int(i % 3)]) == Approx(truth[i]).epsilon(tolerance));
}

// A cutout of two stars as the web API writes it: no totals, no units, float32.
struct Minimal {
    test::TemporaryDirectory dir;
    std::string path = dir / "cutout.hdf5";

    explicit Minimal(std::initializer_list<std::pair<const char*, double>> header = {
                         {"Time", 0.5}, {"HubbleParam", 0.5}, {"Omega0", 0.3}, {"OmegaLambda", 0.7}}) {
        auto file = h5::File::create(path);
        const auto root = file.root(), head = root.createGroup("Header");
        for (const auto& [name, value] : header) head.setAttribute(name, value);
        head.setAttributeArray<std::int32_t>("NumPart_ThisFile", {7, 0, 0, 0, 9999, 0});
        const float x[] = {1, 2, 3, 4, 5, 6}, one[] = {1, 2}, z[] = {0.01f, 0.02f}, birth[] = {0.25f, 0.5f};
        const auto g = root.createGroup("PartType4");
        g.write<float>("Coordinates", {2, 3}, x);
        g.write<float>("Velocities", {2, 3}, x);
        g.write<float>("GFM_InitialMass", {2}, one);
        g.write<float>("GFM_Metallicity", {2}, z);
        g.write<float>("GFM_StellarFormationTime", {2}, birth);
        file.close();
    }
    template <class F>
    void edit(F f) {
        auto file = h5::File::openReadWrite(path);
        f(file.root());
        file.close();
    }
};

}  // namespace

TEST_CASE("a TNG cutout with unit attributes, 1-element header attributes, float64 and wind particles") {
    const auto snap = Snapshot::open(extract);
    const SnapshotInfo& info = snap->info();
    CHECK(info.format == "tng-cutout");
    CHECK(info.simulation == "L75n1820TNG");
    CHECK(info.number == 78);
    CHECK(info.scaleFactor == Approx(0.77058363));
    CHECK(info.boxSize == Approx(75000 * info.scaleFactor / 0.6774));
    CHECK(info.numStars == 400);  // not NumPart_ThisFile
    CHECK(info.numGas == 20);
    CHECK(snap->subhalos() == std::vector<std::int64_t>{9});
    CHECK_THAT(messageOf<Error>([&] { snap->subhalo(0); }), Contains("holds galaxy 9, not 0"));
    const Subhalo s = snap->subhalo(9);
    CHECK(!s.position);

    const Stars stars = snap->readStars(s.stars);
    CHECK(stars.size() == 396);
    compare(stars.position, "stars/position", 1e-14);
    compare(stars.velocity, "stars/velocity", 1e-7);
    compare(stars.mass, "stars/mass", 1e-7);
    compare(stars.metallicity, "stars/metallicity", 1e-7);
    compare(stars.age, "stars/age", 2e-7);
    CHECK(stars.smoothing.empty());
    const auto wind = expected("stars/wind");
    REQUIRE(stars.windRows.size() == 4);
    CHECK(std::equal(wind.begin(), wind.end(), stars.windRows.begin()));

    const Gas gas = snap->readGas(s.gas);
    compare(gas.position, "gas/position", 1e-14);
    compare(gas.velocity, "gas/velocity", 1e-7);
    compare(gas.mass, "gas/mass", 1e-7);
    compare(gas.density, "gas/density", 1e-7);
    compare(gas.internalEnergy, "gas/internal_energy", 1e-7);
    compare(gas.electronAbundance, "gas/electron_abundance", 1e-7);
    compare(gas.starFormationRate, "gas/star_formation_rate", 1e-7);
    compare(gas.metallicity, "gas/metallicity", 1e-7);
    compare(gas.hydrogen, "gas/hydrogen", 1e-7);
    compare(gas.oxygen, "gas/oxygen", 1e-7);
    CHECK(gas.smoothing.empty());
}

TEST_CASE("rows of a range are those of the whole, wind rows counted from the range's start") {
    const auto snap = Snapshot::open(extract);
    const Stars all = snap->readStars({0, 400});
    const auto wind = all.windRows;
    const std::uint64_t first = wind[1], count = 150;
    const Stars part = snap->readStars({first, count});
    REQUIRE(!part.windRows.empty());
    CHECK(part.windRows[0] == 0);
    CHECK(part.size() + part.windRows.size() == count);
    const std::size_t before = first - 1;  // stars in front: all rows but one wind row
    for (std::size_t i = 0; i < part.size(); ++i) CHECK(part.position[i] == all.position[before + i]);
}

TEST_CASE("a cutout without units or totals: TNG's units by hand") {
    Minimal m;
    const auto snap = Snapshot::open(m.path, "tng-cutout");
    CHECK(snap->info().numStars == 2);
    CHECK(snap->info().numGas == 0);
    CHECK(snap->info().redshift == 1);
    CHECK(snap->info().boxSize == 0);
    CHECK(snap->subhalos() == std::vector<std::int64_t>{0});
    const Stars s = snap->readStars({0, 2});
    REQUIRE(s.size() == 2);
    CHECK(s.position[1].y == 5.0);  // 5 ckpc/h * 0.5 / 0.5
    CHECK(s.velocity[1].z == Approx(6 * std::sqrt(0.5)));
    CHECK(s.mass[0] == Approx(2e10));  // 1e10 / 0.5
    CHECK(s.metallicity[1] == 0.02f);
    CHECK(s.age[1] == 0);
    // H0 = 50 km/s/Mpc, flat: t(a) = 2/(3 sqrt(OL)) / H0 * asinh(sqrt(OL/Om a^3)), 1/H0 = 19.5558 Gyr
    const auto t = [](double a) {
        return 19.5558444 * 2 / (3 * std::sqrt(0.7)) * std::asinh(std::sqrt(0.7 / 0.3 * a * a * a));
    };
    CHECK(s.age[0] == Approx(t(0.5) - t(0.25)).epsilon(1e-6));
    CHECK(snap->readGas({0, 0}).size() == 0);
}

TEST_CASE("Time or Redshift alone; no OmegaLambda is flat; contradictions are errors") {
    CHECK(Snapshot::open(Minimal({{"Redshift", 1}, {"HubbleParam", 0.5}, {"Omega0", 0.3}}).path)->info().scaleFactor ==
          0.5);
    Minimal flat({{"Time", 0.5}, {"HubbleParam", 0.5}, {"Omega0", 0.3}});
    const auto snap = Snapshot::open(flat.path);
    CHECK(snap->info().omegaL == Approx(0.7));
    CHECK(snap->info().notes.size() == 1);
    CHECK(snap->readStars({0, 2}).age[0] == Snapshot::open(Minimal().path)->readStars({0, 2}).age[0]);
    const auto message = [](std::initializer_list<std::pair<const char*, double>> header) {
        Minimal m(header);
        return messageOf<Error>([&] { Snapshot::open(m.path); });
    };
    CHECK_THAT(message({{"HubbleParam", 0.5}, {"Omega0", 0.3}}), Contains("neither Time nor Redshift"));
    CHECK_THAT(message({{"Time", 0.5}, {"Redshift", 2}, {"HubbleParam", 0.5}}), Contains("contradict"));
    CHECK_THAT(message({{"Time", 0.5}, {"Omega0", 0.3}}), Contains("no attribute HubbleParam"));
    CHECK_THAT(message({{"Time", 0.5}, {"HubbleParam", 0.7}}), Contains("Omega0"));
    CHECK_THAT(message({{"Time", -1}, {"HubbleParam", 0.7}}), Contains("attribute Time"));
    CHECK_THAT(message({{"Time", std::nan("")}, {"HubbleParam", 0.7}}), Contains("attribute Time"));
}

TEST_CASE("a curved universe: ages by numerical integration") {
    Minimal m({{"Time", 1}, {"HubbleParam", 0.5}, {"Omega0", 0.3}, {"OmegaLambda", 0}});
    // Open universe without dark energy: t = 1/H0 * integral of da / sqrt(Om/a + 1 - Om), midpoint rule.
    double sum = 0;
    for (int i = 0; i < 1000000; ++i) {
        const double a = 0.25 + 0.75 * (i + 0.5) / 1e6;
        sum += 0.75e-6 / std::sqrt(0.3 / a + 0.7);
    }
    CHECK(Snapshot::open(m.path)->readStars({0, 2}).age[0] == Approx(19.5558444 * sum).epsilon(1e-6));
}

TEST_CASE("units: per-dataset attributes, header units, zero meaning no unit") {
    Minimal m;
    m.edit([](const h5::Group& root) {
        const auto x = root.dataset("PartType4/Coordinates"), v = root.dataset("PartType4/Velocities");
        x.setAttribute("to_cgs", 3.085678e24);  // Mpc
        x.setAttribute("a_scaling", 0.0);
        x.setAttribute("h_scaling", 0.0);
        v.setAttribute("a_scaling", 0.0);
        root.dataset("PartType4/GFM_Metallicity").setAttribute("to_cgs", 0.0);
        root.group("Header").setAttributeArray<double>("UnitMass_in_g", {1.989e33});  // Msun
    });
    const Stars s = Snapshot::open(m.path)->readStars({0, 2});
    CHECK(s.position[0].x == Approx(1000).epsilon(1e-6));
    CHECK(s.velocity[0].x == 1);
    CHECK(s.mass[0] == 2);
    CHECK(s.metallicity[0] == 0.01f);
    m.edit([](const h5::Group& root) { root.dataset("PartType4/Coordinates").setAttribute("to_cgs", -1.0); });
    CHECK_THAT(messageOf<Error>([&] { Snapshot::open(m.path); }), Contains("PartType4/Coordinates attribute to_cgs"));
}

TEST_CASE("which galaxy a cutout is of") {
    Minimal m;
    m.edit([](const h5::Group& root) { root.group("Header").setAttribute("SubhaloID", std::int32_t(77)); });
    CHECK(Snapshot::open(m.path)->subhalos() == std::vector<std::int64_t>{77});
    m.edit([](const h5::Group& root) {
        root.group("Header").setAttribute("CutoutID", std::int32_t(12));
        root.group("Header").setAttribute("CutoutType", "halo");
    });
    const auto snap = Snapshot::open(m.path);
    CHECK(snap->subhalos() == std::vector<std::int64_t>{0});
    CHECK_THAT(snap->info().notes.at(0), Contains("halo 12"));
}

TEST_CASE("stars without velocities are refused by name") {
    const auto path = std::string(TESSERA_REFERENCE_DIR) + "/tng_cutout_extract.hdf5";
    test::TemporaryDirectory dir;
    std::filesystem::copy_file(path, dir / "no_velocities.hdf5");
    {
        const hid_t id = H5Fopen((dir / "no_velocities.hdf5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
        H5Ldelete(id, "/PartType4/Velocities", H5P_DEFAULT);
        H5Fclose(id);
    }
    CHECK_THAT(messageOf<Error>([&] { Snapshot::open(dir / "no_velocities.hdf5"); }),
               Contains("no_velocities.hdf5:/PartType4/Velocities: no such dataset"));
}
