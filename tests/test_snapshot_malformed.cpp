// Damaged and contradictory snapshots: each gives one Error that names the file and what is wrong with which object.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>

#include "snapshot_tree.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"

using namespace tessera;
using namespace tessera::test;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

const std::string cutout = std::string(TESSERA_REFERENCE_DIR) + "/tng_cutout_extract.hdf5";

// Opens a snapshot and reads everything in it; the message of the Error that this ends with.
std::string readingAll(const std::string& path, const std::string& format = "auto") {
    return messageOf<Error>([&] {
        const auto snap = Snapshot::open(path, format);
        for (std::int64_t id : snap->subhalos()) {
            const Subhalo s = snap->subhalo(id);
            snap->readStars(s.stars);
            snap->readGas(s.gas);
        }
        snap->readStars({0, snap->info().numStars});
        snap->readGas({0, snap->info().numGas});
    });
}

using Edit = std::function<void(const h5::Group&)>;

// Not through the layer: it removes nothing.
void drop(const std::string& path, const std::string& object) {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    REQUIRE(H5Ldelete(file, object.c_str(), H5P_DEFAULT) >= 0);
    H5Fclose(file);
}

void edit(const std::string& path, const Edit& f) {
    auto file = h5::File::openReadWrite(path);
    f(file.root());
    file.close();
}

Edit setRow(const std::string& dataset, hsize_t row, double value) {
    return [=](const h5::Group& root) {
        const auto d = root.dataset(dataset);
        std::vector<double> values(std::size_t(d.size() / d.rows()), value);
        d.writeRows(row, 1, values.data());
    };
}

template <class T = float>
Edit replaceWith(const std::string& dataset, std::vector<hsize_t> shape) {
    return [=](const h5::Group& root) {
        std::size_t n = 1;
        for (hsize_t s : shape) n *= s;
        const std::vector<T> values(n, T(0));
        root.write<T>(dataset, shape, values.data());
    };
}

struct Case {
    const char* file;     // relative to the tree; empty: the cutout
    const char* dropped;  // object removed first; empty: none
    Edit change;
    std::vector<const char*> told;  // all must stand in the message
};

constexpr const char* snap1 = "output/snapdir_086/snap_086.1.hdf5";
constexpr const char* snap0 = "output/snapdir_086/snap_086.0.hdf5";
constexpr const char* group0 = "output/groups_086/fof_subhalo_tab_086.0.hdf5";
constexpr const char* group1 = "output/groups_086/fof_subhalo_tab_086.1.hdf5";
constexpr const char* offsets = "postprocessing/offsets/offsets_086.hdf5";

const Edit nothing = [](const h5::Group&) {};

Edit perType(const char* name, std::vector<std::int64_t> values) {
    return [=](const h5::Group& root) { root.group("Header").setAttributeArray<std::int64_t>(name, values); };
}
template <class T>
Edit headerValue(const char* name, T value) {
    return [=](const h5::Group& root) { root.group("Header").setAttribute(name, value); };
}

const std::vector<Case> cases{
    // values of a cutout
    {"", "", setRow("PartType4/Coordinates", 7, NAN), {"cutout.hdf5:/PartType4/Coordinates: row 7", "nan"}},
    {"", "", setRow("PartType4/Coordinates", 7, 1e9), {":/PartType4/Coordinates: row 7", "1e+09"}},
    {"", "", setRow("PartType4/Velocities", 399, INFINITY), {":/PartType4/Velocities: row 399", "inf"}},
    {"", "", setRow("PartType4/Velocities", 5, 1e6), {":/PartType4/Velocities: row 5"}},
    {"", "", setRow("PartType4/GFM_InitialMass", 0, -1), {":/PartType4/GFM_InitialMass: row 0 is -1"}},
    {"", "", setRow("PartType4/GFM_InitialMass", 3, 1e60), {":/PartType4/GFM_InitialMass: row 3"}},
    {"", "", setRow("PartType4/GFM_Metallicity", 9, -0.1), {":/PartType4/GFM_Metallicity: row 9 is -0.1"}},
    {"", "", setRow("PartType4/GFM_Metallicity", 9, 1.5), {":/PartType4/GFM_Metallicity: row 9", "0 to 1"}},
    {"", "", setRow("PartType4/GFM_StellarFormationTime", 2, 0.9), {":/PartType4/GFM_StellarFormationTime: row 2"}},
    {"", "", setRow("PartType4/GFM_StellarFormationTime", 2, NAN), {":/PartType4/GFM_StellarFormationTime: row 2"}},
    {"", "", setRow("PartType0/Density", 4, -1), {":/PartType0/Density: row 4 is -1"}},
    {"", "", setRow("PartType0/GFM_Metals", 4, NAN), {":/PartType0/GFM_Metals: row 4"}},
    // objects of a cutout
    {"", "PartType4/Coordinates", nothing, {":/PartType4/Coordinates: no such dataset"}},
    {"", "PartType4/GFM_Metallicity", nothing, {":/PartType4/GFM_Metallicity: no such dataset"}},
    {"", "PartType4/GFM_StellarFormationTime", nothing, {":/PartType4/GFM_StellarFormationTime: no such dataset"}},
    {"", "PartType0/Masses", nothing, {":/PartType0/Masses: no such dataset"}},
    {"", "Header", nothing, {"cutout.hdf5: no format is recognised"}},
    {"",
     "PartType4/Coordinates",
     replaceWith("PartType4/Coordinates", {400, 2}),
     {"has shape [400, 2], expected [400, 3]"}},
    {"",
     "PartType4/Coordinates",
     replaceWith("PartType4/Coordinates", {}),
     {":/PartType4/Coordinates: holds a single value"}},
    {"",
     "PartType4/GFM_Metallicity",
     replaceWith("PartType4/GFM_Metallicity", {399}),
     {":/PartType4/GFM_Metallicity: has shape [399], expected [400]"}},
    {"",
     "PartType4/GFM_InitialMass",
     replaceWith("PartType4/GFM_InitialMass", {400, 2}),
     {":/PartType4/GFM_InitialMass: has shape [400, 2], expected [400]"}},
    {"",
     "PartType4/GFM_Metallicity",
     [](const h5::Group& root) {
         root.writeStrings("PartType4/GFM_Metallicity", std::vector<std::string>(400, "solar"));
     },
     {":/PartType4/GFM_Metallicity: holds text where numbers are expected"}},
    {"",
     "PartType4",
     [](const h5::Group& root) {
         const float x = 0;
         root.write<float>("PartType4", {}, &x);
     },
     {":/PartType4: cannot open as a group (not a group)"}},
    // headers of a tree
    {snap0, "", perType("NumPart_Total", {105, 0, 0, 0, 9999, 0}), {"snap_086."}},
    {snap0, "", perType("NumPart_Total", {1, 2, 3}), {"attribute NumPart_Total: has 3 values"}},
    {snap0, "", perType("NumPart_Total", {0, 0, 0, 0, -5, 0}), {"attribute NumPart_Total: is -5 for type 4"}},
    {snap0, "", headerValue("NumFilesPerSnapshot", 0), {"NumFilesPerSnapshot: is 0"}},
    {snap0, "", headerValue("NumFilesPerSnapshot", 4), {"SnapByType: has shape [3, 6], expected [4, 6]"}},
    {snap0, "", headerValue("HubbleParam", "0.7"), {"attribute HubbleParam: holds text"}},
    {snap0, "", headerValue("Omega0", -0.3), {"attribute Omega0: is -0.3"}},
    {snap0, "Header", nothing, {"snap_086.0.hdf5:/Header: no such group"}},
    {snap1, "PartType4", nothing, {"snap_086.1.hdf5:/PartType4: no such group"}},
    {snap1, "PartType4/Masses", nothing, {}},  // not needed where there is GFM_InitialMass
    {snap1, "PartType4/GFM_InitialMass", nothing, {"snap_086.1.hdf5:/PartType4/GFM_InitialMass: no such dataset"}},
    {snap1, "", setRow("PartType4/Velocities", 11, NAN), {"snap_086.1.hdf5:/PartType4/Velocities: row 11"}},
    // catalogue and offsets
    {group0,
     "Subhalo/SubhaloLenType",
     nothing,
     {"fof_subhalo_tab_086.0.hdf5:/Subhalo/SubhaloLenType: no such dataset"}},
    {group0, "Header", nothing, {"fof_subhalo_tab_086.0.hdf5:/Header: no such group"}},
    {group0,
     "",
     setRow("Subhalo/SubhaloLenType", 2, -1),
     {"fof_subhalo_tab_086.0.hdf5:/Subhalo/SubhaloLenType: row 2"}},
    {group0, "", setRow("Subhalo/SubhaloLenType", 2, 100000), {"subhalo 2 claims 100000 particles"}},
    {group0, "", setRow("Subhalo/SubhaloPos", 1, NAN), {"fof_subhalo_tab_086.0.hdf5:/Subhalo/SubhaloPos: row 1"}},
    {group0, "", headerValue("Nsubgroups_Total", 99), {"SnapByType: has shape [13, 6], expected [99, 6]"}},
    {group0, "", headerValue("NumFiles", -1), {"attribute NumFiles: is -1"}},
    {group1, "Subhalo", nothing, {"fof_subhalo_tab_086.1.hdf5:/Subhalo: no such group"}},
    {offsets, "Subhalo/SnapByType", nothing, {"offsets_086.hdf5:/Subhalo/SnapByType: no such dataset"}},
    {offsets, "", setRow("Subhalo/SnapByType", 3, 1e9), {"subhalo 3 claims"}},
    {offsets, "", setRow("Subhalo/SnapByType", 3, -4), {"subhalo 3 claims"}},
    {offsets,
     "",
     setRow("Subhalo/SnapByType", 1, 0),
     {"subhalos 0 and 1 both have the star in row 0", "offsets_086.hdf5"}},
    {offsets,
     "",
     setRow("FileOffsets/SnapByType", 0, 5),
     {"offsets_086.hdf5:/FileOffsets/SnapByType: chunk 0 starts at row 5"}},
    {offsets, "", setRow("FileOffsets/SnapByType", 2, 1), {"chunk 2 starts at row 1, after"}},
    {offsets, "", setRow("FileOffsets/Subhalo", 1, 50), {"FileOffsets/Subhalo: chunk 1 starts at row 50"}},
};

}  // namespace

TEST_CASE("malformed snapshots are refused with the file, the object and the reason") {
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Case& c = cases[i];
        TemporaryDirectory dir;
        std::string path, target;
        if (*c.file == 0) {
            path = target = dir / "cutout.hdf5";
            fs::copy_file(cutout, target);
        } else {
            path = writeTree(dir.path());
            target = dir / c.file;
        }
        REQUIRE(readingAll(path) == "");
        if (*c.dropped) drop(target, c.dropped);
        edit(target, c.change);
        const std::string message = readingAll(path);
        INFO("case " << i << ": " << message);
        if (c.told.empty()) CHECK(message == "");
        for (const char* text : c.told) CHECK_THAT(message, Contains(text));
    }
}

TEST_CASE("rebuilding the offsets finds contradictions in the catalogue") {
    const std::vector<Case> rebuild{
        {group0, "Group/GroupLenType", nothing, {"fof_subhalo_tab_086.0.hdf5:/Group/GroupLenType: no such dataset"}},
        {group0, "", setRow("Group/GroupNsubs", 0, 99), {":/Group: group in row 0 has 99 subhalos from 0 on"}},
        {group0, "", setRow("Group/GroupFirstSub", 0, -7), {":/Group: group in row 0"}},
        {group0, "", setRow("Group/GroupLenType", 0, 3), {"the subhalos of the group in row 0 have more particles"}},
        {group0, "", headerValue("Nsubgroups_Total", 14), {"promises 14 subhalos", "hold 13"}},
        {snap0, "", perType("NumPart_ThisFile", {0, 0, 0, 0, 1, 0}), {"NumPart_Total promises"}},
    };
    for (std::size_t i = 0; i < rebuild.size(); ++i) {
        TemporaryDirectory dir;
        TreeOptions o;
        o.offsets = false;
        const std::string path = writeTree(dir.path(), o);
        REQUIRE(readingAll(path) == "");
        if (*rebuild[i].dropped) drop(dir / rebuild[i].file, rebuild[i].dropped);
        edit(dir / rebuild[i].file, rebuild[i].change);
        const std::string message = readingAll(path);
        INFO("case " << i << ": " << message);
        for (const char* text : rebuild[i].told) CHECK_THAT(message, Contains(text));
    }
}

TEST_CASE("files that are no snapshot, and files cut short at any place") {
    TemporaryDirectory dir;
    const auto message = [&](const std::string& name) { return readingAll(dir / name); };
    CHECK_THAT(message("absent.hdf5"), Contains("absent.hdf5: cannot open (No such file"));
    std::ofstream(dir / "text.hdf5") << "x y z\n1 2 3\n";
    CHECK_THAT(message("text.hdf5"), Contains("text.hdf5: not an HDF5 file"));
    fs::create_directory(dir / "folder");
    CHECK_THAT(message("folder"), Contains("folder: holds no snapshot"));
    {
        auto file = h5::File::create(dir / "other.hdf5");
        file.root().createGroup("Header");
        file.close();
    }
    CHECK_THAT(message("other.hdf5"), Contains("other.hdf5: no format is recognised"));
    CHECK_THAT(readingAll(dir / "other.hdf5", "tng"), Contains("is a file"));
    CHECK_THAT(readingAll(dir / "folder", "tng-cutout"), Contains("folder: is a directory"));
    CHECK_THAT(readingAll(dir / "other.hdf5", "rubix"), Contains("other.hdf5:/galaxy: no such group"));

    const auto size = fs::file_size(cutout);
    for (int i = 0; i < 40; ++i) {
        fs::copy_file(cutout, dir / "cut.hdf5", fs::copy_options::overwrite_existing);
        fs::resize_file(dir / "cut.hdf5", size * i / 40);
        CHECK_THAT(message("cut.hdf5"),
                   Contains("cut.hdf5") && (Contains("truncated file") || Contains("not an HDF5 file")));
    }
    for (const char* file : {snap0, snap1, group0, group1, offsets}) {
        TemporaryDirectory tree;
        const std::string path = writeTree(tree.path());
        fs::resize_file(tree / file, fs::file_size(tree / file) / 2);
        CHECK_THAT(readingAll(path), Contains(file) && Contains("truncated file"));
        fs::remove(tree / file);
        if (file != offsets && file != snap0 && file != group0)
            CHECK_THAT(readingAll(path), Contains(file) && Contains("No such file"));
    }
}
