// Each stage of the forward model alone, with Google Benchmark: MUSE 20 arcsec (100 x 100 x 3721), PSF 0.8 arcsec, LSF
// 2.5 Angstrom, z = 0.1. Beside the time: items/s (stars or voxels), bytes/s and FMA/s. Bytes are what the stage must read
// and write at least once; FMAs are the arithmetic of its definition, whatever way the stage finds to do less: for
// spectra, four templates at each of the library's knots a star.
//
//   bench_kernels [--stars=1000000] [--fov=20] [--libraries=bc03lr,emiles] [--benchmark_filter=REGEX]
//                 [--benchmark_out=FILE.json] ...      (--help: Google Benchmark's options)
// Libraries that are not installed are left out.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <omp.h>

#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>

#include "bench_common.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/mock.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/stages.hpp"

using namespace tessera;

namespace {

std::size_t starCount = 1000000;
double fieldOfView = 20;
constexpr double redshift = 0.1;
constexpr std::size_t blockPixels = 1024;  // wavelengths at a time, as the pipeline has them

// Input of every stage, made once a library.
struct Bench {
    explicit Bench(const std::string& libraryName) : library(loadSsp(libraryName)), stars(mockGalaxy(starCount, 1)) {
        config = bench::observation("MUSE", fieldOfView);
        const Cosmology cosmology = planck15();
        wavelength = config.telescope.wavelengths();
        grid = {config.telescope.spaxels(), config.telescope.spaxel,
                config.telescope.spaxel * kpcPerArcsec(cosmology, redshift)};
        const Psf psf = makePsf(*config.psf, nullptr, wavelength, grid.spaxelArcsec);
        const Lsf lsf = makeLsf(*config.lsf, nullptr, wavelength, library, redshift);
        both = Optics(psf, lsf, grid.n, wavelength);
        psfOnly = Optics(psf, {}, grid.n, wavelength);
        lsfOnly = Optics({}, lsf, grid.n, wavelength);
        galaxy = frame(Host{}, stars, {}, {}, 0, config.views[0]);
        projected = projectStars(Host{});
        const WavelengthGrid window =
            wavelength.window(-std::ptrdiff_t(both.wings()), wavelength.size + 2 * both.wings());
        table = knots(library, redshift, config.telescope.medium, window, projected.shiftMin, projected.shiftMax,
                      config.spectra.accuracy);
        binned = order(Host{}, copy(projected));
        scale = fluxPerLuminosity(redshift, luminosityDistanceMpc(cosmology, redshift));
        shining = order(Host{}, copy(projected));
        keepLit(shining);
        lit = shining.spaxel;
        stride = (blockPixels + 2 * both.wings() + spectrumPadding + 15) / 16 * 16;
        work = Buffer<float>(lit.size() * stride, 1.0F);
    }

    SpaxelGrid padded() const { return grid.padded(both.pad()); }
    Projected projectStars(Host exec) const {
        return project(exec, stars, galaxy, 0, padded(), config.spectra.doppler);
    }
    static Projected copy(const Projected& p) {
        return {p.spaxel.clone(), p.shift.clone(), p.shiftMin, p.shiftMax, p.inside, {}, {}, {}};
    }
    BinnedStars order(Host exec, Projected&& p) const {
        return bin(exec, stars, std::move(p), padded().n * padded().n, table);
    }
    // f(first pixel, pixels) over the blocks of the wavelength range.
    template <class F>
    void forBlocks(F f) const {
        for (std::size_t first = 0; first < wavelength.size; first += blockPixels)
            f(first, std::min(blockPixels, wavelength.size - first));
    }
    double voxels() const { return double(grid.n) * double(grid.n) * double(wavelength.size); }

    SspLibrary library;
    Stars stars;
    Config config;
    WavelengthGrid wavelength;
    SpaxelGrid grid;
    Optics both, psfOnly, lsfOnly;
    GalaxyFrame galaxy;
    Projected projected;
    KnotTable table;
    BinnedStars binned, shining;  // on the whole field, and on its lit spaxels
    std::vector<std::uint32_t> lit;
    double scale = 1;
    std::size_t stride = 0;
    Buffer<float> work;  // one block of the lit spaxels; ones where nothing was summed yet
};

Bench& benchOf(const std::string& library) {
    static std::map<std::string, std::unique_ptr<Bench>> made;
    auto& bench = made[library];
    if (!bench) bench = std::make_unique<Bench>(library);
    return *bench;
}

Host threadsOf(const benchmark::State& state) {
    return {int(state.range(0))};
}

// Work of one iteration.
void rates(benchmark::State& state, double items, double bytes, double fma) {
    const auto iterations = double(state.iterations());
    state.SetItemsProcessed(std::int64_t(items * iterations));
    state.SetBytesProcessed(std::int64_t(bytes * iterations));
    state.counters["FMA/s"] = benchmark::Counter(fma, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["bytes"] = bytes;
    state.counters["FMA"] = fma;
}

void projectStage(benchmark::State& state, const std::string& library) {
    const Bench& b = benchOf(library);
    for (auto _ : state) benchmark::DoNotOptimize(b.projectStars(threadsOf(state)));
    // Position and velocity in, spaxel and shift out; a rotation of both, box, grid and Doppler shift.
    rates(state, double(b.stars.size()), double(b.stars.size()) * (36 + 8), double(b.stars.size()) * 30);
}

void orderStage(benchmark::State& state, const std::string& library) {
    const Bench& b = benchOf(library);
    for (auto _ : state) {
        state.PauseTiming();
        Projected p = Bench::copy(b.projected);
        state.ResumeTiming();
        benchmark::DoNotOptimize(b.order(threadsOf(state), std::move(p)));
    }
    rates(state, double(b.stars.size()), double(b.stars.size()) * (8 + 12 + sizeof(StarRecord)), 0);
}

void spectraStage(benchmark::State& state, const std::string& library) {
    Bench& b = benchOf(library);
    const std::size_t wings = b.both.wings();
    for (auto _ : state) {
        const Accumulator accumulator(threadsOf(state), b.shining, b.table);
        b.forBlocks([&](std::size_t first, std::size_t count) {
            const auto from = std::ptrdiff_t(first) - std::ptrdiff_t(wings);
            accumulator(b.wavelength.window(from, count + 2 * wings), b.scale, b.work.data(), b.stride);
        });
    }
    const double stars = double(b.binned.stars.size());
    const double bytes = stars * sizeof(StarRecord) + double(b.table.flux.size() * sizeof(float)) +
                         double(b.lit.size() * b.wavelength.size * sizeof(float));
    rates(state, stars, bytes, stars * 4 * double(b.table.size()));
}

void convolveStage(benchmark::State& state, const std::string& library, const Optics Bench::*optics) {
    Bench& b = benchOf(library);
    const Optics& o = b.*optics;
    const std::size_t n = b.grid.n;
    const std::vector<float> weight(b.wavelength.size, 1.0F);
    // Without a PSF the lit spaxels are those of the field.
    std::vector<std::uint32_t> field(n * n);
    std::iota(field.begin(), field.end(), 0U);
    const std::span<const std::uint32_t> lit = o.psf() ? std::span<const std::uint32_t>(b.lit) : field;
    Buffer<float> spectra(lit.size() * b.stride, 1.0F);
    const std::vector<std::uint8_t> wanted(n * n, 1);
    Cube out(n, n, b.wavelength.size);
    std::vector<double> bandFlux(n * n, 0.0);
    for (auto _ : state)
        b.forBlocks([&](std::size_t first, std::size_t count) {
            convolve(threadsOf(state), o, {lit, spectra.data(), b.stride, first, count}, wanted, weight, out, bandFlux);
        });
    const double pixels = double(b.wavelength.size), in = double(lit.size()) * pixels;
    double fma = b.voxels();
    if (o.psf()) {
        const double width = 2 * double(o.pad()) + 1, components = double(o.psf()->kernels[0].separable.size());
        fma += components * width * (double(o.side() * n) * pixels + b.voxels());
    }
    if (o.lsf()) fma += in * (2 * double(o.wings()) + 1);
    rates(state, b.voxels(), (in + b.voxels()) * 4, fma);
}

void mapsStage(benchmark::State& state, const std::string& library) {
    const Bench& b = benchOf(library);
    const std::vector<std::uint8_t> mask(b.grid.n * b.grid.n, 1);
    for (auto _ : state)
        benchmark::DoNotOptimize(maps(threadsOf(state), b.binned, b.table, b.config.spectra.doppler, redshift,
                                      b.wavelength, b.grid.n, b.both.pad(), mask));
    const double stars = double(b.binned.stars.size());
    rates(state, stars, stars * sizeof(StarRecord), stars * 20);
}

void noiseStage(benchmark::State& state, const std::string& library) {
    const Bench& b = benchOf(library);
    Cube flux(b.grid.n, b.grid.n, b.wavelength.size), variance;
    NoiseConfig noise;
    noise.signalToNoise = 30;
    for (auto _ : state) {
        state.PauseTiming();
        std::fill(flux.data.begin(), flux.data.end(), 1.0F);
        variance = {};
        state.ResumeTiming();
        addNoise(threadsOf(state), noise, b.wavelength, b.grid, 0, 0, flux, variance);
    }
    rates(state, b.voxels(), b.voxels() * 12, 0);
}

// Removes "--name=value" from the command line.
std::string takeOption(int& argc, char** argv, const std::string& name, const std::string& otherwise) {
    const std::string start = "--" + name + "=";
    std::string value = otherwise;
    int kept = 0;
    for (int i = 0; i < argc; ++i) {
        const std::string text = argv[i];
        if (text.rfind(start, 0) == 0)
            value = text.substr(start.size());
        else
            argv[kept++] = argv[i];
    }
    argc = kept;
    return value;
}

}  // namespace

int main(int argc, char** argv) {
    starCount = std::stoul(takeOption(argc, argv, "stars", "1000000"));
    fieldOfView = std::stod(takeOption(argc, argv, "fov", "20"));
    std::istringstream libraries(takeOption(argc, argv, "libraries", "bc03lr,emiles"));
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

    std::vector<std::int64_t> threads;
    for (int t = 1; t <= omp_get_max_threads(); t *= 2) threads.push_back(t);
    const auto add = [&](const std::string& stage, auto function, const std::string& library) {
        benchmark::RegisterBenchmark((stage + "/" + library).c_str(),
                                     [=](benchmark::State& s) { function(s, library); })
            ->ArgName("threads")
            ->ArgsProduct({threads})
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
    };
    bool first = true;
    for (std::string library; std::getline(libraries, library, ',');) {
        try {
            loadSsp(library);
        } catch (const Error& e) {
            fmt::print(stderr, "without {}: {}\n", library, e.what());
            continue;
        }
        add("order", orderStage, library);
        add("spectra", spectraStage, library);
        add("maps", mapsStage, library);
        if (!first) continue;  // the others do not know the library
        add("project", projectStage, library);
        const auto convolved = [](const Optics Bench::*optics) {
            return [optics](benchmark::State& s, const std::string& l) { convolveStage(s, l, optics); };
        };
        add("psf", convolved(&Bench::psfOnly), library);
        add("lsf", convolved(&Bench::lsfOnly), library);
        add("psf+lsf", convolved(&Bench::both), library);
        add("noise", noiseStage, library);
        first = false;
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
