// Format rubix: units and ages are final.
#include <catch2/catch.hpp>

#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using test::messageOf;

namespace {

struct RubixFile {
    test::TemporaryDirectory dir;
    std::string path = dir / "rubix_galaxy.h5";

    RubixFile() {
        auto file = h5::File::create(path);
        const auto root = file.root();
        const double centre[] = {1, 2, 3}, radius = 4, z = 0.25;
        root.write<double>("galaxy/center", {3}, centre).setAttribute("unit", "kpc");
        root.write<double>("galaxy/halfmassrad_stars", {}, &radius).setAttribute("unit", "kpc");
        root.write<double>("galaxy/redshift", {}, &z).setAttribute("unit", "");
        const float x[] = {10, 20, 30, 40, 50, 60}, age[] = {5, -1e-6f}, mass[] = {1e5, 2e5}, metals[] = {0.01f, 0.02f};
        const auto s = root.createGroup("particles/stars");
        s.write<float>("coords", {2, 3}, x).setAttribute("unit", "kpc");
        s.write<float>("velocity", {2, 3}, x).setAttribute("unit", "km / s");
        s.write<float>("mass", {2}, mass).setAttribute("unit", "Msun");
        s.write<float>("age", {2}, age).setAttribute("unit", "Gyr");
        s.write<float>("metallicity", {2}, metals).setAttribute("unit", "");
        const auto g = root.createGroup("particles/gas");
        g.write<float>("coords", {2, 3}, x).setAttribute("unit", "kpc");
        g.write<float>("mass", {2}, mass).setAttribute("unit", "Msun");
        g.write<float>("internal_energy", {2}, mass).setAttribute("unit", "erg/g");
        std::vector<float> elements(20, 0.1f);
        elements[0] = 0.7f;
        elements[14] = 0.3f;
        g.write<float>("metals", {2, 10}, elements.data());
        file.close();
    }
    template <class F>
    std::string messageAfter(F edit) {
        {
            auto file = h5::File::openReadWrite(path);
            edit(file.root());
            file.close();
        }
        return messageOf<Error>([&] {
            const auto snap = Snapshot::open(path);
            snap->readStars({0, snap->info().numStars});
        });
    }
};

}  // namespace

TEST_CASE("a rubix galaxy is read as it stands") {
    RubixFile f;
    const auto snap = Snapshot::open(f.path);
    CHECK(snap->info().format == "rubix");
    CHECK(snap->info().redshift == 0.25);
    CHECK(snap->info().scaleFactor == 0.8);
    CHECK(!snap->info().hasCosmology);
    CHECK(snap->info().boxSize == 0);
    CHECK(snap->info().lengthUnit == 1);
    const Subhalo s = snap->subhalo(0);
    CHECK(*s.position == Vec3d{1, 2, 3});
    CHECK(*s.halfMassRadius == 4);
    CHECK(!s.velocity);
    const Stars stars = snap->readStars(s.stars);
    REQUIRE(stars.size() == 2);
    CHECK(stars.position[1] == Vec3d{40, 50, 60});
    CHECK(stars.velocity[0] == Vec3f{10, 20, 30});
    CHECK(stars.age[0] == 5);
    CHECK(stars.age[1] == 0);
    CHECK(stars.mass[1] == 2e5f);
    CHECK(stars.metallicity[1] == 0.02f);
    CHECK(stars.windRows.empty());
    CHECK(snap->readStars({1, 1}).mass[0] == 2e5f);
    const Gas gas = snap->readGas(s.gas);
    REQUIRE(gas.size() == 2);
    CHECK(gas.internalEnergy[0] == Approx(1e-5));  // 1e5 erg/g = 1e-5 (km/s)^2
    CHECK(gas.hydrogen[0] == 0.7f);
    CHECK(gas.oxygen[1] == 0.3f);
    CHECK(gas.velocity.empty());
    CHECK_THAT(messageOf<Error>([&] { snap->subhalo(1); }), Contains("holds galaxy 0, not 1"));
    CHECK_THAT(messageOf<Error>([&] { snap->readStars({1, 2}); }), Contains("the file has 2 stars"));
}

TEST_CASE("units of a rubix file are checked") {
    CHECK_THAT(RubixFile().messageAfter(
                   [](const h5::Group& r) { r.dataset("particles/stars/velocity").setAttribute("unit", "kpc/s"); }),
               Contains(":/particles/stars/velocity: has unit \"kpc/s\", expected \"km/s\""));
    CHECK_THAT(RubixFile().messageAfter(
                   [](const h5::Group& r) { r.dataset("particles/stars/mass").setAttribute("unit", "g"); }),
               Contains("expected \"Msun\""));
    const float bad[] = {5, -2};
    CHECK_THAT(RubixFile().messageAfter([&](const h5::Group& r) { r.dataset("particles/stars/age").writeAll(bad); }),
               Contains(":/particles/stars/age: row 1 is -2"));
    RubixFile mpc;
    CHECK(mpc.messageAfter([](const h5::Group& r) { r.dataset("particles/stars/age").setAttribute("unit", "Myr"); }) ==
          "");
    CHECK(Snapshot::open(mpc.path)->readStars({0, 1}).age[0] == 0.005f);
}
