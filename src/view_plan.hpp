// What the galaxies seen at one redshift share, and what of a galaxy decides about its table of knots: for observing and for its
// derivatives.
#pragma once

#include <cstdint>
#include <span>
#include <tuple>

#include "make_cube.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/pipeline.hpp"
#include "tessera/stages.hpp"

namespace tessera {

struct ViewPlan {
    GalaxyReport report;  // what it says of the redshift alone
    SpaxelGrid grid;
    CubePlan plan;
};
// Scale of a field at a redshift, and its spaxels in kpc.
double kpcPerArcsecOf(const Config&, const Cosmology&, double redshift);
SpaxelGrid fieldGrid(const Config&, double kpcPerArcsec);

ViewPlan planView(const Config&, const SspLibrary&, const Cosmology&, const InstrumentTables&, double redshift);

// Stars in the padding are left out.
void cropToField(Projected&, std::size_t n, std::size_t pad);
bool anyInMask(const Projected&, std::span<const std::uint8_t> mask, std::size_t n, std::size_t pad);

// Range of shifts, widened so that galaxies share tables; whether the galaxy is large.
using TableKey = std::tuple<float, float, bool>;
TableKey tableKeyOf(float shiftMin, float shiftMax, std::uint64_t starsInside);
KnotTable makeKnots(Host, const Config&, const SspLibrary&, const ViewPlan&, const TableKey&);

}  // namespace tessera
