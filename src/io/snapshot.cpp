#include "tessera/io/snapshot.hpp"

#include <filesystem>

#include "io/snapshot_formats.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace {

std::string detect(const std::string& path) {
    std::error_code none;
    if (std::filesystem::is_directory(path, none)) return "tng";
    const auto root = h5::File::openRead(path).root();
    if (root.has("galaxy") && root.has("particles")) return "rubix";
    if (root.has("Header") && (root.has("PartType4") || root.has("PartType0"))) return "tng-cutout";
    throw Error(path +
                ": no format is recognised (tng-cutout has /Header and /PartType4, rubix has /galaxy and "
                "/particles/stars)");
}

}  // namespace

std::vector<bool> Snapshot::centrals() const {
    throw Error(info().path + ": has no groups, so none of its galaxies is known to be central");
}

ParticleRange Snapshot::groupStars(const Subhalo&) const {
    throw Error(info().path + ": has no groups");
}

Stars Snapshot::readStars(std::span<const ParticleRange>) const {
    throw Error(info().path + ": holds the stars of one galaxy, and no others near it");
}

Buffer<Vec3d> Snapshot::readStarPositions(ParticleRange) const {
    throw Error(info().path + ": holds the stars of one galaxy, and no others near it");
}

std::unique_ptr<Snapshot> Snapshot::open(const std::string& path, const std::string& format, int number) {
    const std::string chosen = format == "auto" ? detect(path) : format;
    if (chosen == "tng") return snapshots::openTng(path, number);
    if (chosen == "tng-cutout") return snapshots::openCutout(path);
    if (chosen == "rubix") return snapshots::openRubix(path);
    throw ConfigError("snapshot.format is \"" + format + "\"; allowed: auto, tng, tng-cutout, rubix");
}

}  // namespace tessera
