// A galaxy as run() reads it.
#pragma once

#include <string>

#include "run_plan.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

// The stars of a galaxy and where its centre is.
struct Galaxy {
    Stars stars;
    GalaxyInput input;
    double mass = 0;      // [Msun] initial mass of its stars
    std::string skipped;  // why it is not observed ("skipped: ...", "failed: ..."); empty: it is
};

// Error: names the subhalo.
Galaxy readGalaxy(const RunPlan&, const Subhalo&);
// Instead of an error, or where memory does not suffice, a galaxy without stars that says so.
Galaxy tryToReadGalaxy(const RunPlan&, const Subhalo&);

// "failed: reason" for the catalogue, from the message of an error; not longer than some hundred characters.
std::string failedStatus(const Subhalo&, std::string reason);
inline constexpr const char* outOfMemory =
    "out of memory; a smaller telescope.fov, fewer wavelengths or fewer ranks on the node need less";

}  // namespace tessera
