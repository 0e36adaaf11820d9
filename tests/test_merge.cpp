// tessera merge through the real binary: what is wrong with shards is told, and nothing is written then.
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

#include "tessera/io/cube_file.hpp"
#include "tessera/io/cube_merge.hpp"
#include "tessera/io/hdf5.hpp"
#include "workshop.hpp"

using namespace tessera;
using test::Outcome;
using test::Workshop;
namespace fs = std::filesystem;

namespace {

void succeeds(const Outcome& o) {
    INFO(o.out << o.err);
    REQUIRE(o.code == 0);
}

// A workshop whose run is in four shards.
struct Sharded : Workshop {
    Sharded() {
        config["galaxies"] = {{"subhalos", {0, 1, 2, 3}}, {"min_stars", 1}};
        for (unsigned i = 0; i < 4; ++i) shard(i);
    }
    Outcome shard(unsigned i, std::vector<std::string> more = {}) {
        args = {"--shard", std::to_string(i) + "/4"};
        args.insert(args.end(), more.begin(), more.end());
        const Outcome o = run();
        succeeds(o);
        return o;
    }
    std::string path(unsigned i) const { return shardPath(output(), i); }
    Outcome merge(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"merge", "--output", "out/cubes.hdf5"});
        return test::runProcess(TESSERA_BINARY, more, root.path().string(), {}, limits);
    }
};

// Fails with a message that has all the pieces, and writes nothing.
void refuses(const Sharded& w, const std::vector<std::string>& pieces, const std::vector<std::string>& more = {},
             int code = 1) {
    const std::vector<std::string> before = w.outputs();
    const Outcome o = w.merge(more);
    INFO(o.err);
    CHECK(o.code == code);
    for (const std::string& piece : pieces) CHECK(o.err.find(piece) != std::string::npos);
    CHECK(w.outputs() == before);
}

std::string bytesOf(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void replaceAttribute(const std::string& file, const std::string& name, const std::string& value) {
    h5::File::openReadWrite(file).root().setAttribute(name, value);
}

}  // namespace

TEST_CASE("a merged file is read as the whole is") {
    Sharded w;
    w.args = {"--set", "output.path=out/whole.hdf5"};
    succeeds(w.run());
    const std::string whole = w.root / "out/whole.hdf5";
    for (const bool copy : {false, true}) {
        succeeds(w.merge(copy ? std::vector<std::string>{"--copy"} : std::vector<std::string>{}));
        if (copy)
            for (unsigned i = 0; i < 4; ++i) fs::remove(w.path(i));
        REQUIRE(galaxiesInFile(w.output()) == galaxiesInFile(whole));
        REQUIRE(galaxiesInFile(w.output()).size() >= 3);
        for (const std::int64_t id : galaxiesInFile(whole)) {
            const GalaxyCube a = readGalaxyCube(whole, id), b = readGalaxyCube(w.output(), id);
            REQUIRE(a.flux.data.size() == b.flux.data.size());
            CHECK(std::memcmp(a.flux.data.data(), b.flux.data.data(), a.flux.data.size() * sizeof(float)) == 0);
            CHECK(a.maps.size() == b.maps.size());
            CHECK(a.report.centre == b.report.centre);
        }
    }
}

TEST_CASE("links lead to the shards: one that is gone is named, the others are read") {
    Sharded w;
    succeeds(w.merge());
    const std::int64_t gone = galaxiesInFile(w.path(1)).at(0), there = galaxiesInFile(w.path(0)).at(0);
    fs::remove(w.path(1));
    CHECK_NOTHROW(readGalaxyCube(w.output(), there));
    CHECK_THROWS_WITH(readGalaxyCube(w.output(), gone), Catch::Contains("cubes.shard1.hdf5"));
}

TEST_CASE("shards elsewhere, in any order; the output through a symbolic link") {
    Sharded w;
    fs::create_directories(w.root / "elsewhere/deep");
    fs::create_directory(w.root / "real");
    std::vector<std::string> shards;
    for (const unsigned i : {2u, 0u, 3u, 1u}) {
        shards.push_back(w.root / ("elsewhere/deep/part" + std::to_string(i)));
        fs::rename(w.path(i), shards.back());
    }
    fs::create_symlink("../real/merged.hdf5", w.output());
    succeeds(w.merge(shards));
    CHECK(fs::is_symlink(w.output()));
    fs::rename(w.root / "elsewhere", w.root / "real/elsewhere");
    CHECK_THROWS(readGalaxyCube(w.root / "real/merged.hdf5", 0));
    fs::rename(w.root / "real/elsewhere", w.root / "elsewhere");
    for (const char* name : {"out/cubes.hdf5", "real/merged.hdf5"}) CHECK_NOTHROW(readGalaxyCube(w.root / name, 0));
}

TEST_CASE("shards that cannot be merged") {
    Sharded w;
    SECTION("none") {
        for (unsigned i = 0; i < 4; ++i) fs::remove(w.path(i));
        refuses(w, {"there is no out/cubes.shard0.hdf5"});
    }
    SECTION("two are missing, one of them unfinished") {
        fs::remove(w.path(0));
        fs::rename(w.path(3), w.path(3) + ".tmp.4711");
        refuses(w, {"shard 0 of 4 is missing (out/cubes.shard0.hdf5)\n",
                    "shard 3 of 4 is missing (out/cubes.shard3.hdf5)", "unfinished: cubes.shard3.hdf5.tmp.4711"});
    }
    SECTION("truncated") {
        fs::resize_file(w.path(2), fs::file_size(w.path(2)) / 2);
        refuses(w, {"out/cubes.shard2.hdf5: cannot open (truncated file"});
    }
    SECTION("no HDF5 file") {
        std::ofstream(w.path(2)) << "text";
        refuses(w, {"out/cubes.shard2.hdf5: not an HDF5 file"});
    }
    SECTION("no cube file") {
        fs::copy_file(w.library(), w.path(2), fs::copy_options::overwrite_existing);
        refuses(w, {"out/cubes.shard2.hdf5: not a cube file"});
    }
    SECTION("twice") {
        fs::copy_file(w.path(1), w.root / "out/cubes.shard9.hdf5");
        refuses(w, {"out/cubes.shard9.hdf5: is shard 1 of 4, as is out/cubes.shard1.hdf5"});
    }
    SECTION("in the place of another") {
        fs::copy_file(w.path(1), w.path(2), fs::copy_options::overwrite_existing);
        refuses(w, {"out/cubes.shard2.hdf5: is shard 1 of 4, as is out/cubes.shard1.hdf5"});
    }
    SECTION("of another configuration") {
        w.shard(2, {"--set", "view.redshift=0.06", "--set", "telescope.spaxel=4"});
        refuses(w, {"out/cubes.shard2.hdf5: of another run than out/cubes.shard0.hdf5: another configuration (",
                    "view.redshift", "telescope.spaxel"});
    }
    SECTION("of another library") {
        replaceAttribute(w.path(3), "ssp_sha256", "abc");
        refuses(w, {"out/cubes.shard3.hdf5: of another run", "another SSP library"});
    }
    SECTION("of another snapshot under the same name") {
        // Another place of subhalo 0 in the catalogue, which is not even shard 3's.
        const float place[] = {1, 2, 3};
        h5::File::openReadWrite(w.groups(0)).root().dataset("Subhalo/SubhaloPos").writeRows(0, 1, place);
        w.shard(3);
        refuses(w, {"out/cubes.shard3.hdf5: of another run", "another content of the snapshot's catalogue"});
    }
    SECTION("of another version") {
        replaceAttribute(w.path(1), "tessera_version", "9.9.9");
        refuses(w, {"out/cubes.shard1.hdf5: of another run", "tessera 9.9.9"});
    }
    SECTION("of another division") {
        w.args = {"--shard", "1/2"};
        succeeds(w.run());
        refuses(w, {"out/cubes.shard1.hdf5: of another run", "2 shards instead of 4"});
    }
    SECTION("a run without --shard") {
        w.args = {"-o", "out/whole.hdf5"};
        succeeds(w.run());
        refuses(w, {"out/whole.hdf5: not a shard", "shard 0 of 4 is missing", "shard 3 of 4 is missing"},
                {"out/whole.hdf5", "out/cubes.shard1.hdf5", "out/cubes.shard2.hdf5"});
    }
    SECTION("a shard as the output") {
        fs::rename(w.path(1), w.output());
        refuses(w, {"out/cubes.hdf5 is both a shard and the output"}, {"out/cubes.hdf5"}, 2);
    }
    SECTION("the disk is full") {
        for (const long bytes : {5000, 20000, 40000}) {
            w.limits.fileBytes = bytes;
            refuses(w, {"cannot write '", "out/cubes.hdf5'"}, {"--copy"});
        }
    }
    SECTION("no such directory") {
        const Outcome o =
            test::runProcess(TESSERA_BINARY, {"merge", "-o", "none/cubes.hdf5", w.path(0)}, w.root.path().string());
        CHECK(o.code == 1);
    }
}

TEST_CASE("a merged file that is there stays until the new one is complete") {
    Sharded w;
    succeeds(w.merge());
    const std::string before = bytesOf(w.output());
    fs::resize_file(w.path(2), 1000);
    refuses(w, {"cubes.shard2.hdf5"});
    CHECK(bytesOf(w.output()) == before);
}

TEST_CASE("a complete shard is not observed again") {
    Sharded w;
    const std::string before = bytesOf(w.path(1));
    const Outcome o = w.shard(1);
    CHECK(o.out.find("shard 1 of 4 is complete already") != std::string::npos);
    CHECK(bytesOf(w.path(1)) == before);
    CHECK(w.shard(1, {"--quiet"}).out.empty());
    CHECK(w.shard(1, {"--set", "resources.threads=2"}).out.find("complete already") != std::string::npos);
    // Where it is asked for, or where the file is not what this run would write.
    CHECK(w.shard(1, {"--overwrite"}).out.find("complete already") == std::string::npos);
    CHECK(w.shard(1, {"--set", "view.redshift=0.07"}).out.find("complete already") == std::string::npos);
    CHECK(w.shard(1).out.find("complete already") == std::string::npos);
    fs::resize_file(w.path(1), 1000);
    CHECK(w.shard(1).out.find("complete already") == std::string::npos);
    fs::rename(w.path(0), w.path(1));
    CHECK(w.shard(1).out.find("complete already") == std::string::npos);
}

TEST_CASE("FITS files of shards are named as those of the whole") {
    Sharded w;
    w.config["output"]["fits"] = true;
    w.shard(0);
    CHECK(fs::exists(w.root / "out/cubes_0.fits"));
}

TEST_CASE("--shard auto: the place in a Slurm array") {
    Workshop w;
    w.config["galaxies"] = {{"subhalos", {0, 1, 2, 3}}, {"min_stars", 1}};
    std::ofstream(w.root / "config.json") << w.config.dump(1);
    const auto shardOf = [&](const std::vector<std::string>& environment) {
        return test::runProcess(TESSERA_BINARY, {"run", "config.json", "--shard", "auto", "--dry-run"},
                                w.root.path().string(), environment);
    };
    const auto slurm = [&](int id, int min, int max, int count) {
        const auto set = [](const std::string& name, int value) {
            return "SLURM_ARRAY_TASK_" + name + "=" + std::to_string(value);
        };
        return shardOf({set("ID", id), set("MIN", min), set("MAX", max), set("COUNT", count)});
    };
    const auto saysOf = [](const Outcome& o, const std::string& text) {
        INFO(o.out << o.err);
        return (o.out + o.err).find(text) != std::string::npos;
    };
    CHECK(saysOf(slurm(0, 0, 3, 4), "cubes.shard0.hdf5"));
    CHECK(saysOf(slurm(3, 0, 3, 4), "cubes.shard3.hdf5"));
    CHECK(saysOf(slurm(12, 10, 13, 4), "cubes.shard2.hdf5"));
    CHECK(saysOf(slurm(5, 1, 7, 4), "cubes.shard2.hdf5"));  // --array=1-7:2
    for (const Outcome& o : {slurm(3, 3, 3, 1), slurm(1, 0, 9, 3), slurm(2, 1, 7, 4), slurm(8, 1, 7, 4),
                             slurm(3, 0, 9, 20), shardOf({}), shardOf({"SLURM_ARRAY_TASK_ID=1"})}) {
        INFO(o.out << o.err);
        CHECK(o.code == 2);
        CHECK(o.err.find("--shard auto: ") != std::string::npos);
        CHECK(o.err.find("--shard I/N") != std::string::npos);
    }
    CHECK(saysOf(shardOf({"PBS_ARRAY_INDEX=4"}), "$PBS_ARRAY_INDEX/N"));
}
