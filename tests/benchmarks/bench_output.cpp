// Speed of writing and reading a cube: the cube file at compression 0, 1, 4, HDF5's own filters beside it, FITS.
//
//   bench_output [--spaxels 100] [--folder DIR] [--runs 3] [--json FILE]     (100 x 100 x 3721: 149 MB)
//   bench_output --cubes CUBES.hdf5 --galaxy 0                              with the flux of a file that tessera run wrote
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <filesystem>

#include "bench_common.hpp"

#include "tessera/io/cube_file.hpp"
#include "tessera/io/fits.hpp"
#include "tessera/io/hdf5.hpp"

using namespace tessera;
namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

// An exponential disc that rotates: each spaxel a smooth spectrum with lines, shifted, of no two equal values.
GalaxyCube makeCube(std::size_t n) {
    GalaxyCube cube;
    cube.wavelength = {4749.88, 1.25, 3721, false};
    cube.grid = {n, 0.2, 0.4};
    cube.unit = "1e-20 erg s-1 cm-2 Angstrom-1";
    cube.flux = Cube(n, n, cube.wavelength.size);
    for (std::size_t iy = 0; iy < n; ++iy)
        for (std::size_t ix = 0; ix < n; ++ix) {
            const double x = (double(ix) + 0.5) / double(n) - 0.5, y = (double(iy) + 0.5) / double(n) - 0.5;
            const double r = std::hypot(x, y);
            const double shift = 1.1 * (1 + 7e-4 * x / (r + 0.1));
            float* out = cube.flux.spectrum(iy, ix);
            for (std::size_t j = 0; j < cube.wavelength.size; ++j) {
                const double rest = cube.wavelength.centre(double(j)) / shift;
                const double line = std::exp(-0.5 * std::pow((rest - 5175) / 8, 2)) + std::sin(rest / 9) / 20;
                out[j] = float(1e4 * std::exp(-6 * r) * (1 - 0.3 * line) * std::pow(rest / 5500, -0.7));
            }
        }
    return cube;
}

struct Times {
    double wall = 1e300, cpu = 1e300;  // [s] best of the runs; cpu: of all threads together
};

template <class F>
Times best(int runs, F f) {
    Times least;
    for (int run = 0; run < runs; ++run) {
        const std::clock_t cpu = std::clock();
        least.wall = std::min(least.wall, bench::seconds(f));
        least.cpu = std::min(least.cpu, double(std::clock() - cpu) / CLOCKS_PER_SEC);
    }
    return least;
}

void timeAll(const GalaxyCube& cube, const std::string& path, int runs, const std::string& jsonPath) {
    const double megabytes = double(cube.flux.data.size()) * sizeof(float) / 1e6;
    nlohmann::json figures = {{"program", "bench_output"}, {"megabytes", megabytes}};
    const auto report = [&](const std::string& what, Times time, const std::string& file) {
        figures["cases"].push_back({{"what", what},
                                    {"seconds", time.wall},
                                    {"cpu_seconds", time.cpu},
                                    {"megabytes_on_disk", double(fs::file_size(file)) / 1e6}});
        fmt::print("{:<32} {:7.3f} s {:7.0f} MB/s  CPU {:6.3f} s  {:6.1f} MB on disk\n", what, time.wall,
                   megabytes / time.wall, time.cpu, double(fs::file_size(file)) / 1e6);
    };
    fmt::print("{} x {} x {} voxels, {:.1f} MB\n", cube.flux.ny, cube.flux.nx, cube.flux.nLambda, megabytes);
    CubeFileHeader header;
    header.wavelength = cube.wavelength;
    for (const int compression : {0, 1, 4}) {
        header.compression = compression;
        report(fmt::format("cube file, compression {}", compression),
               best(runs,
                    [&] {
                        CubeFileWriter writer(path, header);
                        writer.write(cube);
                        writer.finish({cube.report});
                    }),
               path);
        report("  read", best(runs, [&] { readGalaxyCube(path, cube.report.subhalo); }), path);
    }
    for (const int compression : {1, 4})
        report(fmt::format("HDF5's own filters, deflate {}", compression),
               best(runs,
                    [&] {
                        h5::File file = h5::File::create(path);
                        h5::Layout layout{{10, 10, 466}, compression};
                        file.root().write("flux", {cube.flux.ny, cube.flux.nx, cube.flux.nLambda},
                                          cube.flux.data.data(), layout);
                        file.close();
                    }),
               path);
    report("FITS (cube and DQ)", best(runs, [&] { writeFits(path, cube, {}); }), path);
    fs::remove(path);
    bench::writeJson(jsonPath, figures);
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t spaxels = 100;
    int runs = 3;
    std::int64_t galaxy = 0;
    std::string cubes, folderName, jsonPath;
    po::options_description options("bench_output");
    options.add_options()("help", "this text")("spaxels", po::value(&spaxels)->default_value(100),
                                               "spaxels a side; 3721 wavelengths")(
        "cubes", po::value(&cubes)->default_value(""), "a file that tessera run wrote: its cube instead")(
        "galaxy", po::value(&galaxy)->default_value(0), "subhalo in it")(
        "folder", po::value(&folderName)->default_value(fs::temp_directory_path().string()), "written there")(
        "runs", po::value(&runs)->default_value(3), "the best of so many")(
        "json", po::value(&jsonPath)->default_value(""), "write the figures to this file");
    return bench::program(argc, argv, options, [&] {
        const GalaxyCube cube = cubes.empty() ? makeCube(spaxels) : readGalaxyCube(cubes, galaxy);
        timeAll(cube, (fs::path(folderName) / "bench_output.tmp.hdf5").string(), runs, jsonPath);
    });
}
