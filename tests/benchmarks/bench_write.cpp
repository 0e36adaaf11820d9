// Speed of a run's output: the parts that every rank writes, and one file of them by copying and by all ranks together.
//
//   mpirun -np 2 bench_write [--spaxels 100] [--galaxies 4] [--compression 4] [--folder DIR] [--runs 3] [--json FILE]
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "assembly.hpp"
#include "bench_common.hpp"
#include "run_reports.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/io/cube_parts.hpp"
#include "tessera/io/hdf5_library.hpp"

using namespace tessera;
namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

struct Options {
    std::size_t spaxels = 100, galaxies = 4;
    int compression = 4, runs = 3;
    std::string folder, json;
};

// Smooth spectra with noise of a hundredth, so that deflate has about as much to do as with a noisy cube.
GalaxyCube makeCube(std::size_t n, std::int64_t subhalo) {
    GalaxyCube cube;
    cube.wavelength = {4749.88, 1.25, 3721, false};
    cube.grid = {n, 0.2, 0.4};
    cube.unit = "1e-20 erg s-1 cm-2 Angstrom-1";
    cube.flux = Cube(n, n, cube.wavelength.size);
    cube.report.subhalo = subhalo;
    std::mt19937 random(static_cast<std::uint32_t>(subhalo));
    std::normal_distribution<float> noise(1, 0.01F);
    for (std::size_t s = 0; s < n * n; ++s)
        for (std::size_t j = 0; j < cube.wavelength.size; ++j)
            cube.flux.spectrum(s)[j] =
                1e3F / float(1 + s % n) * (1 + 0.3F * std::sin(float(j) / 30 + float(s) / 50)) * noise(random);
    return cube;
}

// Seconds of the slowest rank.
template <class F>
double seconds(const Comm& world, F f) {
    world.barrier();
    const double mine = bench::seconds(f);
    double slowest = 0;
    for (const double s : world.gatherAll(std::span<const double>(&mine, 1))) slowest = std::max(slowest, s);
    return slowest;
}

void work(const Options& o) {
    const Comm world = Comm::world();
    const std::string path = (fs::path(o.folder) / "bench_write.hdf5").string();
    std::vector<GalaxyCube> cubes;
    for (std::size_t g = 0; g < o.galaxies; ++g)
        if (int(g % std::size_t(world.size())) == world.rank()) cubes.push_back(makeCube(o.spaxels, std::int64_t(g)));
    CubeFileHeader header;
    header.wavelength = {4749.88, 1.25, 3721, false};
    header.compression = o.compression;
    OutputConfig config;
    config.compression = o.compression;
    config.checkpoint = 1e6;

    double parts = 1e300, copy = 1e300, collective = 1e300, stored = 0;
    const auto measure = [&](Assembly assembly, double& least) {
        config.assembly = assembly;
        if (world.rank() == 0) fs::create_directories(partsPath(path));
        std::vector<RowOfRun> mine;
        parts = std::min(parts, seconds(world, [&] {
                             PartsWriter writer(path, header, config, world.rank());
                             for (const GalaxyCube& cube : cubes) {
                                 writer.write(cube);
                                 writer.endGalaxy({cube.report});
                                 mine.push_back({std::size_t(cube.report.subhalo), 1, cube.report, ""});
                             }
                             writer.close();
                             for (std::size_t i = 0; i < mine.size(); ++i) mine[i].part = writer.partOfGalaxy()[i];
                         }));
        std::vector<RowOfPart> rows;
        for (const RowOfRun& row : gatherRows(world, mine)) rows.push_back({row.report, row.part});
        least = std::min(least, seconds(world, [&] { assemble(world, path, header, rows, config); }));
        if (world.rank() == 0) {
            stored = double(fs::file_size(path)) / 1e6;
            fs::remove(path);
        }
        world.barrier();
    };
    for (int run = 0; run < o.runs; ++run) {
        measure(Assembly::copy, copy);
        if (hdf5IsParallel() && world.size() > 1) measure(Assembly::collective, collective);
    }
    if (world.rank() != 0) return;
    const double megabytes = double(o.galaxies) * double(o.spaxels * o.spaxels) * 3721 * sizeof(float) / 1e6;
    nlohmann::json figures = {{"program", "bench_write"}, {"ranks", world.size()},  {"compression", o.compression},
                              {"galaxies", o.galaxies},   {"megabytes", megabytes}, {"megabytes_on_disk", stored},
                              {"parts_seconds", parts},   {"copy_seconds", copy}};
    fmt::print("{} ranks, {} cubes, {:.0f} MB, compression {}, {:.0f} MB on disk\n", world.size(), o.galaxies,
               megabytes, o.compression, stored);
    const auto print = [&](const char* what, double s) {
        fmt::print("  {:<22}{:8.3f} s {:8.0f} MB/s of cubes {:8.0f} MB/s of disk\n", what, s, megabytes / s,
                   stored / s);
    };
    print("parts", parts);
    print("one file, copied", copy);
    if (collective < 1e300) {
        print("one file, collective", collective);
        figures["collective_seconds"] = collective;
    }
    bench::writeJson(o.json, figures);
}

}  // namespace

int main(int argc, char** argv) {
    Options o;
    startHdf5();
    MpiSession session(argc, argv);
    po::options_description options("bench_write");
    options.add_options()("help", "this text")("spaxels", po::value(&o.spaxels)->default_value(100),
                                               "spaxels a side; 3721 wavelengths")(
        "galaxies", po::value(&o.galaxies)->default_value(4), "cubes, dealt to the ranks in turns")(
        "compression", po::value(&o.compression)->default_value(4), "deflate level")(
        "folder", po::value(&o.folder)->default_value(fs::temp_directory_path().string()), "written there")(
        "runs", po::value(&o.runs)->default_value(3), "the best of so many")(
        "json", po::value(&o.json)->default_value(""), "write the figures to this file");
    return bench::program(argc, argv, options, [&] {
        try {
            work(o);
        } catch (const std::exception& e) {
            std::cerr << "bench_write: error: " << e.what() << "\n";
            if (Comm::world().size() > 1) Comm::world().abort(1);
            throw;
        }
    });
}
