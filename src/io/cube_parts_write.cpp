#include <ctime>
#include <filesystem>

#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_parts.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

std::string timeInName() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc)};
}

}  // namespace

PartsWriter::PartsWriter(const std::string& output, const CubeFileHeader& header, const OutputConfig& config, int rank)
    : directory_(partsPath(output)),
      stem_(timeInName() + "." + std::to_string(rank)),
      header_(header),
      config_(config) {}

double PartsWriter::age() const {
    return std::chrono::duration<double>(Clock::now() - since_).count();
}

// No other rank has this stem, and no other run writes here at the same time: what is there is of an earlier run, or of
// a complete output.
std::string PartsWriter::nextPath() {
    std::string path;
    do path = directory_ + "/" + stem_ + "." + std::to_string(number_++) + ".hdf5";
    while (fs::exists(path));
    return path;
}

std::string PartsWriter::pathOf(std::int64_t subhalo) const {
    const std::string stem = directory_ + "/" + std::to_string(subhalo);
    std::string path = stem + ".hdf5";
    for (int n = 1; fs::exists(path); ++n) path = stem + "." + std::to_string(n) + ".hdf5";
    return path;
}

void PartsWriter::begin() {
    if (!open_) since_ = Clock::now();
    open_ = true;
}

void PartsWriter::write(const GalaxyCube& cube) {
    if (failed_) return;
    begin();
    try {
        if (!file_) {
            path_ = config_.layout == OutputLayout::galaxies ? pathOf(cube.report.subhalo) : nextPath();
            file_.emplace(path_, header_);
        }
        file_->write(cube);
        if (config_.layout != OutputLayout::single) file_->startSync();
    } catch (...) {
        abandon();
        throw;
    }
}

void PartsWriter::endGalaxy(const std::vector<GalaxyReport>& rows) {
    if (failed_) return;
    begin();
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    ++galaxies_;
    if (config_.layout == OutputLayout::galaxies || age() >= config_.checkpoint) close();
}

void PartsWriter::abandon() noexcept {
    failed_ = true;
    file_.reset();
}

void PartsWriter::close() {
    if (failed_ || !open_) return;
    open_ = false;
    if (rows_.empty()) {
        file_.reset();
        return;
    }
    // A last part that is copied or renamed at once needs no more care than a run of that length without parts.
    const bool synced = config_.layout != OutputLayout::single || age() >= config_.checkpoint;
    try {
        if (!file_) {
            path_ = nextPath();
            file_.emplace(path_, header_);
        }
        file_->finish(rows_, synced);
    } catch (...) {
        abandon();
        throw;
    }
    file_.reset();
    partOfGalaxy_.insert(partOfGalaxy_.end(), galaxies_, fs::path(path_).filename().string());
    rows_.clear();
    galaxies_ = 0;
}

}  // namespace tessera
