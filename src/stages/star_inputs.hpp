// Between a star's record (template weights, mass, shift) and what the user gives (mass, age, metallicity, velocity):
// transpose and tangent of project() and bin(). Derivations 2, 6 and 7 of docs/adjoints.md.
#pragma once

#include "tessera/physics/star_inputs.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// Stars outside the field, and RUBIX's dark ones, keep 0.
ViewSums inputsOfRecords(Host, const Stars&, const GalaxyFrame&, const BinnedStars&, const KnotTable&, Doppler,
                         const StarRecordBar* bar, StarsBar& out);

// Tangent of what the stars see of the view.
struct ViewDot {
    Vec3d systemicVelocity, lineOfSight;
    double shift = 0;
};
// dot[record] of tangents of the stars (nullptr: none) and of the view.
void recordsOfInputs(Host, const Stars&, const GalaxyFrame&, const BinnedStars&, const KnotTable&, Doppler,
                     const StarsBar* tangent, const ViewDot&, StarRecordBar* dot);

}  // namespace tessera
