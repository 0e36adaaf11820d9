// tessera plan: its numbers add up, it shares the galaxies that the run shares, and knows snapshots that are not there.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "forecast.hpp"
#include "run_plan.hpp"
#include "totals.hpp"
#include "workshop.hpp"

using namespace tessera;
using namespace tessera::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

Outcome plan(const Workshop& w, std::vector<std::string> args) {
    std::ofstream(w.root / "config.json") << w.config.dump(1);
    args.insert(args.begin(), {"plan", "config.json"});
    return runProcess(
        TESSERA_BINARY, args, w.root.path().string(),
        {"TESSERA_DATA=" + (w.root / "data"), "TESSERA_CACHE=" + (w.root / "cache"), "OMP_NUM_THREADS=1"});
}

// Galaxies that are large enough to be shared: most of their cost is that of their stars.
void largerMock(Workshop& w) {
    const Outcome o = runProcess(
        TESSERA_BINARY, {"mock", "--output", "larger", "--stars", "1000000", "--gas", "100", "--galaxies", "4"},
        w.root.path().string());
    INFO(o.err);
    REQUIRE(o.code == 0);
    w.config["snapshot"] = {{"path", "larger/output"}};
    w.config["galaxies"] = {{"min_stars", 1}};
    w.config["resources"] = {{"split_from", 100000}};
}

json planned(const Workshop& w, std::vector<std::string> args) {
    args.push_back("--json");
    const Outcome o = plan(w, args);
    INFO(o.err);
    REQUIRE(o.code == 0);
    return json::parse(o.out);
}

void checkSums(const json& all) {
    for (const json& p : all.at("plans")) {
        INFO(p.at("ranks"));
        double rows = 0, cubes = 0, cubeBytes = 0, stored = 0, memory = 0, slowest = 0, mean = 0, moved = 0, stall = 0;
        for (const json& r : p.at("per_rank")) {
            rows += r.at("star_particles").get<double>();
            cubes += r.at("cubes").get<double>();
            cubeBytes += r.at("cube_bytes").get<double>();
            stored += r.at("stored_bytes").get<double>();
            memory = std::max(memory, r.at("memory_bytes").get<double>());
            slowest = std::max(slowest, r.at("seconds").get<double>());
            mean += r.at("seconds").get<double>() / p.at("ranks").get<double>();
        }
        for (const json& g : p.at("shared")) {
            CHECK(g.at("ranks") >= 2);
            moved += g.at("moved_bytes").get<double>();
            stall = std::max(stall, g.at("stall_seconds").get<double>());
        }
        CHECK(p.at("per_rank").size() == p.at("ranks"));
        CHECK(p.at("star_particles") == rows);
        CHECK(p.at("read_bytes") == Approx(rows * all.at("star_bytes").get<double>()));
        CHECK(all.at("cubes") == cubes);
        CHECK(p.at("cube_bytes") == Approx(cubeBytes));
        CHECK(p.at("stored_bytes") == Approx(stored));
        CHECK(p.at("memory_bytes") == memory);
        CHECK(p.at("moved_bytes") == Approx(moved));
        CHECK(p.at("slowest_seconds") == slowest);
        CHECK(p.at("efficiency") == Approx(mean / slowest));
        CHECK(p.at("stall_seconds") >= stall);
        CHECK(p.at("seconds") ==
              Approx(p.at("start_seconds").get<double>() + slowest + p.at("assembly_seconds").get<double>()));
        CHECK(memory > 0);
        CHECK(slowest > 0);
    }
}

}  // namespace

TEST_CASE("rows, cubes and bytes are the sums over the ranks, and those of the run") {
    Workshop w;
    largerMock(w);
    w.config["noise"] = {{"signal_to_noise", 30}};
    w.config["view"] = json::array({{{"redshift", 0.05}}, {{"redshift", 0.06}}});
    const json all = planned(w, {"--no-calibrate", "--ranks", "1,2,3,8"});
    REQUIRE(all.at("plans").size() == 4);
    checkSums(all);
    const double galaxies = all.at("galaxies");
    CHECK(galaxies == 4);
    // 4 x 4 spaxels x 100 wavelengths with variance, twice each
    CHECK(all.at("plans")[0].at("cube_bytes") == galaxies * 2 * 4 * 4 * 100 * 2 * 4);
    CHECK(all.at("plans")[0].at("shared").empty());
    CHECK(!all.at("plans")[2].at("shared").empty());
    // Coordinates of 8 bytes; velocities, time, metallicity, mass and smoothing length of 4.
    CHECK(all.at("star_bytes") == 24 + 12 + 4 * 4);

    const Outcome run = w.run();
    INFO(run.err);
    REQUIRE(run.code == 0);
    CHECK_THAT(run.out, Contains("read:     " + all.at("plans")[0].at("star_particles").dump() + " star particles"));
}

TEST_CASE("the galaxies that a plan shares are those that ranks share") {
    Workshop w;
    largerMock(w);
    const json all = planned(w, {"--no-calibrate", "--ranks", "3"});
    std::set<std::pair<int, int>> shared, seen;
    for (const json& g : all.at("plans")[0].at("shared")) shared.emplace(g.at("subhalo"), g.at("ranks"));
    REQUIRE(!shared.empty());
    const Outcome run =
        runProcess("mpirun", {"-np", "3", "--oversubscribe", TESSERA_BINARY, "run", "config.json", "-v"},
                   w.root.path().string(), underMpi());
    INFO(run.err);
    REQUIRE(run.code == 0);
    const std::regex line(R"(subhalo (\d+), view 0: .* (\d+) ranks,)");
    for (std::sregex_iterator i(run.err.begin(), run.err.end(), line), end; i != end; ++i)
        if (std::stoi((*i)[2]) > 1) seen.emplace(std::stoi((*i)[1]), std::stoi((*i)[2]));
    CHECK(seen == shared);
}

TEST_CASE("the text says what the JSON says") {
    Workshop w;
    largerMock(w);
    const std::vector<std::string> args{"--no-calibrate", "--ranks", "1,3"};
    const json all = planned(w, args);
    const Outcome text = plan(w, args);
    REQUIRE(text.code == 0);
    for (const json& p : all.at("plans")) {
        CHECK_THAT(text.out, Contains(p.at("star_particles").dump() + " star particles"));
        CHECK_THAT(text.out, Contains("efficiency " +
                                      std::to_string(std::lround(100 * p.at("efficiency").get<double>())) + " %"));
        for (const json& g : p.at("shared"))
            CHECK_THAT(text.out, Contains(g.at("subhalo").dump() + " (" + g.at("ranks").dump() + " ranks)"));
        for (const json& warning : p.at("warnings")) CHECK_THAT(text.out, Contains(warning.get<std::string>()));
    }
    CHECK_THAT(text.out, Contains("galaxies:     " + all.at("galaxies").dump()));
}

TEST_CASE("a calibration is measured once, kept, and leaves nothing beside the output") {
    Workshop w;
    const json first = planned(w, {"--ranks", "1"}), second = planned(w, {"--ranks", "1"});
    CHECK(first.at("plans")[0].at("calibrated") == true);
    // What opening the files took differs; what was measured does not.
    CHECK(first.at("plans")[0].at("slowest_seconds") == second.at("plans")[0].at("slowest_seconds"));
    CHECK(w.outputs().empty());
    CHECK(planned(w, {"--no-calibrate"}).at("plans")[0].at("calibrated") == false);
}

TEST_CASE("what limits a run is warned of") {
    Workshop w;
    w.config["galaxies"] = {{"min_stars", 1}};
    w.config["resources"] = {{"split_from", 1000}, {"memory_per_rank", 1000}};
    const json all = planned(w, {"--no-calibrate", "--ranks", "64"});
    const std::string warnings = all.at("plans")[0].at("warnings").dump();
    CHECK_THAT(warnings, Contains("resources.memory_per_rank") && Contains("have nothing to do"));
    CHECK(all.at("plans")[0].at("overlap") == false);
}

TEST_CASE("galaxies drawn up from totals have the stars of the totals") {
    for (const char* name : {"TNG50-1", "TNG100-1"}) {
        const SnapshotTotals t = knownTotals(name);
        const auto snapshot = snapshotOf(t);
        double sum = 0;
        std::uint64_t before = ~std::uint64_t(0), end = 0;
        for (const std::int64_t id : snapshot->subhalos()) {
            const Subhalo s = snapshot->subhalo(id);
            CHECK(s.stars.count > 0);
            CHECK(s.stars.count <= before);
            CHECK(s.stars.first == end);
            end += s.stars.count;
            before = s.stars.count;
            sum += double(s.stars.count);
        }
        CHECK(sum == Approx(double(t.stars) * t.inSubhalos).epsilon(0.02));
        CHECK(double(snapshot->subhalo(0).stars.count) == Approx(t.largest).epsilon(0.5));
        CHECK(snapshot->subhalo(snapshot->info().numSubhalos - 1).stars.count == 0);
        CHECK_THROWS_WITH(snapshot->readStars({0, 1}), Contains("only its totals"));
    }
    CHECK_THROWS_WITH(knownTotals("TNG50"), Contains("TNG50-1"));
}

TEST_CASE("a snapshot that is not there is planned, with numbers of one's own") {
    Workshop w;
    w.config["snapshot"] = {{"path", "nowhere/output"}};
    w.config["galaxies"] = {{"min_stars", 100}};
    w.config["output"] = {{"path", "nowhere/cubes.hdf5"}};
    const auto totals = [&](const json& j) { std::ofstream(w.root / "totals.json") << j.dump(); };
    totals({{"name", "box"}, {"stars", 1e6}, {"largest", 3e5}, {"knee", 1e4}, {"chunks", 3}, {"star_bytes", 60}});
    const json all = planned(w, {"--no-calibrate", "--totals", "totals.json", "--ranks", "4,64"});
    checkSums(all);
    CHECK(all.at("snapshot") == "box");
    CHECK(all.at("files") == 3);
    CHECK(all.at("star_bytes") == 60);
    CHECK(all.at("left_out") > 0);
    CHECK_THAT(all.at("notes").dump(), Contains("no files"));

    const json tng = planned(w, {"--no-calibrate", "--simulation", "TNG50-1", "--ranks", "64"});
    checkSums(tng);
    CHECK(tng.at("files") == 680);
    CHECK(tng.at("plans")[0].at("star_particles") < tng.at("snapshot_star_particles"));
    CHECK(tng.at("plans")[0].at("efficiency") > 0.5);

    const auto refused = [&](const json& j, const std::string& why) {
        totals(j);
        const Outcome o = plan(w, {"--no-calibrate", "--totals", "totals.json"});
        CHECK(o.code == 2);
        CHECK_THAT(o.err, Contains(why));
    };
    refused({{"stars", 1000}, {"larges", 10}}, "nearest: largest");
    refused({{"stars", -1}}, "allowed: a whole number from 1");
    refused({{"largest", 10}}, "stars, their number, is missing");
    refused({{"stars", 1000}, {"largest", 10}, {"fewest", 20}}, "not below");
    refused(json::array(), "not a JSON object");
    for (const auto& [args, why] : std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"--ranks", "0"}, "whole numbers from 1"},
             {{"--ranks", "2,x"}, "whole numbers from 1"},
             {{"--threads", "0"}, "allowed: 1 to 4096"},
             {{"--simulation", "TNG5"}, "nearest: TNG50-1"},
             {{"--calibrate", "--no-calibrate"}, "exclude each other"},
             {{"--totals", "absent.json"}, "cannot be read"}}) {
        const Outcome o = plan(w, args);
        CHECK(o.code == 2);
        CHECK_THAT(o.err, Contains(why));
    }
}
