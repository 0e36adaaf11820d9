// Shards of a run (tessera run --shard I/N) put together into one cube file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tessera {

// cubes.hdf5 -> cubes.shard3.hdf5
std::string shardPath(const std::string& path, unsigned shard);
// The shards of `path` in its directory, in the order of their numbers.
std::vector<std::string> findShards(const std::string& path);

enum class MergeBy {
    links,  // /galaxies/<subhalo> are external links with paths relative to the merged file: shards must stay there
    copies  // the merged file stands alone
};

struct Merged {
    std::size_t shards = 0, rows = 0, galaxies = 0;
};

// Writes the merged file under a temporary name, then renames it. Its catalogue has the rows of all shards in order.
// Error, naming the file: not all shards are there, one is there twice or unfinished or damaged, or differs from the
// first in version, configuration, SSP library or snapshot.
Merged mergeShards(const std::vector<std::string>& shards, const std::string& output, MergeBy);

}  // namespace tessera
