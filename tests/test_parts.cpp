// Parts of a run's output: written by several ranks, found again, put together; and the lock that keeps two runs apart.
#include <omp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "cube_samples.hpp"
#include "io/output_lock.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_parts.hpp"

using namespace tessera;
using samples::makeCube;
using samples::sameBytes;
using test::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

const WavelengthGrid grid{4750, 1.25, 60, false};

CubeFileHeader header() {
    CubeFileHeader h;
    h.version = "1.2.3";
    h.config = "{}";
    h.wavelength = grid;
    return h;
}

GalaxyReport rowOf(std::int64_t subhalo, const std::string& status) {
    GalaxyReport r;
    r.subhalo = subhalo;
    r.status = status;
    return r;
}

// The output of two views a galaxy in a directory of its own.
struct Output {
    Output() { fs::create_directory(partsPath(path())); }
    std::string path() const { return scratch / "cubes.hdf5"; }
    PartsWriter writer(int rank = 0) const { return {path(), header(), config, rank}; }
    // Writes a galaxy; only its first view where it is not whole, which then is not ended.
    static void add(PartsWriter& writer, std::int64_t subhalo, bool whole = true) {
        std::vector<GalaxyReport> rows;
        for (int view = 0; view < (whole ? 2 : 1); ++view) {
            const GalaxyCube cube = makeCube(4, 3, grid, subhalo, view);
            writer.write(cube);
            rows.push_back(cube.report);
        }
        if (whole) writer.endGalaxy(rows);
    }
    std::vector<std::string> names() const {
        std::vector<std::string> found;
        if (fs::exists(partsPath(path())))
            for (const auto& entry : fs::directory_iterator(partsPath(path())))
                found.push_back(entry.path().filename().string());
        return found;
    }
    // All that the parts hold, by subhalo.
    std::vector<RowOfPart> rows() const {
        std::vector<RowOfPart> all;
        for (const CubePart& part : findParts(path()).parts)
            for (const GalaxyReport& row : part.rows) all.push_back({row, part.name});
        std::stable_sort(all.begin(), all.end(),
                         [](const RowOfPart& a, const RowOfPart& b) { return a.report.subhalo < b.report.subhalo; });
        return all;
    }
    void holds(const std::vector<std::int64_t>& subhalos) const {
        REQUIRE(galaxiesInFile(path()) == subhalos);
        for (const std::int64_t id : subhalos)
            for (const int view : {0, 1})
                CHECK(sameBytes(readGalaxyCube(path(), id, view).flux.data, makeCube(4, 3, grid, id, view).flux.data));
    }

    TemporaryDirectory scratch;
    OutputConfig config;
};

ino_t inodeOf(const std::string& path) {
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    return info.st_ino;
}

// What f returns in a process of its own.
template <class F>
int inChild(F f) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(f());
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a part is closed when it is old enough, after a galaxy, and at the end") {
    Output o;
    o.config.checkpoint = 3600;
    {
        PartsWriter writer = o.writer();
        for (const std::int64_t id : {1, 2}) Output::add(writer, id);
        CHECK(findParts(o.path()).parts.empty());
        CHECK(writer.partOfGalaxy().empty());
        writer.close();
        REQUIRE(findParts(o.path()).parts.size() == 1);
        CHECK(findParts(o.path()).parts[0].rows.size() == 4);
        CHECK(writer.partOfGalaxy().size() == 2);
    }
    o.config.checkpoint = 0;
    PartsWriter writer = o.writer();  // of the same rank and perhaps second: no name is given twice
    for (const std::int64_t id : {3, 4, 5}) Output::add(writer, id);
    CHECK(findParts(o.path()).parts.size() == 4);
    writer.close();  // nothing is open
    CHECK(findParts(o.path()).parts.size() == 4);
    CHECK(writer.partOfGalaxy().size() == 3);
}

TEST_CASE("galaxies without cubes are in the journal; one that was not ended is not") {
    Output o;
    PartsWriter writer = o.writer();
    writer.endGalaxy({rowOf(8, "skipped: no stars"), rowOf(8, "skipped: no stars")});
    Output::add(writer, 9, false);
    writer.close();
    const FoundParts found = findParts(o.path());
    REQUIRE(found.parts.size() == 1);
    REQUIRE(found.parts[0].rows.size() == 2);
    CHECK(found.parts[0].rows[0].subhalo == 8);
    CHECK(found.parts[0].rows[0].status == "skipped: no stars");

    PartsWriter alone = o.writer(1);
    Output::add(alone, 10, false);
    alone.close();
    CHECK(o.names().size() == 1);
}

TEST_CASE("parts of several ranks are put together in every layout") {
    for (const OutputLayout layout : {OutputLayout::single, OutputLayout::parts, OutputLayout::galaxies}) {
        Output o;
        o.config.layout = layout;
        PartsWriter first = o.writer(0), second = o.writer(1);
        for (const std::int64_t id : {1, 3}) Output::add(first, id);
        for (const std::int64_t id : {2, 4}) Output::add(second, id);
        second.endGalaxy({rowOf(5, "failed: for a test"), rowOf(5, "failed: for a test")});
        first.close();
        second.close();
        assembleParts(o.path(), header(), o.rows(), layout);
        o.holds({1, 2, 3, 4});
        CHECK(o.names().size() == (layout == OutputLayout::single ? 0 : layout == OutputLayout::parts ? 2 : 4));
        if (layout == OutputLayout::galaxies) CHECK(fs::exists(partsPath(o.path()) + "/3.hdf5"));
        // What a complete file links to is no journal.
        CHECK(findParts(o.path()).parts.empty());
        // The next run of the same output replaces it.
        fs::create_directory(partsPath(o.path()));
        PartsWriter again = o.writer();
        for (const std::int64_t id : {3, 7}) Output::add(again, id);
        again.close();
        o.holds({1, 2, 3, 4});
        assembleParts(o.path(), header(), o.rows(), OutputLayout::single);
        o.holds({3, 7});
        CHECK_FALSE(fs::exists(partsPath(o.path())));
    }
}

TEST_CASE("one part with just these rows becomes the file by its name alone") {
    Output o;
    PartsWriter writer = o.writer();
    for (const std::int64_t id : {1, 2}) Output::add(writer, id);
    writer.close();
    std::vector<RowOfPart> rows = o.rows();
    const ino_t before = inodeOf(partsPath(o.path()) + "/" + rows[0].part);
    SECTION("all, in order") {
        assembleParts(o.path(), header(), rows, OutputLayout::single);
        CHECK(inodeOf(o.path()) == before);
        o.holds({1, 2});
    }
    SECTION("in another order") {
        std::rotate(rows.begin(), rows.begin() + 2, rows.end());
        assembleParts(o.path(), header(), rows, OutputLayout::single);
        CHECK(inodeOf(o.path()) != before);
        o.holds({1, 2});
    }
    SECTION("not all") {
        rows.resize(2);
        assembleParts(o.path(), header(), rows, OutputLayout::single);
        o.holds({1});
    }
    CHECK_FALSE(fs::exists(partsPath(o.path())));
}

TEST_CASE("the output through a symbolic link: the parts are beside the file it leads to") {
    Output o;
    fs::remove(partsPath(o.path()));
    fs::create_directory(o.scratch / "real");
    fs::create_symlink("real/cubes.hdf5", o.path());
    CHECK(partsPath(o.path()) == o.scratch / "real/cubes.hdf5.parts");
    for (const OutputLayout layout : {OutputLayout::parts, OutputLayout::single}) {
        fs::create_directory(partsPath(o.path()));
        PartsWriter writer = o.writer();
        Output::add(writer, 1);
        writer.close();
        assembleParts(o.path(), header(), o.rows(), layout);
        CHECK(fs::is_symlink(o.path()));
        o.holds({1});
    }
}

TEST_CASE("what others left: damaged parts are told, temporary files removed, foreign files stay") {
    Output o;
    o.config.checkpoint = 0;
    PartsWriter writer = o.writer();
    for (const std::int64_t id : {1, 2}) Output::add(writer, id);
    const std::string damaged = writer.partOfGalaxy().at(0), parts = partsPath(o.path()) + "/";
    fs::resize_file(parts + damaged, 3000);
    const std::vector<std::string> temporary{parts + "20260101T000000Z.0.0.hdf5.tmp.1", o.path() + ".tmp.4711",
                                             o.scratch / "cubes_5.fits.tmp.12"};
    const std::vector<std::string> foreign{parts + "notes.txt", parts + "mine.hdf5", o.scratch / "cubes_6.fits.tmp.12",
                                           o.path() + ".tmp.mine", o.scratch / "cubes.shard0.hdf5.tmp.7"};
    for (const auto& list : {temporary, foreign})
        for (const std::string& name : list) std::ofstream(name) << "text";
    const FoundParts found = findParts(o.path());
    CHECK(found.damaged == std::vector<std::string>{damaged});
    CHECK(found.parts.size() == 1);
    removeTemporaryFiles(o.path(), {o.scratch / "cubes_5.fits"});
    for (const std::string& name : temporary) CHECK_FALSE(fs::exists(name));
    removeParts(o.path());
    for (const std::string& name : foreign) CHECK(fs::exists(name));
    CHECK(o.names().size() == 2);
}

TEST_CASE("after an error of writing nothing more is written, and the journal does not claim what failed") {
    Output o;
    o.config.compression = 0;
    // The limit on the size of files holds for a process.
    const int code = inChild([&o] {
        std::signal(SIGXFSZ, SIG_IGN);
        omp_set_num_threads(1);  // those of the parent are not here
        PartsWriter writer = o.writer();
        Output::add(writer, 1);
        const rlimit limit{20000, 20000};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        if (test::messageOf<Error>([&writer] { writer.write(makeCube(40, 40, grid, 2)); }).empty()) return 2;
        writer.endGalaxy({rowOf(2, "ok"), rowOf(2, "ok")});
        writer.close();
        return int(writer.partOfGalaxy().size()) * 10;
    });
    CHECK(code == 0);
    CHECK(o.names().empty());
}

TEST_CASE("a writer that was told to abandon writes no journal") {
    Output o;
    o.config.checkpoint = 0;
    PartsWriter writer = o.writer();
    Output::add(writer, 1);
    writer.write(makeCube(4, 3, grid, 2));
    writer.abandon();
    writer.endGalaxy({rowOf(2, "ok"), rowOf(2, "ok")});
    writer.close();
    CHECK(writer.partOfGalaxy().size() == 1);
    REQUIRE(o.names().size() == 1);
    CHECK(o.rows().size() == 2);
}

TEST_CASE("the lock: one run at a time, several ranks of it, and it goes with its process") {
    const TemporaryDirectory scratch;
    const std::string path = scratch / "lock";
    const auto another = [&path] {
        return inChild([&path] {
            const std::string said = test::messageOf<Error>([&path] { OutputLock::sole(path, "out.hdf5"); });
            const bool named = said.find("out.hdf5: another run is writing it (process ") != std::string::npos;
            return said.empty() ? 0 : named ? 1 : 2;
        });
    };
    const auto joining = [&path] {
        return inChild(
            [&path] { return test::messageOf<Error>([&] { OutputLock::joint(path, "o"); }).empty() ? 0 : 1; });
    };
    {
        OutputLock lock = OutputLock::sole(path, "out.hdf5");
        CHECK(another() == 1);
        CHECK(joining() == 1);
        lock.share();
        CHECK(joining() == 0);
        CHECK(another() == 1);
    }
    CHECK(another() == 0);
    // A killed process leaves the file, not the lock.
    CHECK(inChild([&path] {
              OutputLock lock = OutputLock::sole(path, "out.hdf5");
              return fs::exists(path) ? 0 : 1;
          }) == 0);
    CHECK(fs::exists(path));
    CHECK(another() == 0);
}
