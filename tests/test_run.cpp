// tessera run through the real binary: what is written does not depend on how the work was dealt out.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>

#include "tessera/io/cube_file.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/model/config.hpp"
#include "workshop.hpp"

using namespace tessera;
using test::Outcome;
using test::Workshop;
namespace fs = std::filesystem;

namespace {

Outcome runRanks(const Workshop& w, int ranks, std::vector<std::string> args) {
    std::ofstream(w.root / "config.json") << w.config.dump(1);
    args.insert(args.begin(), {"-np", std::to_string(ranks), "--oversubscribe", TESSERA_BINARY, "run", "config.json"});
    return test::runProcess("mpirun", args, w.root.path().string(), test::underMpi());
}

std::vector<std::int64_t> subhalosOf(const std::string& file) {
    return h5::File::openRead(file).root().dataset("catalog/subhalo").readAll<std::int64_t>();
}
std::vector<std::string> statesOf(const std::string& file) {
    return h5::File::openRead(file).root().group("catalog").readStrings("status");
}

// Bit for bit, NaN included.
bool sameFlux(const GalaxyCube& a, const GalaxyCube& b) {
    return a.flux.data.size() == b.flux.data.size() && !a.flux.data.empty() &&
           std::memcmp(a.flux.data.data(), b.flux.data.data(), a.flux.data.size() * sizeof(float)) == 0;
}

double sum(const GalaxyCube& c) {
    double s = 0;
    for (const float f : c.flux.data) s += std::isnan(f) ? 0 : f;
    return s;
}

void succeeds(const Outcome& o) {
    INFO(o.out << o.err);
    REQUIRE(o.code == 0);
}

// Its first star has a negative mass.
void damageSubhalo1(const Workshop& w) {
    const auto lengths =
        h5::File::openRead(w.groups(0)).root().dataset("Subhalo/SubhaloLenType").readAll<std::int32_t>();
    const hsize_t first = hsize_t(lengths[4]);  // stars of subhalo 0 come first
    const hsize_t rows = h5::File::openRead(w.chunk(0)).root().dataset("PartType4/Masses").rows();
    const float bad = -1;
    h5::File::openReadWrite(first < rows ? w.chunk(0) : w.chunk(1))
        .root()
        .dataset("PartType4/GFM_InitialMass")
        .writeRows(first < rows ? first : first - rows, 1, &bad);
}

}  // namespace

TEST_CASE("1, 2 and 3 ranks write the same") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {2, 0, 3, 1}}, {"min_stars", 50}};
    w.config["view"] = {{{"redshift", 0.05}}, {{"redshift", 0.08}, {"orientation", "edge-on"}}};
    succeeds(runRanks(w, 1, {"-o", "out/1.hdf5"}));
    const std::string one = w.root / "out/1.hdf5";
    CHECK(subhalosOf(one) == std::vector<std::int64_t>{2, 2, 0, 0, 3, 3, 1, 1});
    const std::vector<std::int64_t> observed = galaxiesInFile(one);
    REQUIRE(observed.size() >= 2);
    for (const int ranks : {2, 3}) {
        const std::string name = "out/" + std::to_string(ranks) + ".hdf5", many = w.root / name;
        succeeds(runRanks(w, ranks, {"-o", name}));
        CHECK(subhalosOf(many) == subhalosOf(one));
        CHECK(statesOf(many) == statesOf(one));
        REQUIRE(galaxiesInFile(many) == observed);
        for (const std::int64_t id : observed)
            for (const int view : {0, 1}) {
                const GalaxyCube a = readGalaxyCube(one, id, view), b = readGalaxyCube(many, id, view);
                CHECK(sum(a) > 0);
                CHECK(sameFlux(a, b));
                CHECK(a.report.nStarsInField == b.report.nStarsInField);
                CHECK(a.report.rotation.row[1] == b.report.rotation.row[1]);
            }
    }
    CHECK(w.outputs() == std::vector<std::string>{"1.hdf5", "2.hdf5", "3.hdf5"});
}

TEST_CASE("reading ahead and writing behind give what taking turns gives") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {2, 0, 3, 1}}, {"min_stars", 50}};
    w.config["view"] = {{{"redshift", 0.05}}, {{"redshift", 0.08}, {"orientation", "edge-on"}}};
    succeeds(runRanks(w, 1, {"-o", "out/overlapped.hdf5"}));
    // Less than a run needs, yet enough for the same blocks of wavelengths.
    succeeds(runRanks(w, 1, {"-o", "out/turns.hdf5", "--set", "resources.memory_per_rank=268435456"}));
    const std::string overlapped = w.root / "out/overlapped.hdf5", turns = w.root / "out/turns.hdf5";
    CHECK(statesOf(overlapped) == statesOf(turns));
    REQUIRE(galaxiesInFile(overlapped) == galaxiesInFile(turns));
    REQUIRE(galaxiesInFile(overlapped).size() >= 2);
    for (const std::int64_t id : galaxiesInFile(turns))
        for (const int view : {0, 1})
            CHECK(sameFlux(readGalaxyCube(overlapped, id, view), readGalaxyCube(turns, id, view)));
}

TEST_CASE("a galaxy that is damaged is a row of the catalogue, and the others are observed") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {0, 1, 2}}, {"min_stars", 0}};
    damageSubhalo1(w);
    for (const int ranks : {1, 2}) {
        const Outcome o = runRanks(w, ranks, {"--set", "output.checkpoint=0"});
        succeeds(o);
        const std::vector<std::string> states = statesOf(w.output());
        REQUIRE(states.size() == 3);
        CHECK(states[0] == "ok");
        CHECK(states[1].find("failed: ") == 0);
        CHECK(states[1].find("GFM_InitialMass") != std::string::npos);
        CHECK(states[2] == "ok");
        CHECK(galaxiesInFile(w.output()) == std::vector<std::int64_t>{0, 2});
        CHECK(o.err.find("1 of 3 galaxies failed: subhalo 1: ") != std::string::npos);
        CHECK(o.out.find("1 x failed") != std::string::npos);
        CHECK(w.outputs() == std::vector<std::string>{"cubes.hdf5"});
    }
}

TEST_CASE("--strict: the first galaxy that fails ends the run, alone and with two ranks") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {0, 1}}, {"min_stars", 0}};
    damageSubhalo1(w);
    Outcome o = runRanks(w, 1, {"--strict"});
    INFO(o.err);
    CHECK(o.code == 1);
    CHECK(o.err.find("tessera: error: subhalo 1: ") != std::string::npos);
    CHECK(w.outputs().empty());
    o = runRanks(w, 2, {"--strict"});
    INFO(o.err);
    CHECK(o.code == 1);
    // The slice of rank 1, from which rank 0 may have taken it.
    CHECK((o.err.find("[rank 1] tessera: error: subhalo 1: ") != std::string::npos ||
           o.err.find("[rank 0] tessera: error: subhalo 1: ") != std::string::npos));
    CHECK_FALSE(fs::exists(w.output()));
}

TEST_CASE("no cube at all: exit code 1 and no file; of a shard the file, which merging needs") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {1}}, {"min_stars", 0}};
    damageSubhalo1(w);
    Outcome o = w.run();
    CHECK(o.code == 1);
    CHECK(o.err.find("no cube was made") != std::string::npos);
    CHECK(o.err.find("subhalo 1: ") != std::string::npos);
    CHECK(w.outputs().empty());
    w.config["galaxies"]["subhalos"] = {0, 1};
    w.args = {"--shard", "1/2"};
    o = w.run();
    CHECK(o.code == 1);
    CHECK(statesOf(w.root / "out/cubes.shard1.hdf5").at(0).find("failed: ") == 0);
}

TEST_CASE("one message from many ranks for a wrong configuration") {
    Workshop w;
    const Outcome o = runRanks(w, 3, {"--set", "view.redshft=1"});
    CHECK(o.code == 2);
    const std::string message = "tessera: error: ";
    const std::size_t at = o.err.find(message);
    REQUIRE(at != std::string::npos);
    CHECK(o.err.find(message, at + 1) == std::string::npos);
}

TEST_CASE("shards together are the whole") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {0, 1, 2, 3}}, {"min_stars", 0}};
    std::vector<std::int64_t> together;
    for (const char* shard : {"0/3", "1/3", "2/3"}) {
        w.args = {"--shard", shard};
        succeeds(w.run());
        const auto part = subhalosOf(w.root / ("out/cubes.shard" + std::string(1, shard[0]) + ".hdf5"));
        together.insert(together.end(), part.begin(), part.end());
    }
    CHECK(together == std::vector<std::int64_t>{0, 1, 2, 3});
    CHECK(w.outputs().size() == 3);
}

TEST_CASE("subhalos with few stars: skipped where named, left out where not") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {0, 1}}, {"min_stars", 1000000}};
    succeeds(w.run());
    CHECK(galaxiesInFile(w.output()).empty());
    const std::vector<std::string> states = statesOf(w.output());
    REQUIRE(states.size() == 2);
    CHECK(states[0].find("skipped: ") == 0);
    CHECK(states[0].find("fewer than 1000000") != std::string::npos);

    w.config["galaxies"] = {{"min_stars", 300}};
    const Outcome o = w.run();
    succeeds(o);
    const auto all = subhalosOf(w.output());
    CHECK_FALSE(all.empty());
    CHECK(all.size() < 4);
    CHECK(o.out.find("left out: ") != std::string::npos);
}

TEST_CASE("the configuration as used is in the file") {
    Workshop w;
    w.args = {"--set", "psf.fwhm=7", "--set", "view.twist=12"};
    succeeds(w.run());
    const std::string written = configInFile(w.output());
    const Config used = parseConfig(written);
    CHECK(used.psf->fwhm == 7);
    CHECK(used.views[0].twist == 12);
    CHECK(dumpConfig(used) == dumpConfig(parseConfig(w.config.dump(), {"psf.fwhm=7", "view.twist=12"})));
}

TEST_CASE("FITS files beside the cube file, one a view") {
    Workshop w;
    w.config["view"] = {{{"redshift", 0.05}}, {{"redshift", 0.06}}};
    w.config["output"]["fits"] = true;
    succeeds(w.run());
    CHECK(w.outputs() == std::vector<std::string>{"cubes.hdf5", "cubes_0.fits", "cubes_0_view1.fits"});
}

TEST_CASE("dry run: says what would be done, writes nothing") {
    Workshop w;
    w.args = {"--dry-run"};
    const Outcome o = w.run();
    succeeds(o);
    CHECK(o.out.find("4 x 4 x 100") != std::string::npos);
    CHECK(o.out.find("out/cubes.hdf5") != std::string::npos);
    CHECK(w.outputs().empty());
}

TEST_CASE("what is printed: progress and summary, nothing when quiet, replacements as warnings") {
    Workshop w;
    Outcome o = w.run();
    succeeds(o);
    CHECK(o.err.find("1/1 cubes") != std::string::npos);
    CHECK(o.err.find('\r') == std::string::npos);
    CHECK(o.out.find("1 cube of 1 galaxy") == 0);
    w.args = {"--quiet"};
    o = w.run();
    succeeds(o);
    CHECK(o.out + o.err == "");
    fs::remove_all(w.root.path() / "mock/postprocessing");
    o = w.run();
    succeeds(o);
    CHECK(o.err.find("warning: ") != std::string::npos);
    CHECK(o.err.find("offsets") != std::string::npos);
}

TEST_CASE("an output that is there already is replaced only by a complete one") {
    Workshop w;
    std::ofstream(w.output()) << "precious";
    w.config["view"]["redshift"] = 0.05;
    w.args = {"--set", "galaxies.centre=[1,2,3]"};  // no stars there
    CHECK(w.run().code == 1);
    std::string text;
    std::getline(std::ifstream(w.output()) >> std::ws, text);
    CHECK(text == "precious");
    w.args = {};
    succeeds(w.run());
    CHECK(galaxiesInFile(w.output()) == std::vector<std::int64_t>{0});
}
