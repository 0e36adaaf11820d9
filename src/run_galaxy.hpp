// A galaxy as run() reads it, or the part of one that a rank has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "deal.hpp"
#include "run_plan.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

struct Galaxy {
    Stars stars;  // this rank's part
    GalaxyInput input;
    std::uint64_t rows = 0;               // that were read
    std::uint64_t nStars = 0, nWind = 0;  // of all parts
    double mass = 0;                      // [Msun] initial mass of all its stars
    std::string skipped;                  // why it is not observed ("skipped: ...", "failed: ..."); empty: it is
};

// Reads shares one after the other. Those of small galaxies that lie close together in the file are read at once.
class GalaxyReader {
public:
    static constexpr std::uint64_t mostRowsAtOnce = std::uint64_t(1) << 18;

    // strict: what is wrong with the rows of a galaxy is an Error that names it; else Galaxy::skipped says so.
    GalaxyReader(const RunPlan& plan, std::span<const Share> shares, bool strict)
        : plan_(plan), shares_(shares), strict_(strict) {}

    // The share at this place; places ascend.
    Galaxy read(std::size_t place);

private:
    Galaxy begin(const Share&) const;
    std::size_t endOfBatch(std::size_t place) const;
    void readBatch(std::size_t place);

    const RunPlan& plan_;
    std::span<const Share> shares_;
    bool strict_;
    std::size_t tried_ = 0;                 // places before this one were read in a batch, or that failed
    std::map<std::size_t, Stars> waiting_;  // read, by their place
};

// What takes all stars of a galaxy: whether there are enough, their mass, its centre. A call of all ranks that have a
// part of it, with the same outcome on each.
void completeGalaxy(Galaxy&, const RunPlan&, const Comm&, bool strict);

// "failed: reason" for the catalogue, from the message of an error; not longer than some hundred characters.
std::string failedStatus(const Subhalo&, std::string reason);
inline constexpr const char* outOfMemory =
    "out of memory; a smaller telescope.fov, fewer wavelengths or fewer ranks on the node need less";

}  // namespace tessera
