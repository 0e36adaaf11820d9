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
    std::string skipped;  // why it is not observed; empty: it is
};

// Error: names the subhalo.
Galaxy readGalaxy(const RunPlan&, const Subhalo&);

}  // namespace tessera
