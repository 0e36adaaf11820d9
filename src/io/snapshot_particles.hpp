// Stars and gas out of pieces of Gadget-like files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/formation_clock.hpp"
#include "io/snapshot_header.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/model/particles.hpp"

namespace tessera::snapshots {

inline constexpr const char* starGroup = "PartType4";
inline constexpr const char* gasGroup = "PartType0";

// Rows [first, first + count) of a file whose group of the type has `rows` rows.
struct Piece {
    std::string path;
    std::uint64_t first = 0, count = 0, rows = 0;
};

// The last file stays open: galaxies are asked for in order.
class FileCache {
public:
    const h5::File& open(const std::string& path);

private:
    std::optional<h5::File> file_;
};

class ParticleReader {
public:
    explicit ParticleReader(const Header&);

    // Checks that a file's star group has what readStars needs; notes replacements and the bytes of a star.
    void checkStars(const h5::Group&, std::uint64_t rows, SnapshotInfo&) const;
    Stars readStars(const std::vector<Piece>&) const;
    Buffer<Vec3d> readPositions(const std::vector<Piece>&) const;  // of stars
    Gas readGas(const std::vector<Piece>&) const;

private:
    const FormationClock& clock() const;

    Header header_;
    mutable FileCache files_;
    mutable std::optional<FormationClock> clock_;
};

}  // namespace tessera::snapshots
