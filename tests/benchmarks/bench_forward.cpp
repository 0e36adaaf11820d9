// In-memory forward model: stars -> cube with PSF and LSF. Runs of all numbers of stars and threads take turns, so that
// their ratios do not depend on what else the machine did meanwhile; before each the machine's own rate with as many threads is
// taken, since virtual cores do not always double it. Prints every run with the time of each stage, then medians; JSON on
// request.
//
//   bench_forward [--stars 6000000 ...] [--threads 2 ...] [--runs 5] [--library bc03lr] [--telescope MUSE] [--fov 20]
//                 [--json FILE]
//                 [--galaxies 200]          different galaxies of that many stars each, one after the other
//                 [--snapshot DIR]          the stars of a snapshot's subhalo 0; the time to read them too
//                 [--check]                 against the double-precision oracle on a few spaxels, without PSF and LSF
//                 [--write-stars FILE.h5]   in RUBIX's layout, for bench_rubix.py
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <map>
#include <memory>

#include "bench_common.hpp"
#include "fma_rate.hpp"
#include "forward_check.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/mock.hpp"
#include "tessera/pipeline.hpp"

namespace po = boost::program_options;
using namespace tessera;
using nlohmann::json;

namespace {

void writeRubixStars(const Stars& s, const std::string& path, double redshift) {
    auto file = h5::File::create(path);
    const auto galaxy = file.root().createGroup("galaxy");
    const double zero[3] = {0, 0, 0}, radius = 4;
    galaxy.write<double>("center", {3}, zero).setAttribute("unit", std::string("kpc"));
    galaxy.write<double>("halfmassrad_stars", {}, &radius).setAttribute("unit", std::string("kpc"));
    galaxy.write<double>("redshift", {}, &redshift).setAttribute("unit", std::string(""));
    const auto stars = file.root().createGroup("particles/stars");
    const hsize_t n = s.size();
    stars.write<double>("coords", {n, 3}, &s.position.data()->x).setAttribute("unit", std::string("kpc"));
    stars.write<float>("velocity", {n, 3}, &s.velocity.data()->x).setAttribute("unit", std::string("km/s"));
    stars.write<float>("mass", {n}, s.mass.data()).setAttribute("unit", std::string("Msun"));
    stars.write<float>("age", {n}, s.age.data()).setAttribute("unit", std::string("Gyr"));
    stars.write<float>("metallicity", {n}, s.metallicity.data()).setAttribute("unit", std::string(""));
    file.close();
}

struct Settings {
    std::vector<std::size_t> counts;
    std::vector<int> threads;
    std::size_t galaxies = 1;
    std::uint64_t memory = 0;
    int runs = 5;
    double fov = 20;
    bool checked = false;
    std::string library, telescope, jsonPath, starsFile, snapshot;
};

// What is observed in one run: one galaxy, or several one after the other.
struct Sample {
    std::size_t stars = 0;  // of each galaxy
    std::vector<Stars> galaxies;
    GalaxyInput input;
};

struct Case {
    const Sample* sample;
    int threads;
    std::unique_ptr<Observer> observer;
    std::vector<double> seconds, machine;  // machine: [1e9 FMA/s]
    std::map<std::string, std::vector<double>> stages;
    std::vector<std::string> order;  // of the stages
};

void observeAll(Case& one, bool counted, std::array<std::size_t, 3>& shape) {
    GalaxyCube cube;
    if (counted) one.machine.push_back(bench::fmaRate(one.threads, 1));
    Timings::global().clear();
    const double time = bench::seconds([&] {
        for (const Stars& stars : one.sample->galaxies) {
            one.observer->recycle(std::move(cube));
            cube = one.observer->observe(stars, one.sample->input, 0);
        }
    });
    shape = {cube.flux.ny, cube.flux.nx, cube.flux.nLambda};
    one.observer->recycle(std::move(cube));
    if (!counted) return;
    one.seconds.push_back(time);
    std::string line;
    for (const auto& [stage, s] : Timings::global().entries()) {
        if (one.stages[stage].empty()) one.order.push_back(stage);
        one.stages[stage].push_back(s);
        line += fmt::format("  {} {:.3f}", stage, s);
    }
    fmt::print("{} stars, {} threads, run {}: {:.3f} s {}\n", one.sample->stars, one.threads, one.seconds.size(), time,
               line);
}

json figuresOf(const Case& one) {
    const double typical = bench::median(one.seconds), galaxies = double(one.sample->galaxies.size());
    json stages = json::object();
    for (const std::string& name : one.order) stages[name] = bench::median(one.stages.at(name));
    return {{"stars", one.sample->stars},
            {"galaxies", one.sample->galaxies.size()},
            {"threads", one.threads},
            {"seconds", one.seconds},
            {"median_seconds", typical},
            {"machine_giga_fma_per_second", bench::median(one.machine)},
            {"microseconds_per_star", typical / galaxies / double(one.sample->stars) * 1e6},
            {"galaxies_per_second", galaxies / typical},
            {"stages", stages}};
}

// Stars of a mock or of a snapshot, which also sets the view's systemic velocity and is timed.
std::vector<Sample> makeSamples(const Settings& s, Config& c, json& report) {
    std::vector<Sample> samples;
    if (s.snapshot.empty()) {
        for (const std::size_t count : s.counts) {
            Sample& sample = samples.emplace_back();
            sample.stars = count;
            for (std::size_t g = 0; g < s.galaxies; ++g) sample.galaxies.push_back(mockGalaxy(count, g + 1));
        }
    } else {
        Sample& sample = samples.emplace_back();
        const auto from = Snapshot::open(s.snapshot);
        sample.input.subhalo = from->subhalo(0);
        sample.input.boxSize = from->info().boxSize;
        sample.input.centre = sample.input.subhalo.position.value_or(Vec3d{});
        sample.galaxies.emplace_back();
        std::vector<double> reading;
        for (int run = 0; run <= s.runs; ++run) {
            sample.galaxies[0] = {};
            reading.push_back(
                bench::seconds([&] { sample.galaxies[0] = from->readStars(sample.input.subhalo.stars); }));
        }
        reading.erase(reading.begin());
        sample.stars = sample.galaxies[0].size();
        c.views[0].systemicVelocity = SystemicVelocity::subhalo;
        report["read_seconds"] = reading;
        report["median_read_seconds"] = bench::median(reading);
        fmt::print("read {} stars: {:.3f} s\n", sample.stars, bench::median(reading));
    }
    return samples;
}

void timeAll(const Settings& s) {
    Config c = bench::observation(s.telescope, s.fov);
    c.resources.memoryPerRank = s.memory;
    json report = {
        {"program", "bench_forward"}, {"library", s.library}, {"telescope", s.telescope}, {"fov", c.telescope.fov}};

    const std::vector<Sample> samples = makeSamples(s, c, report);
    if (!s.starsFile.empty()) {
        writeRubixStars(samples[0].galaxies[0], s.starsFile, c.views[0].redshift);
        return;
    }
    const SspLibrary ssp = loadSsp(s.library);
    if (s.checked) {
        bench::checkForward(samples[0].galaxies[0], c, ssp, s.threads[0]);
        return;
    }
    const double before = bench::peakMegabytes();

    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    std::vector<Case> cases;
    for (const Sample& sample : samples)
        for (const int t : s.threads)
            cases.push_back(
                {&sample, t, std::make_unique<Observer>(Host{t}, c, ssp, cosmology, tables), {}, {}, {}, {}});
    std::array<std::size_t, 3> shape{};
    for (int run = 0; run <= s.runs; ++run)
        for (Case& one : cases) observeAll(one, run > 0, shape);

    const double megabytes = double(shape[0] * shape[1] * shape[2]) * 4 / 1048576;
    for (const Case& one : cases) {
        const json figures = figuresOf(one);
        fmt::print(
            "{} stars x {} -> {} x {} x {} ({}, {}), {} threads: median {:.3f} s, {:.3f} us a star, {:.1f} "
            "galaxies/s\n",
            one.sample->stars, one.sample->galaxies.size(), shape[0], shape[1], shape[2], s.telescope, s.library,
            one.threads, figures["median_seconds"].get<double>(), figures["microseconds_per_star"].get<double>(),
            figures["galaxies_per_second"].get<double>());
        report["cases"].push_back(figures);
    }
    fmt::print("peak {:.0f} MB (cube {:.0f} MB, stars and library {:.0f} MB)\n", bench::peakMegabytes(), megabytes,
               before);
    report["shape"] = shape;
    report["cube_megabytes"] = megabytes;
    report["input_megabytes"] = before;
    report["peak_megabytes"] = bench::peakMegabytes();
    bench::writeJson(s.jsonPath, report);
}

}  // namespace

int main(int argc, char** argv) {
    Settings s;
    po::options_description options("bench_forward");
    options.add_options()("help", "this text")(
        "stars", po::value(&s.counts)->multitoken()->default_value({6000000}, "6000000"), "star particles")(
        "fov", po::value(&s.fov)->default_value(20), "field of view [arcsec]; 0: the telescope's own")(
        "runs", po::value(&s.runs)->default_value(5), "counted runs of each, after one that is not")(
        "threads", po::value(&s.threads)->multitoken()->default_value({2}, "2"), "OpenMP threads")(
        "galaxies", po::value(&s.galaxies)->default_value(1), "different galaxies in a run")(
        "snapshot", po::value(&s.snapshot)->default_value(""), "stars of subhalo 0 of this snapshot")(
        "memory", po::value(&s.memory)->default_value(0), "resources.memory_per_rank [byte]")(
        "library", po::value(&s.library)->default_value("bc03lr"), "SSP library")(
        "telescope", po::value(&s.telescope)->default_value("MUSE"), "telescope")(
        "json", po::value(&s.jsonPath)->default_value(""), "write the figures to this file")(
        "check", po::bool_switch(&s.checked), "compare with the oracle")(
        "write-stars", po::value(&s.starsFile)->default_value(""), "write the stars in RUBIX's layout and stop");
    return bench::program(argc, argv, options, [&] { timeAll(s); });
}
