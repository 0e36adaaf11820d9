// `tessera gradient`: file layouts, the order of rows, chi^2 against a target, ranks, and what is refused.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>

#include "tessera/adjoint.hpp"
#include "tessera/core/units.hpp"
#include "tessera/io/gradient_file.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"
#include "tessera/io/templates.hpp"
#include "workshop.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Bench : Workshop {
    Bench() {
        config["galaxies"] = {{"subhalos", {0, 1}}};
        config["psf"] = {{"kind", "gaussian"}, {"fwhm", 6.0}};
        config["lsf"] = {{"fwhm", 25.0}};
        for (const int id : {0, 1}) values[id].resize(4 * 4 * 100);
        for (std::size_t i = 0; i < 1600; ++i) {
            values[0][i] = float(std::sin(0.1 * double(i)));
            values[1][i] = 1;
        }
    }
    std::string cotangent() const { return root / "bar.hdf5"; }
    std::string gradientFile() const { return root / "out/gradient.hdf5"; }
    void writeCotangent(const std::vector<int>& ids, std::vector<hsize_t> shape = {4, 4, 100}) const {
        const auto file = h5::File::create(cotangent());
        for (const int id : ids)
            file.root().createGroup("galaxies/" + std::to_string(id)).write<float>("flux", shape, values[id].data());
    }
    Outcome gradient(std::vector<std::string> more, int ranks = 1) const {
        std::ofstream(root / "config.json") << config.dump(1);
        std::vector<std::string> all{"gradient", "config.json"};
        all.insert(all.end(), more.begin(), more.end());
        std::string program = TESSERA_BINARY;
        if (ranks > 1) {
            all.insert(all.begin(), {"-np", std::to_string(ranks), "--oversubscribe", program});
            program = "mpirun";
        }
        std::vector<std::string> environment{"TESSERA_DATA=" + (root / "data"), "OMP_NUM_THREADS=1"};
        if (ranks > 1) environment = underMpi(environment);
        return runProcess(program, all, root.path().string(), environment);
    }
    std::vector<std::string> toFile() const { return {"--cotangent", cotangent(), "--output", gradientFile()}; }

    mutable std::vector<float> values[2];
};

std::vector<float> column(const std::string& path, const std::string& name) {
    return h5::File::openRead(path).root().dataset("galaxies/" + name).readAll<float>();
}
double scalar(const std::string& path, const std::string& galaxy, const std::string& name) {
    return *h5::File::openRead(path).root().group("galaxies/" + galaxy + "/gradient").attribute<double>(name);
}

}  // namespace

TEST_CASE("wind rows are put back where they were", "[gradient]") {
    Buffer<float> values(3);
    for (std::size_t i = 0; i < 3; ++i) values[i] = float(i + 1);
    CHECK(withWindRows(values, {}) == std::vector<float>{1, 2, 3});
    CHECK(withWindRows(values, {0, 1, 3}) == std::vector<float>{0, 0, 1, 0, 2, 3});
    CHECK(withWindRows(values, {2, 4}) == std::vector<float>{1, 2, 0, 3, 0});
    CHECK(withWindRows(Buffer<float>(), {0, 1}) == std::vector<float>{0, 0});
}

TEST_CASE("the gradient file holds what vjp() gives, in the order of the snapshot's rows", "[gradient]") {
    const Bench b;
    b.writeCotangent({0, 1});
    auto options = b.toFile();
    options.push_back("--templates");
    const Outcome o = b.gradient(options);
    INFO(o.err);
    REQUIRE(o.code == 0);
    CHECK(o.out.find("gradients of 2 cubes") != std::string::npos);
    CHECK(b.outputs() == std::vector<std::string>{"gradient.hdf5"});

    const auto snapshot = Snapshot::open(b.root / "mock/output", "auto", 99);
    Config c = parseConfig(b.config.dump());
    const SspLibrary library = loadSsp(b.library());
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    std::size_t wind = 0;
    for (const int id : {0, 1}) {
        const Subhalo subhalo = snapshot->subhalo(id);
        const Stars stars = snapshot->readStars(subhalo.stars);
        const GalaxyInput input{subhalo, snapshot->info().boxSize, *subhalo.position};
        Cube bar(4, 4, 100);
        std::copy(b.values[id].begin(), b.values[id].end(), bar.data.begin());
        const InputsBar g =
            Linearisation(Host{1}, stars, input, c, 0, library, cosmology, tables).vjp(bar, {true, true});
        const std::string name = std::to_string(id) + "/gradient/";
        wind += stars.windRows.size();
        const auto mass = column(b.gradientFile(), name + "mass");
        CHECK(mass.size() == subhalo.stars.count);
        CHECK(mass == withWindRows(g.stars.mass, stars.windRows));
        for (const std::uint64_t row : stars.windRows) CHECK(mass[row] == 0);
        CHECK(column(b.gradientFile(), name + "log_age") == withWindRows(g.stars.logAge, stars.windRows));
        CHECK(column(b.gradientFile(), name + "metallicity") == withWindRows(g.stars.metallicity, stars.windRows));
        const auto velocity = column(b.gradientFile(), name + "velocity");
        const auto expected = withWindRows(g.stars.velocity, stars.windRows);
        REQUIRE(velocity.size() == 3 * expected.size());
        bool same = true, some = false;
        for (std::size_t i = 0; i < expected.size(); ++i)
            for (int k = 0; k < 3; ++k) {
                same = same && velocity[3 * i + std::size_t(k)] == expected[i][k];
                some = some || expected[i][k] != 0;
            }
        CHECK(same);
        CHECK(some);
        for (const float x : column(b.gradientFile(), name + "coords")) CHECK(x == 0);
        CHECK(scalar(b.gradientFile(), std::to_string(id), "psf_fwhm") == g.psfFwhm);
        CHECK(scalar(b.gradientFile(), std::to_string(id), "lsf_fwhm") == g.lsf.at(0));
        CHECK(scalar(b.gradientFile(), std::to_string(id), "redshift") == g.redshiftShift + g.redshiftDistance);
        CHECK(scalar(b.gradientFile(), std::to_string(id), "inclination") == g.inclination);
        CHECK(g.psfFwhm != 0);
        CHECK(h5::File::openRead(b.gradientFile()).root().dataset("galaxies/" + name + "templates").readAll<double>() ==
              g.templates);
    }
    CHECK(wind > 0);
}

TEST_CASE("chi^2 against a target falls as its gradient says", "[gradient]") {
    Bench b;
    b.config["galaxies"] = {{"subhalos", {0}}};
    REQUIRE(b.run().code == 0);
    const auto at = [&](double fwhm) {
        const Outcome o = b.gradient(
            {"--target", b.output(), "--output", b.gradientFile(), "--set", "psf.fwhm=" + std::to_string(fwhm)});
        INFO(o.err);
        REQUIRE(o.code == 0);
        return std::pair{scalar(b.gradientFile(), "0", "chi2"), scalar(b.gradientFile(), "0", "psf_fwhm")};
    };
    CHECK(at(6).first == 0);
    CHECK(at(6).second == 0);
    const double slope = (at(6.6).first - at(6.4).first) / 0.2;
    CHECK(slope > 0);
    CHECK(at(6.5).second == Approx(slope).epsilon(0.01));
}

TEST_CASE("with noise the cotangent is that of the noisy cube", "[gradient]") {
    Bench b;
    b.config["galaxies"] = {{"subhalos", {0}}};
    b.writeCotangent({0});
    REQUIRE(b.gradient(b.toFile()).code == 0);
    const auto without = column(b.gradientFile(), "0/gradient/mass");
    b.config["noise"] = {{"signal_to_noise", 10}, {"seed", 3}};
    const Outcome o = b.gradient(b.toFile());
    INFO(o.err);
    REQUIRE(o.code == 0);
    const auto with = column(b.gradientFile(), "0/gradient/mass");
    CHECK(with != without);
    // The loss sum of cotangent times noisy cube, with all masses 1 % larger: both sides see the realisation stand still.
    Config c = parseConfig(b.config.dump());
    const auto snapshot = Snapshot::open(b.root / "mock/output", "auto", 99);
    const Subhalo subhalo = snapshot->subhalo(0);
    const SspLibrary library = loadSsp(b.library());
    const GalaxyInput input{subhalo, snapshot->info().boxSize, *subhalo.position};
    const auto loss = [&](double factor) {
        Stars stars = snapshot->readStars(subhalo.stars);
        for (float& m : stars.mass) m = float(double(m) * factor);
        const GalaxyCube cube = observe(Host{1}, stars, input, c, 0, library, planck15());
        double sum = 0;
        for (std::size_t i = 0; i < cube.flux.data.size(); ++i)
            if (std::isfinite(cube.flux.data[i])) sum += double(cube.flux.data[i]) * double(b.values[0][i]);
        return sum;
    };
    const Stars stars = snapshot->readStars(subhalo.stars);
    const auto rows = withWindRows(stars.mass, stars.windRows);
    double slope = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) slope += double(rows[i]) * double(with[i]);
    CHECK((loss(1.01) - loss(0.99)) / 0.02 == Approx(slope).epsilon(2e-3));
}

TEST_CASE("ranks write the same gradients", "[gradient]") {
    if (std::system("mpirun --version > /dev/null 2>&1") != 0) return;
    const Bench b;
    b.writeCotangent({0, 1});
    REQUIRE(b.gradient(b.toFile()).code == 0);
    std::vector<std::vector<float>> one;
    for (const char* name : {"0/gradient/mass", "0/gradient/velocity", "1/gradient/mass", "1/gradient/log_age"})
        one.push_back(column(b.gradientFile(), name));
    for (const int ranks : {2, 3}) {
        const Outcome o = b.gradient(b.toFile(), ranks);
        INFO(o.err);
        REQUIRE(o.code == 0);
        std::size_t i = 0;
        for (const char* name : {"0/gradient/mass", "0/gradient/velocity", "1/gradient/mass", "1/gradient/log_age"})
            CHECK(column(b.gradientFile(), name) == one[i++]);
        CHECK(b.outputs() == std::vector<std::string>{"gradient.hdf5"});
    }
}

TEST_CASE("ranks that share a galaxy write its rows", "[gradient]") {
    if (std::system("mpirun --version > /dev/null 2>&1") != 0) return;
    Bench b;
    REQUIRE(runProcess(TESSERA_BINARY,
                       {"mock", "--output", b.root / "big", "--stars", "30000", "--gas", "100", "--chunks", "2",
                        "--galaxies", "3", "--seed", "6"},
                       b.root.path().string())
                .code == 0);
    b.config["snapshot"]["path"] = "big/output";
    b.config["resources"] = {{"split_from", 5000}};
    b.config["projection"] = {{"footprint", "sph"}};
    b.config["noise"] = {{"signal_to_noise", 10}};
    b.writeCotangent({0, 1});
    {
        const auto file = h5::File::openReadWrite(b.cotangent());
        const std::vector<float> map(16, 0.5F);
        file.root().group("galaxies/0").createGroup("maps").write<float>("velocity_light", {4, 4}, map.data());
    }
    const auto all = [&] {
        std::map<std::string, std::vector<float>> values;
        const auto root = h5::File::openRead(b.gradientFile()).root();
        for (const std::string id : {"0", "1"}) {
            const auto group = root.group("galaxies/" + id + "/gradient");
            for (const std::string& name : group.names()) values[id + name] = group.dataset(name).readAll<float>();
            for (const char* name : {"psf_fwhm", "lsf_fwhm", "redshift", "inclination", "position_angle"})
                values[id + name] = {float(group.attribute<double>(name).value())};
        }
        return values;
    };
    REQUIRE(b.gradient(b.toFile()).code == 0);
    const auto one = all();
    CHECK(one.at("0mass").size() > 3 * blockRows);
    CHECK(one.contains("0smoothing"));
    CHECK(one.at("0position_angle").at(0) != 0);
    for (const int ranks : {2, 4}) {
        const Outcome o = b.gradient(b.toFile(), ranks);
        INFO(o.err);
        REQUIRE(o.code == 0);
        CHECK(all() == one);
        CHECK(b.outputs() == std::vector<std::string>{"gradient.hdf5"});
    }
}

TEST_CASE("galaxies that the configuration does not name are those of the cotangent file", "[gradient]") {
    Bench b;
    b.writeCotangent({1});
    b.config["galaxies"] = {{"min_stars", 1}};
    const Outcome o = b.gradient(b.toFile());
    INFO(o.err);
    REQUIRE(o.code == 0);
    CHECK(o.out.find("gradients of 1 cubes") != std::string::npos);
    CHECK(h5::File::openRead(b.gradientFile()).root().group("galaxies").names() == std::vector<std::string>{"1"});
}

TEST_CASE("what is wrong with a gradient's input is said, and no file is left", "[gradient]") {
    Bench b;
    const auto fails = [&](const std::vector<std::string>& options, int code, const std::string& text) {
        const Outcome o = b.gradient(options);
        INFO(o.err);
        CHECK(o.code == code);
        CHECK(o.err.find(text) != std::string::npos);
        CHECK(b.outputs().empty());
    };
    fails({"--output", b.gradientFile()}, 2, "--cotangent");
    fails({"--cotangent", b.cotangent()}, 2, "--output");
    fails(b.toFile(), 1, "bar.hdf5");  // not there
    b.writeCotangent({0});
    fails(b.toFile(), 1, "galaxies/1/flux");
    b.writeCotangent({0, 1}, {100, 4, 4});
    fails(b.toFile(), 1, "100 x 4 x 4");
    b.writeCotangent({0, 1}, {1600});
    fails(b.toFile(), 1, "[ny][nx][wavelength]");
    b.values[1][37] = NAN;
    b.writeCotangent({0, 1});
    fails(b.toFile(), 1, "not finite");
    b.values[1][37] = 0;
    b.writeCotangent({0, 1});
    fails({"--cotangent", b.cotangent(), "--output", b.root / "nowhere/gradient.hdf5"}, 1, "nowhere");
    b.config["galaxies"] = {{"min_stars", 1}};
    h5::File::create(b.cotangent()).root().createGroup("galaxies");
    fails(b.toFile(), 1, "none of the");
}
