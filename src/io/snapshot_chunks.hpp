// A sequence cut into chunk files: particles of a type in a snapshot, subhalos in a group catalogue.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/io/hdf5.hpp"

namespace tessera::snapshots {

// start[c]: global index of the first row of chunk c; total: rows of all chunks. Empty chunks share a start with the
// next one.
class Chunks {
public:
    Chunks() = default;
    // Error (naming `where`) where the starts do not begin at 0, descend, or exceed the total.
    Chunks(std::vector<std::int64_t> starts, std::int64_t total, const std::string& where);

    std::size_t count() const { return starts_.size(); }
    std::int64_t total() const { return total_; }
    std::int64_t start(std::size_t c) const { return starts_[c]; }
    std::int64_t rows(std::size_t c) const { return (c + 1 < starts_.size() ? starts_[c + 1] : total_) - starts_[c]; }
    // The last chunk with start <= row: the one that holds the row, since chunks that are empty come before it.
    std::size_t holding(std::int64_t row) const;

private:
    std::vector<std::int64_t> starts_;
    std::int64_t total_ = 0;
};

// NumPart_Total of a header for a type: 32 bits with NumPart_Total_HighWord, or 64 bits without.
std::int64_t totalParticles(const h5::Group& header, std::size_t type);
// Attribute value of a type; Error where it has fewer than six values or a negative one.
std::int64_t perType(const h5::Group& header, const std::string& name, std::size_t type);
// A count of either name (TNG: Nsubgroups_*, MTNG: Nsubhalos_*); Error where neither is there or it is negative.
std::int64_t countOf(const h5::Group& header, const std::string& name, const std::string& other);

}  // namespace tessera::snapshots
