// Where the files of a TNG-like simulation lie below (and beside) its base directory.
//
//   snapdir_NNN/snap_NNN.C.hdf5            snapshot_NNN.C.hdf5 in Illustris; snap_NNN.hdf5 without a folder if one file
//   groups_NNN/fof_subhalo_tab_NNN.C.hdf5  groups_NNN.C.hdf5 in Illustris; likewise
//   ../postprocessing/offsets/offsets_NNN.hdf5
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tessera::snapshots {

// Numbers of the snapshots below a base directory, ascending.
std::vector<int> snapshotNumbers(const std::filesystem::path& base);

class TngLayout {
public:
    // number -1: the highest there. Error: no directory, no snapshots, or not this one (lists those there are).
    TngLayout(const std::string& base, int number);

    int number() const { return number_; }
    std::string snapshotFile(std::size_t chunk) const;
    std::string groupFile(std::size_t chunk) const;
    // Empty where there is none.
    std::string offsetsFile() const;
    // Chunk files 0, 1, ... that exist without a gap.
    std::size_t snapshotFiles() const;
    std::size_t groupFiles() const;

private:
    std::filesystem::path base_;
    int number_;
    std::string snapshot_, group_;  // path before ".C.hdf5", or whole where single
    bool snapshotSingle_ = false, groupSingle_ = false;
};

}  // namespace tessera::snapshots
