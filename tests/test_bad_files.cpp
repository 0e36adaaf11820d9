// Malformed snapshots, libraries, instrument files and outputs: each gives one message that names file, dataset or
// subhalo, the right exit code, and leaves no file behind.
#include <hdf5.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "bad_input.hpp"
#include "tessera/io/hdf5.hpp"

using namespace tessera;
using test::BadInput;
using test::checkBadInput;
using test::set;
using test::Workshop;
namespace fs = std::filesystem;

namespace {

// --------------------------------------------------------------------------------------------------
void unlinkObject(const std::string& file, const std::string& name) {
    const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    REQUIRE(id >= 0);
    REQUIRE(H5Ldelete(id, name.c_str(), H5P_DEFAULT) >= 0);
    REQUIRE(H5Fclose(id) >= 0);
}

void removeAttribute(const std::string& file, const std::string& group, const std::string& name) {
    const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    REQUIRE(id >= 0);
    REQUIRE(H5Adelete_by_name(id, group.c_str(), name.c_str(), H5P_DEFAULT) >= 0);
    REQUIRE(H5Fclose(id) >= 0);
}

void truncate(const std::string& file) {
    fs::resize_file(file, fs::file_size(file) / 2);
}
void replaceByText(const std::string& file) {
    std::ofstream(file) << "not what it should be\n";
}

template <class T>
void setRow(const std::string& file, const std::string& dataset, hsize_t row, const std::vector<T>& values) {
    h5::File::openReadWrite(file).root().dataset(dataset).writeRows(row, 1, values.data());
}

template <class T>
void replaceDataset(const std::string& file, const std::string& name, const std::vector<hsize_t>& shape,
                    const std::vector<T>& values) {
    unlinkObject(file, name);
    h5::File::openReadWrite(file).root().write(name, shape, values.data());
}

hsize_t rowsOf(const std::string& file, const std::string& dataset) {
    return h5::File::openRead(file).root().dataset(dataset).rows();
}

const double notANumber = std::nan("");

}  // namespace

TEST_CASE("malformed snapshots") {
    const std::vector<BadInput> rows{
        {"no such snapshot", set("snapshot.path=nowhere"), 1, {"nowhere"}},
        {"text file as a snapshot",
         [](Workshop& w) {
             replaceByText(w.root / "notes.txt");
             w.args = {"--set", "snapshot.path=notes.txt"};
         },
         1,
         {"notes.txt"}},
        {"empty directory as a snapshot",
         [](Workshop& w) {
             fs::create_directory(w.root.path() / "empty");
             w.args = {"--set", "snapshot.path=empty"};
         },
         1,
         {"empty"}},
        {"no such snapshot number", set("snapshot.number=12"), 1, {"12"}},
        {"chunk missing", [](Workshop& w) { fs::remove(w.chunk(1)); }, 1, {"snap_099.1.hdf5"}},
        {"chunk truncated", [](Workshop& w) { truncate(w.chunk(0)); }, 1, {"snap_099.0.hdf5"}},
        {"chunk is text", [](Workshop& w) { replaceByText(w.chunk(0)); }, 1, {"snap_099.0.hdf5"}},
        {"dataset missing",
         [](Workshop& w) { unlinkObject(w.chunk(0), "PartType4/Coordinates"); },
         1,
         {"snap_099.0.hdf5", "Coordinates"}},
        {"no masses",
         [](Workshop& w) {
             for (int i : {0, 1})
                 for (const char* name : {"PartType4/GFM_InitialMass", "PartType4/Masses"})
                     unlinkObject(w.chunk(i), name);
         },
         1,
         {"GFM_InitialMass"}},
        {"positions of two columns",
         [](Workshop& w) {
             const hsize_t n = rowsOf(w.chunk(0), "PartType4/Coordinates");
             replaceDataset(w.chunk(0), "PartType4/Coordinates", {n, 2}, std::vector<double>(n * 2));
         },
         1,
         {"snap_099.0.hdf5", "Coordinates"}},
        {"masses too short",
         [](Workshop& w) { replaceDataset(w.chunk(0), "PartType4/GFM_InitialMass", {7}, std::vector<float>(7, 1.0F)); },
         1,
         {"snap_099.0.hdf5", "GFM_InitialMass"}},
        {"NaN in a position",
         [](Workshop& w) {
             setRow<double>(w.chunk(0), "PartType4/Coordinates", 3, {1, notANumber, 2});
         },
         1,
         {"snap_099.0.hdf5", "Coordinates", "subhalo 0"}},
        {"NaN in a velocity",
         [](Workshop& w) {
             setRow<float>(w.chunk(0), "PartType4/Velocities", 3, {1, 2, float(notANumber)});
         },
         1,
         {"Velocities", "subhalo 0"}},
        {"negative mass",
         [](Workshop& w) { setRow<float>(w.chunk(0), "PartType4/GFM_InitialMass", 5, {-1.0F}); },
         1,
         {"GFM_InitialMass", "-1"}},
        {"negative metallicity",
         [](Workshop& w) { setRow<float>(w.chunk(0), "PartType4/GFM_Metallicity", 5, {-0.5F}); },
         1,
         {"GFM_Metallicity", "-0.5"}},
        {"infinite formation time",
         [](Workshop& w) { setRow<float>(w.chunk(0), "PartType4/GFM_StellarFormationTime", 5, {float(HUGE_VAL)}); },
         1,
         {"GFM_StellarFormationTime"}},
        {"header without a time",
         [](Workshop& w) {
             for (int i : {0, 1})
                 for (const char* name : {"Time", "Redshift"}) removeAttribute(w.chunk(i), "Header", name);
         },
         1,
         {"Time"}},
        {"no header",
         [](Workshop& w) {
             for (int i : {0, 1}) unlinkObject(w.chunk(i), "Header");
         },
         1,
         {"Header"}},
        {"no group catalogue",
         [](Workshop& w) { fs::remove_all(w.root.path() / "mock/output/groups_099"); },
         1,
         {"groups_099"}},
        {"group catalogue truncated", [](Workshop& w) { truncate(w.groups(0)); }, 1, {"fof_subhalo_tab_099.0.hdf5"}},
        {"catalogue without lengths",
         [](Workshop& w) {
             for (int i : {0, 1}) unlinkObject(w.groups(i), "Subhalo/SubhaloLenType");
         },
         1,
         {"SubhaloLenType"}},
        {"offsets are text",
         [](Workshop& w) { replaceByText(w.root / "mock/postprocessing/offsets/offsets_099.hdf5"); },
         1,
         {"offsets_099.hdf5"}},
        {"no such subhalo", set("galaxies.subhalos=[0,400]"), 1, {"400"}},
        {"no stars in the field",
         [](Workshop& w) {
             w.args = {"--set", "galaxies.centre=[1,2,3]", "--set", "view.orientation=none"};
         },
         1,
         {"subhalo 0", "field"}},
        {"no stars to find the disc's plane", set("galaxies.centre=[1,2,3]"), 1, {"subhalo 0", "orientation"}},
    };
    for (const BadInput& row : rows) DYNAMIC_SECTION(row.name) {
            checkBadInput(row);
        }
}

TEST_CASE("malformed libraries and instrument files") {
    const std::vector<BadInput> rows{
        {"library that is not installed", set("ssp.library=no_such_library"), 1, {"no_such_library"}},
        {"library is text", [](Workshop& w) { replaceByText(w.library()); }, 1, {"library.hdf5"}},
        {"library truncated", [](Workshop& w) { truncate(w.library()); }, 1, {"library.hdf5"}},
        {"library without ages",
         [](Workshop& w) { unlinkObject(w.library(), "log_age"); },
         1,
         {"library.hdf5", "log_age"}},
        {"library with descending wavelengths",
         [](Workshop& w) {
             std::vector<double> v;
             for (int j = 200; j >= 0; --j) v.push_back(3000 + 20 * j);
             replaceDataset(w.library(), "wavelength", {201}, v);
         },
         1,
         {"library.hdf5", "wavelength"}},
        {"library with a NaN",
         [](Workshop& w) {
             std::vector<double> f(2 * 3 * 201, 1e-4);
             f[700] = notANumber;
             replaceDataset(w.library(), "flux", {2, 3, 201}, f);
         },
         1,
         {"library.hdf5", "flux"}},
        {"library with a negative flux",
         [](Workshop& w) {
             std::vector<double> f(2 * 3 * 201, 1e-4);
             f[700] = -1;
             replaceDataset(w.library(), "flux", {2, 3, 201}, f);
         },
         1,
         {"library.hdf5", "flux"}},
        {"library of the wrong shape",
         [](Workshop& w) {
             replaceDataset(w.library(), "flux", {3, 2, 201}, std::vector<double>(3 * 2 * 201, 1e-4));
         },
         1,
         {"library.hdf5", "flux"}},
        {"library that does not reach the telescope's wavelengths",
         set("telescope.wavelength=[9000,10000,10]"),
         1,
         {"small", "3000", "7000", "spectra.outside"}},
        {"PSF image missing", set(R"(psf={"kind": "fits", "path": "no.fits"})"), 1, {"no.fits"}},
        {"PSF image is text",
         [](Workshop& w) {
             replaceByText(w.root / "psf.fits");
             w.config["psf"] = {{"kind", "fits"}, {"path", "psf.fits"}};
         },
         1,
         {"psf.fits"}},
        {"table of line widths missing", set("lsf.table=no.txt"), 1, {"no.txt"}},
        {"table of line widths of words",
         [](Workshop& w) {
             replaceByText(w.root / "lsf.txt");
             w.config["lsf"] = {{"table", "lsf.txt"}};
         },
         1,
         {"lsf.txt"}},
    };
    for (const BadInput& row : rows) DYNAMIC_SECTION(row.name) {
            checkBadInput(row);
        }
}

TEST_CASE("outputs that cannot be written") {
    const std::vector<BadInput> rows{
        {"no such directory", set("output.path=nowhere/cubes.hdf5"), 1, {"output.path", "nowhere"}},
        {"a directory", set("output.path=mock"), 1, {"mock", "directory"}},
        {"a directory that cannot be written into", set("output.path=/proc/cubes.hdf5"), 1, {"/proc"}},
        {"disk full",
         [](Workshop& w) {
             // MPI's own files must still fit: the limit is 12 MB, and the cube has 25 MB.
             w.limits.fileBytes = 12000000;
             w.config["telescope"]["spaxel"] = 0.25;
             w.config["telescope"]["wavelength"] = {4000, 5000, 1};
             w.config["output"]["compression"] = 0;
         },
         1,
         {"out/cubes.hdf5", "subhalo 0"}},
    };
    for (const BadInput& row : rows) DYNAMIC_SECTION(row.name) {
            checkBadInput(row);
        }
}
