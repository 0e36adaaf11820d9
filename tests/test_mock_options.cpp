// Mock trees at the limits of their options, and what makeMock refuses.
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>

#include "mock_tree.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"

using namespace tessera;
using namespace tessera::test;
namespace fs = std::filesystem;

namespace {

MockOptions small(const std::string& output) {
    MockOptions o;
    o.output = output;
    o.stars = 400;
    o.gas = 300;
    o.chunks = 2;
    return o;
}

}  // namespace

TEST_CASE("any number of stars, gas cells, galaxies and chunks gives exactly that many", "[mock]") {
    TemporaryDirectory dir;
    struct Row {
        std::uint64_t galaxies, stars, gas;
        int chunks;
    };
    const auto r = GENERATE(Row{1, 0, 0, 1}, Row{1, 1, 0, 1}, Row{1, 1000, 10, 3}, Row{2, 5, 1, 5}, Row{5, 300, 0, 2},
                            Row{6, 200, 200, 4}, Row{6, 199, 199, 4}, Row{8, 50, 1000, 4}, Row{100, 300, 150, 4},
                            Row{37, 5000, 5000, 13});
    MockOptions o = small(dir / "mock");
    o.galaxies = r.galaxies;
    o.stars = r.stars;
    o.gas = r.gas;
    o.chunks = r.chunks;
    const MockReport report = makeMock(o);
    const MockTree t = MockTree::read(o.output);
    CHECK(report.stars == r.stars);
    CHECK(report.gas == r.gas);
    CHECK(t.total == std::vector<std::uint64_t>{r.gas, 0, 0, 0, r.stars, 0});
    CHECK(t.rows("Subhalo/SubhaloLenType") == r.galaxies);
    if (r.stars > 0) CHECK(t.rows("PartType4/Masses") == r.stars);
    if (r.gas > 0) CHECK(t.rows("PartType0/Masses") == r.gas);
    for (std::size_t i = 1; i < r.galaxies; ++i)
        CHECK(t.value("Subhalo/SubhaloLenType", i, 4) <= t.value("Subhalo/SubhaloLenType", 0, 4));
}

TEST_CASE("a mini snapshot lacks what TNG's mini snapshots lack", "[mock]") {
    TemporaryDirectory dir;
    MockOptions o = small(dir / "mock");
    o.snapshot = 98;
    makeMock(o);
    const MockTree t = MockTree::read(o.output, 98);
    for (const char* type : {"PartType0/", "PartType4/"})
        for (const char* absent : {"GFM_Metals", "SubfindHsml"}) CHECK(t.data.count(std::string(type) + absent) == 0);
    CHECK(t.data.count("PartType4/StellarHsml") == 1);
    CHECK(t.data.count("PartType0/GFM_Metallicity") == 1);
    CHECK(t.header.at("Time") < 1);
    CHECK(t.header.at("Time") > 0.98);
}

TEST_CASE("a mock never replaces anything but a mock, and that only when forced", "[mock]") {
    TemporaryDirectory dir;
    const auto entries = [&] { return std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()); };
    MockOptions o = small(dir / "mock");
    fs::create_directory(dir / "mock");  // an empty directory is as good as none
    makeMock(o);
    CHECK_THAT(messageOf<Error>([&] { makeMock(o); }), Catch::Contains("--force replaces it"));
    o.force = true;
    o.seed = 9;
    makeMock(o);
    CHECK(entries() == 1);

    std::ofstream(dir / "mock/notes.txt") << "mine";
    CHECK_THAT(messageOf<Error>([&] { makeMock(o); }), Catch::Contains("notes.txt is not part of the mock"));
    CHECK(fs::exists(dir / "mock/output"));

    fs::create_directory(dir / "papers");
    std::ofstream(dir / "papers/paper.tex") << "mine";
    o.output = dir / "papers";
    CHECK_THAT(messageOf<Error>([&] { makeMock(o); }), Catch::Contains("is not a mock"));
    std::ofstream(dir / "papers/mock.json") << "{\"kind\": 3}";
    CHECK_THAT(messageOf<Error>([&] { makeMock(o); }), Catch::Contains("is not a mock"));
    CHECK(fs::exists(dir / "papers/paper.tex"));

    o.output = dir / "papers/paper.tex";
    CHECK_THAT(messageOf<Error>([&] { makeMock(o); }), Catch::Contains("not a directory"));
    o.output = dir / "papers/paper.tex/mock";
    CHECK_THAT(messageOf<Error>([&] { makeMock(o); }), Catch::Contains("cannot create"));
    o.output = dir / "deep/er/mock/";  // parents are made, a trailing slash is no matter
    CHECK(makeMock(o).basePath == dir / "deep/er/mock/output");
    CHECK(entries() == 3);  // mock, papers, deep: nothing half-made is left
}

TEST_CASE("options out of range are named with what is allowed", "[mock]") {
    TemporaryDirectory dir;
    struct Row {
        const char* words;
        std::function<void(MockOptions&)> spoil;
    };
    const Row rows[] = {
        {"no output", [](MockOptions& o) { o.output.clear(); }},
        {"galaxies = 0 is outside 1-", [](MockOptions& o) { o.galaxies = 0; }},
        {"galaxies = 100001", [](MockOptions& o) { o.galaxies = 100001; }},
        {"chunks = 0 is outside 1-", [](MockOptions& o) { o.chunks = 0; }},
        {"chunks = -3", [](MockOptions& o) { o.chunks = -3; }},
        {"snapshot = 100 is outside 0-99", [](MockOptions& o) { o.snapshot = 100; }},
        {"snapshot = -1", [](MockOptions& o) { o.snapshot = -1; }},
        {"blockRows", [](MockOptions& o) { o.blockRows = 0; }},
        {"stars = 18446744073709551615", [](MockOptions& o) { o.stars = ~std::uint64_t(0); }},
        {"gas = 3000000000", [](MockOptions& o) { o.gas = 3000000000u, o.chunks = 1; }},
    };
    for (const Row& row : rows) {
        MockOptions o = small(dir / "mock");
        row.spoil(o);
        CHECK_THAT(messageOf<ConfigError>([&] { makeMock(o); }), Catch::Contains(row.words));
    }
    MockOptions huge = small(dir / "mock");
    huge.stars = 4000000000u;
    huge.chunks = 8;
    if (fs::space(dir.path()).available < huge.stars * 80)  // only where it is sure to be refused
        CHECK_THAT(messageOf<Error>([&] { makeMock(huge); }), Catch::Contains("MB are free"));
    CHECK(fs::is_empty(dir.path()));
}
