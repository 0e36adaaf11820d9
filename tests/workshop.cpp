#include "workshop.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

#include "tessera/io/templates.hpp"

namespace tessera::test {

namespace fs = std::filesystem;

namespace {

// The mock tree and the library, made once a test binary and copied for every workshop.
const fs::path& original() {
    static const TemporaryDirectory directory;
    static const bool made = [] {
        const Outcome o = runProcess(TESSERA_BINARY,
                                     {"mock", "--output", directory / "mock", "--stars", "3000", "--gas", "100",
                                      "--chunks", "2", "--galaxies", "4", "--seed", "5"},
                                     directory.path().string());
        if (o.code != 0) throw std::runtime_error("tessera mock failed: " + o.err);
        saveSmallLibrary(directory / "library.hdf5");
        return true;
    }();
    static_cast<void>(made);
    return directory.path();
}

}  // namespace

void saveSmallLibrary(const std::string& path) {
    SspLibrary l;
    l.name = "small";
    l.source = "exp(-age) of a test";
    l.logAge = {7, 8.5, 10.2};
    l.metallicity = {0.0004, 0.05};
    for (int j = 0; j <= 200; ++j) l.wavelength.push_back(3000 + 20 * j);
    for (const double z : l.metallicity)
        for (const double age : l.logAge)
            for (const double w : l.wavelength)
                l.flux.push_back(1e-4 * std::pow(10.0, 8 - age) * (1 + 0.3 * std::sin(w / 50 + 40 * z)));
    saveSsp(l, path);
}

Workshop::Workshop() {
    fs::copy(original(), root.path(), fs::copy_options::recursive);
    fs::create_directory(root.path() / "out");
    config = {{"snapshot", {{"path", "mock/output"}, {"number", 99}}},
              {"galaxies", {{"subhalos", {0}}}},
              {"view", {{"redshift", 0.05}}},
              {"telescope", {{"fov", 20}, {"spaxel", 5}, {"aperture", "square"}, {"wavelength", {4000, 5000, 10}}}},
              {"ssp", {{"library", "library.hdf5"}}},
              {"output", {{"path", "out/cubes.hdf5"}}}};
}

std::string Workshop::chunk(int i) const {
    return root / ("mock/output/snapdir_099/snap_099." + std::to_string(i) + ".hdf5");
}
std::string Workshop::groups(int i) const {
    return root / ("mock/output/groups_099/fof_subhalo_tab_099." + std::to_string(i) + ".hdf5");
}
std::string Workshop::library() const {
    return root / "library.hdf5";
}
std::string Workshop::output() const {
    return root / "out/cubes.hdf5";
}

std::vector<std::string> Workshop::outputs() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root.path() / "out"))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

Outcome Workshop::run() const {
    std::ofstream(root / "config.json") << (configText.empty() ? config.dump(1) : configText);
    std::vector<std::string> all{"run", "config.json"};
    all.insert(all.end(), args.begin(), args.end());
    return runProcess(TESSERA_BINARY, all, root.path().string(),
                      {"TESSERA_DATA=" + (root / "data"), "OMP_NUM_THREADS=1"}, limits);
}

}  // namespace tessera::test
