// Many small galaxies in memory: what one more galaxy costs once everything that galaxies share is there.
//
//   bench_small [--galaxies 100] [--stars 1000] [--telescope MaNGA_32_log] [--fov 37] [--redshift 0.1] [--fwhm 0.8]
//               [--library bc03lr] [--threads 2] [--noise]
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <iostream>
#include <vector>

#include "tessera/core/timing.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/mock.hpp"
#include "tessera/pipeline.hpp"

namespace po = boost::program_options;
using namespace tessera;

int main(int argc, char** argv) {
    Config c;
    c.psf = PsfConfig{};
    c.lsf = LsfConfig{};
    c.lsf->fwhm = 2.5;
    std::size_t galaxies = 0, count = 0;
    int threads = 0;
    double fov = 0;
    bool noise = false;
    std::string library, telescope;
    po::options_description options("bench_small");
    options.add_options()("help", "this text")("galaxies", po::value(&galaxies)->default_value(100), "galaxies")(
        "stars", po::value(&count)->default_value(1000), "stars of each")(
        "telescope", po::value(&telescope)->default_value("MaNGA_32_log"), "telescope")(
        "fov", po::value(&fov)->default_value(37), "field of view [arcsec]")(
        "redshift", po::value(&c.views[0].redshift)->default_value(0.1), "redshift")(
        "fwhm", po::value(&c.psf->fwhm)->default_value(0.8), "of the PSF [arcsec]")(
        "library", po::value(&library)->default_value("bc03lr"), "SSP library")(
        "threads", po::value(&threads)->default_value(2), "OpenMP threads")("noise", po::bool_switch(&noise),
                                                                            "with noise");
    po::variables_map given;
    po::store(po::parse_command_line(argc, argv, options), given);
    po::notify(given);
    if (given.count("help")) {
        std::cout << options;
        return 0;
    }
    c.telescope = findTelescope(telescope);
    c.telescope.fov = fov;
    c.views[0].orientation = Orientation::euler;
    c.views[0].eulerDeg = {40, 0, 30};
    c.views[0].systemicVelocity = SystemicVelocity::none;
    if (noise) {
        c.noise = NoiseConfig{};
        c.noise->signalToNoise = 30;
    }
    const SspLibrary ssp = loadSsp(library);
    std::vector<Stars> stars;
    for (std::size_t i = 0; i < std::min<std::size_t>(galaxies, 20); ++i) stars.push_back(mockGalaxy(count, i + 1));

    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{threads}, c, ssp, cosmology, tables);
    const auto now = [] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
    const double begin = now();
    double last = begin, first = 0;
    std::vector<double> seconds;
    for (std::size_t i = 0; i < galaxies; ++i) {
        if (i == 1) Timings::global().clear();
        observer.recycle(observer.observe(stars[i % stars.size()], {}, 0));
        const double time = now();
        (i == 0 ? first : seconds.emplace_back()) = time - last;
        last = time;
    }
    std::sort(seconds.begin(), seconds.end());
    for (const auto& [stage, time] : Timings::global().entries())
        fmt::print("  {:<12} {:7.3f} ms\n", stage, time / double(seconds.size()) * 1e3);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    fmt::print(
        "{} galaxies of {} stars, {} threads: first {:.1f} ms, then median {:.2f} ms, least {:.2f} ms, {:.1f} "
        "galaxies/s; peak {:.0f} MB\n",
        galaxies, count, threads, first * 1e3, seconds[seconds.size() / 2] * 1e3, seconds.front() * 1e3,
        double(seconds.size()) / (last - begin - first), double(usage.ru_maxrss) / 1024);
    return 0;
}
