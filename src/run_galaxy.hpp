// A galaxy as run() reads it, or the part of one that a rank has.
#pragma once

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

// Reads the rows of a share. What is wrong with them is what `skipped` says; strict: an Error that names the subhalo.
Galaxy readGalaxy(const RunPlan&, const Share&, bool strict);
// What takes all stars of a galaxy: whether there are enough, their mass, its centre. A call of all ranks that have a
// part of it, with the same outcome on each.
void completeGalaxy(Galaxy&, const RunPlan&, const Comm&, bool strict);

// "failed: reason" for the catalogue, from the message of an error; not longer than some hundred characters.
std::string failedStatus(const Subhalo&, std::string reason);
inline constexpr const char* outOfMemory =
    "out of memory; a smaller telescope.fov, fewer wavelengths or fewer ranks on the node need less";

}  // namespace tessera
