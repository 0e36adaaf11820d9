// FoF groups of a TNG-like group catalogue: their central subhalos and the rows of their stars.
//
// Groups follow each other without gaps, so that a group's first row is the sum of GroupLenType of those before it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/snapshot_layout.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/model/particles.hpp"

namespace tessera::snapshots {

class Groups {
public:
    // files: of the group catalogue.
    Groups(const TngLayout& layout, std::size_t files, std::int64_t numStars, std::int64_t numSubhalos)
        : layout_(layout), files_(files), numStars_(numStars), numSubhalos_(numSubhalos) {}

    // Of each subhalo whether it is GroupFirstSub of its group.
    std::vector<bool> centrals() const;
    // Rows of all stars of the group that holds these of one of its subhalos; none of none.
    ParticleRange starsAround(ParticleRange subhalo) const;

private:
    // f(/Group, its rows) for each file that has groups.
    void forEachFile(const std::function<void(const h5::Group&, std::uint64_t)>& f) const;

    TngLayout layout_;
    std::size_t files_;
    std::int64_t numStars_, numSubhalos_;
    mutable std::vector<std::int64_t> starts_;  // of the stars of every group, and their sum; read when first needed
};

}  // namespace tessera::snapshots
