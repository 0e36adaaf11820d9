// Catalogue mode: each row is the run that --set would make of it, and what is wrong with a table is told with its place.
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <random>

#include "io/row_table.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/hdf5.hpp"
#include "workshop.hpp"

using namespace tessera;
using namespace tessera::test;
using Catch::Matchers::Contains;

namespace {

bool same(const Cube& a, const Cube& b) {
    return a.data.size() == b.data.size() && !a.data.empty() &&
           std::memcmp(a.data.data(), b.data.data(), a.data.size() * sizeof(float)) == 0;
}

void succeeds(const Outcome& o) {
    INFO(o.out << o.err);
    REQUIRE(o.code == 0);
}

std::vector<std::int64_t> column(const std::string& file, const char* name) {
    return h5::File::openRead(file).root().dataset(std::string("catalog/") + name).readAll<std::int64_t>();
}

// Runs with a table rows.csv.
Outcome runRows(Workshop& w, const std::string& table, std::vector<std::string> args = {}) {
    std::ofstream(w.root / "rows.csv") << table;
    w.args = {"--rows", "rows.csv"};
    w.args.insert(w.args.end(), args.begin(), args.end());
    return w.run();
}

}  // namespace

TEST_CASE("CSV: quotes, line ends, comments, blanks") {
    const RowTable t =
        parseCsv("\xEF\xBB\xBF# made by hand\n# twice\na,\"b \"\"c\"\"\", d \r\n1,\"x\ny, z\",\r\n\r\n 2 ,,\"\"\n3,4,5",
                 "t", false);
    CHECK(t.columns == std::vector<std::string>{"a", "b \"c\"", "d"});
    CHECK(t.cells[0] == std::vector<std::string>{"1", "2", "3"});
    CHECK(t.cells[1] == std::vector<std::string>{"x\ny, z", "", "4"});
    CHECK(t.cells[2] == std::vector<std::string>{"", "", "5"});
    CHECK(t.lines == std::vector<std::size_t>{4, 7, 8});
    CHECK_THAT(t.where(1), Contains("line 7 (row 1)"));

    const auto fails = [](const std::string& text, const std::string& with, bool ecsv = false) {
        INFO(text);
        CHECK_THROWS_WITH(parseCsv(text, "t.csv", ecsv), Contains("t.csv") && Contains(with));
    };
    fails("", "empty");
    fails("# nothing else", "empty");
    fails("a,b\n1,2\n3\n", "line 3: has 1 cells where there are 2 columns (a, b)");
    fails("a,b\n1,2,3\n", "line 2: has 3 cells");
    fails("a,a\n1,2\n", "line 1: two columns are called a");
    fails("a,\n1,2\n", "line 1: column 2 has no name");
    fails("a\n\"x\n", "line 2: a quote is opened");
    fails("a\n\"x\" y\n", "behind a closing quote");
    fails("a,b\n1,2\n", "# %ECSV", true);

    const RowTable spaces = parseCsv(
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\na b\n1 \"x y\"\n2 \"\"\n", "t", true);
    CHECK(spaces.cells[1] == std::vector<std::string>{"x y", ""});
    const RowTable commas = parseCsv("# %ECSV 1.0\n# ---\n# delimiter: ','\na,b\n1,x y\n", "t", true);
    CHECK(commas.cells[1] == std::vector<std::string>{"x y"});
}

TEST_CASE("whatever the bytes, a table is read or refused") {
    const std::string letters = "ab,\"\n\r# 1.e-";
    std::mt19937 random(11);
    std::size_t read = 0, refused = 0;
    for (int i = 0; i < 20000; ++i) {
        std::string text = i % 3 == 0 ? "# %ECSV 1.0\n" : "";
        for (std::size_t n = random() % 40; n > 0; --n) text += letters[random() % letters.size()];
        try {
            const RowTable t = parseCsv(text, "t", i % 3 == 0);
            for (const auto& cells : t.cells) REQUIRE(cells.size() == t.lines.size());
            ++read;
        } catch (const Error&) {
            ++refused;
        }
    }
    CHECK(read > 1000);
    CHECK(refused > 1000);
}

TEST_CASE("a row is the run that --set makes of it") {
    Workshop w;
    w.config["noise"] = {{"signal_to_noise", 20}, {"seed", 5}};
    succeeds(runRows(w,
                     "_name,subhalo,redshift,inclination,telescope,telescope.fov,seeing,seed,view.orientation\n"
                     "first,1,0.06,30,,,,,\n"
                     "second,0,,,SAMI,8,1.5,9,edge-on\n"
                     "\"third, of 1\",1,0.05,,,,2,,\n"
                     "fourth,1,0.06,30,,,,,\n",
                     {"--output", "out/rows.hdf5"}));
    const std::string rows = w.root / "out/rows.hdf5";
    CHECK(column(rows, "subhalo") == std::vector<std::int64_t>{1, 0, 1, 1});
    CHECK(column(rows, "view") == std::vector<std::int64_t>{0, 0, 1, 2});
    CHECK(column(rows, "row") == std::vector<std::int64_t>{0, 1, 2, 3});
    CHECK_FALSE(h5::File::openRead(rows).root().has("wavelength"));  // SAMI's are others

    const auto single = [&](const std::string& subhalo, std::vector<std::string> sets) {
        w.args = {"--output", "out/one.hdf5", "--set", "galaxies.subhalos=[" + subhalo + "]"};
        for (const std::string& set : sets) w.args.insert(w.args.end(), {"--set", set});
        succeeds(w.run());
        return readGalaxyCube(w.root / "out/one.hdf5", std::stoll(subhalo));
    };
    const auto compare = [&](const GalaxyCube& a, const GalaxyCube& b, bool noise) {
        CHECK(a.wavelength == b.wavelength);
        CHECK(same(a.variance, b.variance));
        CHECK(same(a.flux, b.flux) == noise);
        CHECK(a.report.redshift == b.report.redshift);
        CHECK(a.report.rotation.row[1] == b.report.rotation.row[1]);
    };
    compare(readGalaxyCube(rows, 1, 0), single("1", {"view.redshift=0.06", "view.inclination=30"}), true);
    compare(
        readGalaxyCube(rows, 0, 0),
        single("0", {"telescope=SAMI", "telescope.fov=8", "psf.fwhm=1.5", "noise.seed=9", "view.orientation=edge-on"}),
        true);
    // Of another number among the galaxy's cubes the noise is another, the light the same.
    compare(readGalaxyCube(rows, 1, 1), single("1", {"psf.fwhm=2", "view.redshift=0.05"}), false);
    compare(readGalaxyCube(rows, 1, 0), readGalaxyCube(rows, 1, 2), false);

    // As the views of a list are.
    w.config["view"] = {
        {{"redshift", 0.06}, {"inclination", 30}}, {{"redshift", 0.04}}, {{"redshift", 0.06}, {"inclination", 30}}};
    w.args = {"--output", "out/list.hdf5", "--set", "galaxies.subhalos=[1]"};
    succeeds(w.run());
    CHECK(same(readGalaxyCube(w.root / "out/list.hdf5", 1, 2).flux, readGalaxyCube(rows, 1, 2).flux));
}

TEST_CASE("a line of sight in three columns") {
    Workshop w;
    succeeds(runRows(w, "subhalo,line_of_sight_x,line_of_sight_y,line_of_sight_z\n0,1,0.5,-2e0\n0,,,\n"));
    const auto rotation = readGalaxyCube(w.output(), 0, 0).report.rotation;
    CHECK(dot(rotation.row[2], Vec3d{1, 0.5, -2}) == Approx(norm(Vec3d{1, 0.5, -2})));
    w.args = {"--output", "out/base.hdf5"};
    succeeds(w.run());
    CHECK(readGalaxyCube(w.output(), 0, 1).report.rotation.row[2] ==
          readGalaxyCube(w.root / "out/base.hdf5", 0).report.rotation.row[2]);
}

TEST_CASE("shards of rows together are the whole, and other rows are another run") {
    Workshop w;
    w.config["galaxies"]["min_stars"] = 1;
    const std::string table = "subhalo,redshift\n2,0.05\n0,0.06\n1,0.05\n2,0.07\n0,0.08\n";
    succeeds(runRows(w, table, {"--output", "out/whole.hdf5"}));
    for (const char* shard : {"0/2", "1/2"}) succeeds(runRows(w, table, {"--shard", shard}));
    const Outcome again = runRows(w, table, {"--shard", "0/2"});
    CHECK(again.out.find("complete already") != std::string::npos);
    const auto merge = [&] {
        return runProcess(TESSERA_BINARY, {"merge", "--output", "out/cubes.hdf5"}, w.root.path().string(), {}, {});
    };
    succeeds(merge());
    const std::string whole = w.root / "out/whole.hdf5";
    for (const char* name : {"row", "subhalo", "view"}) CHECK(column(w.output(), name) == column(whole, name));
    CHECK(column(whole, "row") == std::vector<std::int64_t>{0, 1, 2, 3, 4});
    for (const auto& [id, view] : std::vector<std::pair<int, int>>{{2, 0}, {2, 1}, {0, 0}, {0, 1}, {1, 0}})
        CHECK(same(readGalaxyCube(w.output(), id, view).flux, readGalaxyCube(whole, id, view).flux));

    succeeds(runRows(w, "subhalo,redshift\n2,0.05\n0,0.06\n1,0.05\n2,0.07\n0,0.09\n", {"--shard", "1/2"}));
    const Outcome other = merge();
    CHECK(other.code == 1);
    CHECK(other.err.find("other rows (galaxies.rows)") != std::string::npos);
}

TEST_CASE("rows that cannot be observed are skipped with the reason, the others are observed") {
    Workshop w;
    w.config["galaxies"]["min_stars"] = 50;
    w.config["galaxies"]["centrals"] = true;
    succeeds(runRows(w, "subhalo\n0\n1\n2\n3\n0\n"));
    const auto states = h5::File::openRead(w.output()).root().group("catalog").readStrings("status");
    REQUIRE(states.size() == 5);
    CHECK(states[0] == "ok");
    CHECK(states[4] == "ok");
    std::size_t skipped = 0;
    for (const auto& s : states) skipped += s.find("skipped: ") == 0;
    CHECK(skipped > 0);
    CHECK(column(w.output(), "row") == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("what is wrong with a table is told with file, line, row and column") {
    Workshop w;
    struct Fault {
        std::string table;
        int code;
        std::vector<std::string> words;
    };
    std::string telescopes = "subhalo,telescope,telescope.fov\n";
    for (int i = 0; i < 9; ++i) telescopes += i == 7 ? "0,SAMMI,4\n" : "0,SAMI,4\n";
    for (const Fault& fault : std::vector<Fault>{
             {"galaxy,redshift\n0,0.1\n", 1, {"rows.csv", "no column subhalo", "galaxy, redshift"}},
             {telescopes, 2, {"rows.csv line 9 (row 7)", "column telescope", "SAMMI", "\"SAMI\""}},
             {"subhalo,redshift\n0,0.1\n0,nan\n", 2, {"line 3 (row 1)", "column redshift", "nan"}},
             {"subhalo,redshift\n0,0.1\n0,inf\n", 2, {"line 3 (row 1)", "column redshift"}},
             {"subhalo,redshift\n0,1e999\n", 2, {"line 2 (row 0)", "column redshift"}},
             {"subhalo,redshft\n0,0.1\n", 2, {"column redshft", "nearest: redshift"}},
             {"subhalo,view.redshft\n0,0.1\n", 2, {"column view.redshft", "nearest: view.redshift"}},
             {"subhalo,redshift,view.redshift\n0,0.1,0.1\n", 2, {"redshift and view.redshift both set view.redshift"}},
             {"subhalo,orientation,line_of_sight_x,line_of_sight_y,line_of_sight_z\n0,,1,2,3\n", 2, {"both set"}},
             {"subhalo,line_of_sight_x,line_of_sight_y\n0,1,2\n", 2, {"needs all of", "line_of_sight_z"}},
             {"subhalo,line_of_sight_x,line_of_sight_y,line_of_sight_z\n0,1,,2\n", 2, {"line 2 (row 0)", "gives 2 of"}},
             {"subhalo,line_of_sight_x,line_of_sight_y,line_of_sight_z\n0,1,nan,2\n", 2, {"line_of_sight_y", "nan"}},
             {"subhalo,line_of_sight_x,line_of_sight_y,line_of_sight_z\n0,0,0,0\n", 2, {"line 2", "no direction"}},
             {"subhalo,output.path\n0,x.hdf5\n", 2, {"column output.path", "run as a whole"}},
             {"subhalo,galaxies.min_stars\n0,1\n", 2, {"column galaxies.min_stars", "run as a whole"}},
             {"subhalo,seeing\n0,-1\n", 2, {"line 2 (row 0)", "column seeing", "psf.fwhm", "out of range"}},
             {"subhalo,seed\n0,1\n", 2, {"line 2 (row 0)", "noise"}},  // without any noise
             {"subhalo\n0\nx\n", 1, {"line 3 (row 1)", "\"x\""}},
             {"subhalo\n0\n-1\n", 1, {"line 3 (row 1)", "\"-1\""}},
             {"subhalo\n0\n1.5\n", 1, {"line 3 (row 1)", "\"1.5\""}},
             {"subhalo\n0\n400\n", 1, {"rows.csv line 3", "no subhalo 400"}},
             {"subhalo\n", 1, {"rows.csv", "no rows"}},
             {"subhalo,redshift\n0,0.1\n0,19\n", 1, {"line 3 (row 1)", "SSP library"}},
             {"subhalo,ssp.library\n0,nowhere.hdf5\n", 1, {"line 2 (row 0)", "nowhere.hdf5"}},
         }) {
        INFO(fault.table);
        const Outcome o = runRows(w, fault.table);
        INFO(o.err);
        CHECK(o.code == fault.code);
        for (const std::string& word : fault.words) CHECK(o.err.find(word) != std::string::npos);
        CHECK(w.outputs().empty());
    }
    w.args = {"--rows", "none.csv"};
    CHECK(w.run().err.find("none.csv") != std::string::npos);
    w.args = {"--rows", "config.json"};
    CHECK(w.run().err.find(".ecsv") != std::string::npos);
    w.config["view"] = {{{"redshift", 0.05}}, {{"redshift", 0.06}}};
    CHECK(runRows(w, "subhalo\n0\n").err.find("2 views") != std::string::npos);
}
