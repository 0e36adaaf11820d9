// Speed of writing and reading a cube: the cube file at compression 0, 1, 4, HDF5's own filters beside it, FITS.
//
//   bench_output [SPAXELS] [FOLDER]      default 100 (x 100 x 3721, 149 MB), in the folder for temporary files
//   bench_output CUBES.hdf5 GALAXY [FOLDER]    with the flux of a file that tessera run wrote
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>

#include "tessera/io/cube_file.hpp"
#include "tessera/io/fits.hpp"
#include "tessera/io/hdf5.hpp"

using namespace tessera;
namespace fs = std::filesystem;

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
    double wall = 1e300, cpu = 1e300;  // [s] best of three; cpu: of all threads together
};

template <class F>
Times seconds(F f) {
    Times best;
    for (int run = 0; run < 3; ++run) {
        const auto start = std::chrono::steady_clock::now();
        const std::clock_t cpu = std::clock();
        f();
        best.cpu = std::min(best.cpu, double(std::clock() - cpu) / CLOCKS_PER_SEC);
        best.wall =
            std::min(best.wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

}  // namespace

int main(int argc, char** argv) {
    const bool fromFile = argc > 2 && fs::is_regular_file(argv[1]);
    const GalaxyCube cube =
        fromFile ? readGalaxyCube(argv[1], std::stoll(argv[2])) : makeCube(argc > 1 ? std::stoul(argv[1]) : 100);
    const int folderAt = fromFile ? 3 : 2;
    const fs::path folder = argc > folderAt ? fs::path(argv[folderAt]) : fs::temp_directory_path();
    const std::string path = (folder / "bench_output.tmp.hdf5").string();
    const double megabytes = double(cube.flux.data.size()) * sizeof(float) / 1e6;
    const auto report = [&](const std::string& what, Times time, const std::string& file) {
        fmt::print("{:<32} {:7.3f} s {:7.0f} MB/s  CPU {:6.3f} s  {:6.1f} MB on disk\n", what, time.wall,
                   megabytes / time.wall, time.cpu, double(fs::file_size(file)) / 1e6);
    };
    fmt::print("{} x {} x {} voxels, {:.1f} MB\n", cube.flux.ny, cube.flux.nx, cube.flux.nLambda, megabytes);
    CubeFileHeader header;
    header.wavelength = cube.wavelength;
    for (const int compression : {0, 1, 4}) {
        header.compression = compression;
        report(fmt::format("cube file, compression {}", compression), seconds([&] {
                   CubeFileWriter writer(path, header);
                   writer.write(cube);
                   writer.finish({cube.report});
               }),
               path);
        report("  read", seconds([&] { readGalaxyCube(path, cube.report.subhalo); }), path);
    }
    for (const int compression : {1, 4})
        report(fmt::format("HDF5's own filters, deflate {}", compression), seconds([&] {
                   h5::File file = h5::File::create(path);
                   h5::Layout layout{{10, 10, 466}, compression};
                   file.root().write("flux", {cube.flux.ny, cube.flux.nx, cube.flux.nLambda}, cube.flux.data.data(),
                                     layout);
                   file.close();
               }),
               path);
    report("FITS (cube and DQ)", seconds([&] { writeFits(path, cube, {}); }), path);
    fs::remove(path);
}
