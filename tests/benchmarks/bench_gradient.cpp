// The gradient of an observation in all per-star inputs, in memory: linearisation and VJP together, in turns with the
// forward model, whose time is the measure. Prints every run with the time of each stage, then medians and least times.
//
//   bench_gradient [--stars 6000000] [--threads 2] [--runs 5] [--library bc03lr] [--telescope MUSE] [--fov 20]
//                  [--instrument]   PSF and LSF too
//                  [--peak]         the gradient alone, once: for the peak of memory
//                  [--footprint nearest|cic]      [--json FILE]
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <random>

#include "bench_common.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/mock.hpp"

namespace po = boost::program_options;
using namespace tessera;

namespace {

struct Settings {
    std::size_t stars = 6000000;
    int threads = 2, runs = 5;
    double fov = 20;
    bool instrument = false, peak = false;
    std::string library, telescope, footprint, json;
};

void timeAll(const Settings& s) {
    Config c = bench::observation(s.telescope, s.fov);
    if (s.footprint == "cic")
        c.projection.footprint = FootprintKind::cloudInCell;
    else if (s.footprint != "nearest")
        throw ConfigError("--footprint: nearest or cic");
    const Stars stars = mockGalaxy(s.stars, 1);
    const SspLibrary ssp = loadSsp(s.library);
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const GalaxyInput input{};
    const std::size_t n = c.telescope.spaxels(), pixels = c.telescope.wavelengths().size;
    Cube bar(n, n, pixels);
    std::minstd_rand rng(1);
    for (float& v : bar.data) v = float(rng()) / float(rng.max()) - 0.5F;
    const double before = bench::peakMegabytes();

    Observer observer(Host{s.threads}, c, ssp, cosmology, tables);
    LinearisationMemory memory;
    std::vector<double> forward, gradient;
    const auto print = [](const char* what, double seconds) {
        std::string line;
        for (const auto& [stage, t] : Timings::global().entries()) line += fmt::format("  {} {:.3f}", stage, t);
        fmt::print("{}: {:.3f} s {}\n", what, seconds, line);
    };
    for (int run = 0; run <= (s.peak ? 0 : s.runs); ++run) {
        Timings::global().clear();
        if (!s.peak) {
            GalaxyCube cube;
            forward.push_back(bench::seconds([&] { cube = observer.observe(stars, input, 0); }));
            observer.recycle(std::move(cube));
            print("forward", forward.back());
        }
        Timings::global().clear();
        gradient.push_back(bench::seconds([&] {
            const Linearisation at(Host{s.threads}, stars, input, c, 0, ssp, cosmology, tables, Comm::self(), nullptr,
                                   &memory);
            at.vjp(bar, {s.instrument, false});
        }));
        print("gradient", gradient.back());
    }
    const double cube = double(bar.data.size()) * 4 / 1048576;
    bench::writeJson(s.json,
                     {{"stars", s.stars},
                      {"library", s.library},
                      {"telescope", s.telescope},
                      {"fov", s.fov},
                      {"threads", s.threads},
                      {"instrument", s.instrument},
                      {"footprint", s.footprint},
                      {"forward_seconds", s.peak ? forward : std::vector(forward.begin() + 1, forward.end())},
                      {"gradient_seconds", s.peak ? gradient : std::vector(gradient.begin() + 1, gradient.end())},
                      {"cube_megabytes", cube},
                      {"peak_megabytes", bench::peakMegabytes()}});
    fmt::print("peak {:.0f} MB (cube {:.0f} MB; {:.0f} MB before, with stars, library and cotangent)\n",
               bench::peakMegabytes(), cube, before);
    if (s.peak) return;
    forward.erase(forward.begin());
    gradient.erase(gradient.begin());
    const auto least = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
    fmt::print(
        "{} stars, {}, {}, {} threads: gradient / forward: medians {:.3f} / {:.3f} s = {:.2f}, least {:.3f} / {:.3f} s "
        "= {:.2f}\n",
        s.stars, s.telescope, s.library, s.threads, bench::median(gradient), bench::median(forward),
        bench::median(gradient) / bench::median(forward), least(gradient), least(forward),
        least(gradient) / least(forward));
}

}  // namespace

int main(int argc, char** argv) {
    Settings s;
    po::options_description options("bench_gradient");
    options.add_options()("help", "this text")("stars", po::value(&s.stars)->default_value(6000000), "star particles")(
        "fov", po::value(&s.fov)->default_value(20), "field of view [arcsec]; 0: the telescope's own")(
        "runs", po::value(&s.runs)->default_value(5), "counted runs of each, after one that is not")(
        "threads", po::value(&s.threads)->default_value(2), "OpenMP threads")(
        "library", po::value(&s.library)->default_value("bc03lr"), "SSP library")(
        "telescope", po::value(&s.telescope)->default_value("MUSE"), "telescope")(
        "footprint", po::value(&s.footprint)->default_value("nearest"), "of the stars: nearest or cic")(
        "json", po::value(&s.json), "file for the figures")("instrument", po::bool_switch(&s.instrument),
                                                            "PSF and LSF too")("peak", po::bool_switch(&s.peak),
                                                                               "the gradient alone, once");
    return bench::program(argc, argv, options, [&] { timeAll(s); });
}
