// In-memory forward model: N mock stars -> cube with PSF and LSF. Prints the time of every stage, the median over runs,
// the peak memory, and the difference to the oracle on a few spaxels; JSON on request.
//
//   bench_forward [--stars 6000000] [--fov 20] [--runs 5] [--threads 2] [--library bc03lr] [--telescope MUSE] [--json
//   FILE]
//                 [--check]                 (against the double-precision oracle on a few spaxels, without PSF and LSF)
//                 [--write-stars FILE.h5]   (in RUBIX's layout, for bench_rubix.py)
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "oracle.hpp"
#include "support.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/mock.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/pipeline.hpp"

namespace po = boost::program_options;
using namespace tessera;

namespace {

double peakMegabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_maxrss) / 1024;
}

double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v.size() % 2 ? v[v.size() / 2] : 0.5 * (v[v.size() / 2 - 1] + v[v.size() / 2]);
}

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

// The cube without PSF and LSF against the oracle, on spaxels from the densest to the sparsest that has a star.
void check(const Stars& stars, Config c, SspLibrary ssp, int threads) {
    ssp.medium = "unstated";  // the oracle knows no air
    c.psf.reset();
    c.lsf.reset();
    const GalaxyCube cube = observe(Host{threads}, stars, {}, c, 0, ssp, planck15());
    const auto count = std::find_if(cube.maps.begin(), cube.maps.end(), [](const Map& m) { return m.name == "stars"; });
    std::vector<std::size_t> lit;
    for (std::size_t s = 0; s < cube.flux.spaxels(); ++s)
        if (count->data[s] > 0) lit.push_back(s);
    std::sort(lit.begin(), lit.end(), [&](std::size_t a, std::size_t b) { return count->data[a] > count->data[b]; });
    test::OracleView view;
    view.rotation = cube.report.rotation;
    view.scale = fluxPerLuminosity(0.1, cube.report.luminosityDistanceMpc);
    double sum = 0, distance = cube.report.luminosityDistanceMpc * units::Mpc_cm;
    for (const float v : cube.flux.data) sum += double(v) * cube.wavelength.step;
    fmt::print("flux closure: {:.2e}\n", sum * units::flux_unit * 4 * units::pi * distance * distance /
                                                 units::Lsun_erg_s / cube.report.luminosityInBand -
                                             1);
    for (const double rank : {0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1.0}) {
        const std::size_t spaxel = lit[std::size_t(rank * double(lit.size() - 1))];
        // Only the stars of this spaxel go through the oracle.
        std::vector<std::size_t> chosen;
        for (std::size_t i = 0; i < stars.size(); ++i) {
            const Vec3d x = view.rotation * stars.position[i];
            if (spaxelOf(x.x, x.y, cube.grid) == spaxel) chosen.push_back(i);
        }
        Stars some(chosen.size());
        for (std::size_t k = 0; k < chosen.size(); ++k) {
            some.position[k] = stars.position[chosen[k]];
            some.velocity[k] = stars.velocity[chosen[k]];
            some.mass[k] = stars.mass[chosen[k]];
            some.age[k] = stars.age[chosen[k]];
            some.metallicity[k] = stars.metallicity[chosen[k]];
        }
        const auto all = test::oracleSpectra(some, view, ssp, cube.grid, cube.wavelength);
        const std::size_t n = cube.flux.nLambda;
        const std::vector<double> expected(all.begin() + std::ptrdiff_t(spaxel * n),
                                           all.begin() + std::ptrdiff_t((spaxel + 1) * n));
        const auto d = test::compareSpectra(cube.flux.spectrum(spaxel), n, expected, 1, n);
        fmt::print("spaxel of {:6} stars: largest difference / mean {:.2e}\n", chosen.size(), d.worst);
    }
}

}  // namespace

int main(int argc, char** argv) {
    Config c;
    std::size_t count = 0;
    int runs = 0, threads = 0;
    double fov = 0;
    bool checked = false;
    std::string library, telescope, json, starsFile;
    po::options_description options("bench_forward");
    options.add_options()("help", "this text")("stars", po::value(&count)->default_value(6000000), "star particles")(
        "fov", po::value(&fov)->default_value(20), "field of view [arcsec]; 0: the telescope's own")(
        "runs", po::value(&runs)->default_value(5), "counted runs, after one that is not")(
        "threads", po::value(&threads)->default_value(2), "OpenMP threads")(
        "memory", po::value(&c.resources.memoryPerRank)->default_value(0), "resources.memory_per_rank [byte]")(
        "library", po::value(&library)->default_value("bc03lr"), "SSP library")(
        "telescope", po::value(&telescope)->default_value("MUSE"), "telescope")(
        "json", po::value(&json)->default_value(""), "write the figures to this file")(
        "check", po::bool_switch(&checked), "compare with the oracle")(
        "write-stars", po::value(&starsFile)->default_value(""), "write the stars in RUBIX's layout and stop");
    po::variables_map given;
    po::store(po::parse_command_line(argc, argv, options), given);
    po::notify(given);
    if (given.count("help")) {
        std::cout << options;
        return 0;
    }

    c.telescope = findTelescope(telescope);
    if (fov > 0) c.telescope.fov = fov;
    c.views[0].orientation = Orientation::euler;
    c.views[0].eulerDeg = {40, 0, 30};
    c.views[0].systemicVelocity = SystemicVelocity::none;
    c.psf = PsfConfig{};
    c.lsf = LsfConfig{};
    c.lsf->fwhm = 2.5;

    const Stars stars = mockGalaxy(count, 1);
    if (!starsFile.empty()) {
        writeRubixStars(stars, starsFile, c.views[0].redshift);
        return 0;
    }
    const SspLibrary ssp = loadSsp(library);
    if (checked) {
        check(stars, c, ssp, threads);
        return 0;
    }
    const double before = peakMegabytes();

    std::vector<double> seconds;
    nlohmann::json report;
    GalaxyCube cube;
    for (int run = 0; run <= runs; ++run) {
        cube = {};
        Timings::global().clear();
        const auto begin = std::chrono::steady_clock::now();
        cube = observe(Host{threads}, stars, {}, c, 0, ssp, planck15());
        const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        if (run == 0) continue;
        seconds.push_back(elapsed);
        nlohmann::json stages;
        std::string line;
        for (const auto& [stage, time] : Timings::global().entries()) {
            line += fmt::format("  {} {:.3f}", stage, time);
            stages[stage] = time;
        }
        fmt::print("run {}: {:.3f} s {}\n", run, elapsed, line);
        report["runs"].push_back({{"seconds", elapsed}, {"stages", stages}});
    }
    const double typical = median(seconds);
    const double megabytes = double(cube.flux.data.size()) * 4 / 1048576;
    fmt::print(
        "{} stars -> {} x {} x {} ({}, {}), {} threads: median {:.3f} s, {:.3f} us a star; peak {:.0f} MB "
        "(cube {:.0f} MB, stars and library {:.0f} MB)\n",
        count, cube.flux.ny, cube.flux.nx, cube.flux.nLambda, telescope, library, threads, typical,
        typical / double(count) * 1e6, peakMegabytes(), megabytes, before);
    if (!json.empty()) {
        report["stars"] = count;
        report["threads"] = threads;
        report["library"] = library;
        report["telescope"] = telescope;
        report["shape"] = {cube.flux.ny, cube.flux.nx, cube.flux.nLambda};
        report["median_seconds"] = typical;
        report["microseconds_per_star"] = typical / double(count) * 1e6;
        report["peak_megabytes"] = peakMegabytes();
        std::ofstream(json) << report.dump(2) << "\n";
    }
    return 0;
}
