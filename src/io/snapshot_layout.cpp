#include "io/snapshot_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "tessera/core/error.hpp"

namespace tessera::snapshots {

namespace fs = std::filesystem;

namespace {

bool present(const fs::path& p) {
    std::error_code none;
    return fs::exists(p, none);
}

// The first of the stems whose file exists. A stem that ends in ".hdf5" is a file of its own.
std::string findStem(const fs::path& base, const std::vector<std::string>& stems, bool& single, const char* what) {
    for (const auto& stem : stems) {
        single = stem.ends_with(".hdf5");
        const std::string path = (base / stem).string();
        if (present(single ? path : path + ".0.hdf5")) return path;
    }
    std::string tried;
    for (const auto& stem : stems)
        tried += (tried.empty() ? "" : ", ") + stem + (stem.ends_with(".hdf5") ? "" : ".0.hdf5");
    throw Error(fmt::format("{}: no {}; looked for {}", base.string(), what, tried));
}

std::string fileOf(const std::string& stem, bool single, std::size_t chunk) {
    return single ? stem : fmt::format("{}.{}.hdf5", stem, chunk);
}

std::size_t countFiles(const std::string& stem, bool single) {
    if (single) return 1;
    std::size_t n = 0;
    while (present(fileOf(stem, false, n))) ++n;
    return n;
}

}  // namespace

std::vector<int> snapshotNumbers(const fs::path& base) {
    static const std::regex folder("snapdir_([0-9]{3,6})"), file("snap(?:shot)?_([0-9]{3,6})\\.hdf5");
    std::vector<int> numbers;
    std::error_code failed;
    for (auto it = fs::directory_iterator(base, failed); !failed && it != fs::directory_iterator();
         it.increment(failed)) {
        const std::string name = it->path().filename().string();
        std::smatch match;
        if (std::regex_match(name, match, folder) || std::regex_match(name, match, file))
            numbers.push_back(std::stoi(match[1]));
    }
    if (failed) throw Error(base.string() + ": cannot list (" + failed.message() + ")");
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
}

TngLayout::TngLayout(const std::string& base, int number) {
    std::error_code none;
    if (!present(base)) throw Error(base + ": no such directory");
    if (!fs::is_directory(base, none))
        throw Error(base + ": is a file; format tng takes the simulation's base directory");
    base_ = fs::absolute(base).lexically_normal();
    if (!base_.has_filename()) base_ = base_.parent_path();  // a trailing slash

    const auto numbers = snapshotNumbers(base_);
    if (numbers.empty()) {
        const bool below = present(base_ / "output") && !snapshotNumbers(base_ / "output").empty();
        throw Error(base + ": holds no snapshot (snapdir_NNN)" +
                    (below ? "; its folder output does: give that as the path" : ""));
    }
    number_ = number < 0 ? numbers.back() : number;
    if (!std::binary_search(numbers.begin(), numbers.end(), number_))
        throw Error(fmt::format("{}: has no snapshot {}; there: {}", base, number_, fmt::join(numbers, ", ")));

    const std::string n = fmt::format("{:03d}", number_);
    snapshot_ = findStem(base_,
                         {"snapdir_" + n + "/snap_" + n, "snapdir_" + n + "/snapshot_" + n, "snap_" + n + ".hdf5",
                          "snapshot_" + n + ".hdf5"},
                         snapshotSingle_, "snapshot file");
    group_ = findStem(base_,
                      {"groups_" + n + "/fof_subhalo_tab_" + n, "groups_" + n + "/groups_" + n,
                       "fof_subhalo_tab_" + n + ".hdf5", "groups_" + n + ".hdf5"},
                      groupSingle_, "group catalogue");
}

std::string TngLayout::snapshotFile(std::size_t chunk) const {
    return fileOf(snapshot_, snapshotSingle_, chunk);
}
std::string TngLayout::groupFile(std::size_t chunk) const {
    return fileOf(group_, groupSingle_, chunk);
}
std::size_t TngLayout::snapshotFiles() const {
    return countFiles(snapshot_, snapshotSingle_);
}
std::size_t TngLayout::groupFiles() const {
    return countFiles(group_, groupSingle_);
}

std::string TngLayout::offsetsFile() const {
    const auto path = base_.parent_path() / "postprocessing" / "offsets" / fmt::format("offsets_{:03d}.hdf5", number_);
    return present(path) ? path.string() : "";
}

}  // namespace tessera::snapshots
