#include "io/snapshot_groups.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/snapshot_chunks.hpp"
#include "io/snapshot_column.hpp"
#include "tessera/core/error.hpp"

namespace tessera::snapshots {

void Groups::forEachFile(const std::function<void(const h5::Group&, std::uint64_t)>& f) const {
    for (std::size_t c = 0; c < files_; ++c) {
        const auto file = h5::File::openRead(layout_.groupFile(c));
        const std::int64_t rows = countOf(file.root().group("Header"), "Ngroups_ThisFile", "Nhalos_ThisFile");
        if (rows > 0) f(file.root().group("Group"), std::uint64_t(rows));
    }
}

std::vector<bool> Groups::centrals() const {
    std::vector<bool> central(std::size_t(numSubhalos_), false);
    forEachFile([&](const h5::Group& g, std::uint64_t rows) {
        Column(g, "GroupFirstSub", 1, rows);
        const auto first = g.dataset("GroupFirstSub").readAll<std::int64_t>();
        for (std::size_t i = 0; i < first.size(); ++i) {
            if (first[i] < 0) continue;  // a group without subhalos
            if (first[i] >= numSubhalos_)
                throw Error(fmt::format("{}/GroupFirstSub: row {} is {}; the catalogue has {} subhalos", g.where(), i,
                                        first[i], numSubhalos_));
            central[std::size_t(first[i])] = true;
        }
    });
    return central;
}

ParticleRange Groups::starsAround(ParticleRange subhalo) const {
    if (subhalo.count == 0) return {};
    if (starts_.empty()) {
        std::vector<std::int64_t> starts{0};
        forEachFile([&](const h5::Group& g, std::uint64_t rows) {
            Column(g, "GroupLenType", 6, rows);
            std::vector<std::int64_t> lengths(rows);
            const hsize_t start[] = {0, 4}, count[] = {rows, 1};  // of the stars
            g.dataset("GroupLenType").readSlab<std::int64_t>(start, count, lengths.data());
            for (std::size_t i = 0; i < rows; ++i) {
                if (lengths[i] < 0 || lengths[i] > numStars_ - starts.back())
                    throw Error(fmt::format("{}/GroupLenType: row {} has {} stars from row {} on; the snapshot has {}",
                                            g.where(), i, lengths[i], starts.back(), numStars_));
                starts.push_back(starts.back() + lengths[i]);
            }
        });
        starts_ = std::move(starts);
    }
    // The last group that begins at or before it: those without stars come first of equals.
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), std::int64_t(subhalo.first));
    const auto first = std::uint64_t(*(after - 1));
    if (after == starts_.end() || subhalo.first + subhalo.count > std::uint64_t(*after))
        throw Error(fmt::format("{}:/Group/GroupLenType: no group holds the {} stars of a subhalo from row {} on",
                                layout_.groupFile(0), subhalo.count, subhalo.first));
    return {first, std::uint64_t(*after) - first};
}

}  // namespace tessera::snapshots
