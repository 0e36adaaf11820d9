// Where a galaxy's centre lies when no catalogue says it.
#pragma once

#include "tessera/core/gather.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

// The densest point [kpc] of the stars, by the shrinking sphere (Power et al. 2003, MNRAS 338, 14): a sphere about the
// centre of mass of all stars shrinks by a tenth at a time and moves onto the centre of mass of the stars inside, until
// fewer than 1 % of the stars (at least 10, at most 1000) are left. Masses are the weights; where all are zero,
// numbers. Not periodic; the same however many processes share the stars. Error where there are no stars.
Vec3d densestPoint(const Stars&, const Gather& = {});

}  // namespace tessera
