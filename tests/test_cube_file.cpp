#include <hdf5.h>
#include <omp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <string>
#include <vector>

#include "cube_samples.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/hdf5.hpp"

using namespace tessera;
using samples::filesIn;
using samples::makeCube;
using samples::sameBytes;
using test::TemporaryDirectory;

namespace {

CubeFileHeader makeHeader(const WavelengthGrid& grid, int compression) {
    CubeFileHeader header;
    header.version = "1.2.3";
    header.commit = "abc";
    header.config = R"({"telescope": {"name": "MUSE"}})";
    header.sspSha256 = "00ff";
    header.snapshot = "some/where";
    header.backend = "cpu";
    header.ranks = 3;
    header.wavelength = grid;
    header.compression = compression;
    return header;
}

void writeFile(const std::string& path, const GalaxyCube& cube, int compression) {
    CubeFileWriter writer(path, makeHeader(cube.wavelength, compression));
    writer.write(cube);
    writer.finish({cube.report});
}

const std::size_t sides[] = {1, 9, 10, 11, 25};
const std::size_t lengths[] = {1, 2, 511, 512, 513};

}  // namespace

TEST_CASE("cubes come back as they went in") {
    const TemporaryDirectory scratch;
    for (const std::size_t side : sides)
        for (const std::size_t length : lengths)
            for (const int compression : {0, 4}) {
                INFO(side << " spaxels a side, " << length << " wavelengths, compression " << compression);
                const GalaxyCube cube = makeCube(side, side, {4750, 1.25, length, false});
                const std::string path = scratch / "cubes.hdf5";
                writeFile(path, cube, compression);
                const GalaxyCube back = readGalaxyCube(path, 7);
                CHECK(sameBytes(back.flux.data, cube.flux.data));
                CHECK(sameBytes(back.variance.data, cube.variance.data));
                CHECK(back.wavelength == cube.wavelength);
                CHECK(back.unit == cube.unit);
                REQUIRE(back.maps.size() == 3);
                CHECK(back.maps[1].name == "stars");
                CHECK(back.maps[0].unit == "Msun");
                CHECK(back.maps[2].data == cube.maps[1].data);
            }
}

TEST_CASE("a cube of ten thousand spectra, not square") {
    const TemporaryDirectory scratch;
    const GalaxyCube cube = makeCube(100, 99, {3600, 1e-4, 130, true});
    writeFile(scratch / "a.hdf5", cube, 1);
    const GalaxyCube back = readGalaxyCube(scratch / "a.hdf5", 7);
    CHECK(sameBytes(back.flux.data, cube.flux.data));
    CHECK(back.wavelength == cube.wavelength);
}

TEST_CASE("dark chunks, and the same chunks from any number of threads") {
    const TemporaryDirectory scratch;
    GalaxyCube cube = makeCube(83, 95, {4750, 1.25, 600, false});  // chunks reach over all ends
    for (std::size_t s = 0; s < cube.flux.spaxels(); ++s) {
        const std::size_t block = s / 95 / 10 * 10 + s % 95 / 10;  // as chunks lie
        if (block % 7 == 0) continue;
        // Nothing at all, no values, and more values than are remembered; some with a single other value.
        const float value = block % 3 == 0 ? 0.0F : block % 3 == 1 ? NAN : float(block % 11);
        std::fill_n(cube.flux.spectrum(s), 600, value);
        if (block % 5 == 0 && s % 95 % 10 == 3) cube.flux.spectrum(s)[599] = 1;
    }
    std::vector<std::vector<std::uint64_t>> places;  // of each chunk
    const int before = omp_get_max_threads();
    for (const int threads : {1, 3, 4}) {
        omp_set_num_threads(threads);
        const std::string path = scratch / ("cubes" + std::to_string(threads) + ".hdf5");
        writeFile(path, cube, 4);
        CHECK(sameBytes(readGalaxyCube(path, 7).flux.data, cube.flux.data));
        const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
        const hid_t set = H5Dopen2(file, "/galaxies/7/flux", H5P_DEFAULT), space = H5Dget_space(set);
        hsize_t chunks = 0;
        REQUIRE(H5Dget_num_chunks(set, space, &chunks) >= 0);
        CHECK(double(H5Dget_storage_size(set)) < 0.2 * double(cube.flux.data.size() * sizeof(float)));
        places.emplace_back();
        for (hsize_t i = 0; i < chunks; ++i) {
            hsize_t offset[3], size = 0;
            haddr_t address = 0;
            unsigned mask = 0;
            REQUIRE(H5Dget_chunk_info(set, space, i, offset, &mask, &address, &size) >= 0);
            places.back().insert(places.back().end(), {address, size});
        }
        H5Sclose(space);
        H5Dclose(set);
        H5Fclose(file);
    }
    omp_set_num_threads(before);
    CHECK(places[0].size() > 100);
    CHECK(places[0] == places[1]);
    CHECK(places[0] == places[2]);
}

// HDF5's own read, without Tessera's layer, and its own filters on the same values.
TEST_CASE("HDF5 alone reads the chunks, and would not have stored them smaller") {
    const TemporaryDirectory scratch;
    GalaxyCube cube = makeCube(25, 25, {4750, 1.25, 513, false});
    const bool noisy = GENERATE(false, true);
    std::mt19937 random(5);
    std::normal_distribution<float> noise(1, 0.05F);
    for (float& flux : cube.flux.data) flux *= noisy ? noise(random) : 1.0F;
    const std::string path = scratch / "cubes.hdf5";
    writeFile(path, cube, 4);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t set = H5Dopen2(file, "/galaxies/7/flux", H5P_DEFAULT);
    REQUIRE(set >= 0);
    const hid_t list = H5Dget_create_plist(set);
    REQUIRE(H5Pget_nfilters(list) == 2);
    hsize_t chunk[3];
    REQUIRE(H5Pget_chunk(list, 3, chunk) == 3);
    CHECK(chunk[0] * chunk[1] * chunk[2] <= 10 * 10 * 512);
    std::vector<float> values(cube.flux.data.size());
    REQUIRE(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    CHECK(std::memcmp(values.data(), cube.flux.data.data(), values.size() * sizeof(float)) == 0);

    // The same values through H5Dwrite need no less room, but for planes of noise that Tessera does not deflate.
    const std::string other = scratch / "plain.hdf5";
    const hid_t plain = H5Fcreate(other.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Dget_space(set);
    const hid_t same = H5Dcreate2(plain, "flux", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, list, H5P_DEFAULT);
    REQUIRE(H5Dwrite(same, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    H5Fflush(plain, H5F_SCOPE_GLOBAL);
    const double mine = double(H5Dget_storage_size(set)), theirs = double(H5Dget_storage_size(same));
    CHECK(mine < (noisy ? 1.02 : 1.05) * theirs);
    CHECK(mine < 0.9 * double(values.size() * sizeof(float)));
    H5Dclose(same);
    H5Sclose(space);
    H5Fclose(plain);
    H5Pclose(list);
    H5Dclose(set);
    H5Fclose(file);
}

TEST_CASE("attributes and catalogue hold every number of the report") {
    const TemporaryDirectory scratch;
    const WavelengthGrid grid{4750, 1.25, 5, false};
    const GalaxyCube first = makeCube(3, 3, grid, 7), second = makeCube(3, 3, grid, 7, 1);
    GalaxyReport skipped;
    skipped.subhalo = 9;
    skipped.status = "skipped: 3 stars, fewer than min_stars";
    const std::string path = scratch / "cubes.hdf5";
    {
        CubeFileWriter writer(path, makeHeader(grid, 4));
        writer.write(first);
        writer.write(second);
        CHECK_THROWS_WITH(writer.write(second), Catch::Contains("subhalo 7 view 1") && Catch::Contains(path));
        writer.finish({first.report, second.report, skipped});
    }
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    for (const char* name : {"tessera_version", "commit", "config", "ssp_sha256", "snapshot", "created", "backend"})
        CHECK(root.attributeString(name).value_or("") != "");
    CHECK(root.attribute<int>("ranks") == 3);
    CHECK(configInFile(path) == makeHeader(grid, 4).config);
    CHECK(galaxiesInFile(path) == std::vector<std::int64_t>{7});

    const h5::Group view = root.group("galaxies/7/view_1"), catalogue = root.group("catalog");
    const char* scalars[] = {
        "subhalo", "redshift",          "D_L_Mpc",       "D_A_Mpc",       "kpc_per_arcsec",        "spaxel_arcsec",
        "n_stars", "n_stars_in_field",  "mass_in_field", "n_clamped_age", "n_clamped_metallicity", "mass_clamped",
        "n_wind",  "luminosity_in_band"};
    const double expected[] = {7, 0.1, 475.5, 393, 2, 0.2, 5e9, 4000, 1.5e10, 3, 2, 4e6, 11, 1e9};
    for (std::size_t i = 0; i < std::size(scalars); ++i) {
        INFO(scalars[i]);
        CHECK(view.attribute<double>(scalars[i]) == expected[i]);
        const auto column = catalogue.dataset(scalars[i]).readAll<double>();
        REQUIRE(column.size() == 3);
        CHECK(column[1] == expected[i]);
    }
    CHECK(view.attributeArray<double>("rotation") == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8});
    CHECK(view.attributeArray<double>("centre") == std::vector<double>{1e4, 2e4, 3e4});
    CHECK(view.attributeArray<double>("systemic_velocity") == std::vector<double>{-100, 50, 25});
    CHECK(catalogue.dataset("rotation").shape() == std::vector<hsize_t>{3, 3, 3});
    CHECK(catalogue.dataset("centre").readAll<double>()[4] == 2e4);
    CHECK(catalogue.dataset("subhalo").readAll<std::int64_t>() == std::vector<std::int64_t>{7, 7, 9});
    CHECK(catalogue.dataset("view").readAll<int>() == std::vector<int>{0, 1, 0});
    CHECK(catalogue.dataset("seconds").readAll<double>()[0] == 1.25);
    CHECK(catalogue.readStrings("status") == std::vector<std::string>{"ok", "ok", skipped.status});
    const GalaxyReport back = readGalaxyCube(path, 7, 1).report;
    CHECK(back.nStars == 5000000000ULL);
    CHECK(back.rotation.row[1].z == 5);
    CHECK(back.view == 1);
}

TEST_CASE("an empty catalogue and a file without galaxies") {
    const TemporaryDirectory scratch;
    const std::string path = scratch / "cubes.hdf5";
    CubeFileWriter writer(path, makeHeader({4750, 1.25, 5, false}, 4));
    writer.finish({});
    CHECK(galaxiesInFile(path).empty());
    CHECK_THROWS_WITH(readGalaxyCube(path, 1), Catch::Contains("no galaxy 1") && Catch::Contains("none"));
}

TEST_CASE("nothing stands under the final name before finish") {
    const TemporaryDirectory scratch;
    const WavelengthGrid grid{4750, 1.25, 5, false};
    const std::string path = scratch / "cubes.hdf5";
    {
        CubeFileWriter writer(path, makeHeader(grid, 4));
        writer.write(makeCube(3, 3, grid));
        CHECK_FALSE(std::filesystem::exists(path));
        CHECK(filesIn(scratch.path()) == 1);
    }
    CHECK(filesIn(scratch.path()) == 0);

    // A killed writer cannot clean up, but an older complete file survives it.
    writeFile(path, makeCube(3, 3, grid, 1), 4);
    const pid_t child = fork();
    if (child == 0) {
        omp_set_num_threads(1);  // the threads of the parent are not there after a fork
        CubeFileWriter writer(path, makeHeader(grid, 4));
        writer.write(makeCube(3, 3, grid, 2));
        raise(SIGKILL);
    }
    int state = 0;
    waitpid(child, &state, 0);
    CHECK(WIFSIGNALED(state));
    CHECK(galaxiesInFile(path) == std::vector<std::int64_t>{1});
}

TEST_CASE("a full disk is reported and leaves nothing") {
    const TemporaryDirectory scratch;
    const WavelengthGrid grid{4750, 1.25, 500, false};
    const std::string path = scratch / "cubes.hdf5";
    for (const rlim_t limit : {0, 600, 4096, 100000, 2000000}) {
        INFO("limit " << limit);
        const pid_t child = fork();
        if (child == 0) {
            omp_set_num_threads(1);  // the threads of the parent are not there after a fork
            std::signal(SIGXFSZ, SIG_IGN);
            const rlimit bytes{limit, limit};
            setrlimit(RLIMIT_FSIZE, &bytes);
            int code = 1;
            try {
                writeFile(path, makeCube(40, 40, grid), 0);
            } catch (const Error& error) {
                code = std::string(error.what()).find(path + "'") != std::string::npos ? 0 : 2;
            }
            std::_Exit(code);
        }
        int state = 0;
        waitpid(child, &state, 0);
        REQUIRE(WIFEXITED(state));
        CHECK(WEXITSTATUS(state) == 0);
        CHECK(filesIn(scratch.path()) == 0);
    }
}

TEST_CASE("unwritable names and damaged files") {
    const TemporaryDirectory scratch;
    const WavelengthGrid grid{4750, 1.25, 5, false};
    const auto header = makeHeader(grid, 4);
    CHECK_THROWS_WITH(CubeFileWriter(scratch / "no/cubes.hdf5", header), Catch::Contains("no directory"));
    CHECK_THROWS_WITH(CubeFileWriter(scratch / "", header), Catch::Contains("directory"));
    REQUIRE(mkfifo((scratch / "pipe").c_str(), 0600) == 0);
    CHECK_THROWS_WITH(CubeFileWriter(scratch / "pipe", header), Catch::Contains("no regular file"));
    const std::string path = scratch / "cubes.hdf5";
    std::filesystem::create_symlink(path, scratch / "link.hdf5");
    writeFile(scratch / "link.hdf5", makeCube(3, 3, grid), 4);
    CHECK(std::filesystem::is_symlink(scratch / "link.hdf5"));
    CHECK_THROWS_WITH(readGalaxyCube(path, 8), Catch::Contains("no galaxy 8") && Catch::Contains("holds 7"));
    CHECK_THROWS_WITH(readGalaxyCube(path, 7, 2), Catch::Contains("no view 2"));
    CHECK_THROWS_WITH(galaxiesInFile(scratch / "none.hdf5"), Catch::Contains("none.hdf5"));
    const auto damage = [&](const char* name, const auto& action, const char* message) {
        const std::string bad = scratch / name;
        std::filesystem::copy_file(path, bad);
        {
            h5::File file = h5::File::openReadWrite(bad);
            action(file.root());
            file.close();
        }
        CHECK_THROWS_WITH(readGalaxyCube(bad, 7), Catch::Contains(bad) && Catch::Contains(message));
    };
    const std::vector<float> values(100, 1.f);
    damage(
        "wavelength.hdf5",
        [](const h5::Group& root) {
            const double crooked[5] = {1, 2, 2, 4, 5};
            root.dataset("wavelength").writeAll(crooked);
        },
        "wavelength");
    damage(
        "map.hdf5",
        [&](const h5::Group& root) {
            root.write("galaxies/7/maps/more", {2, 2}, values.data());
        },
        "maps/more");
    damage(
        "rotation.hdf5",
        [&](const h5::Group& root) {
            root.group("galaxies/7").setAttributeArray<double>("rotation", {1, 2, 3, 4});
        },
        "rotation");
}
