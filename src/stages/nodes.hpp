// Bounds on the spacing of nodes of shift, see nodeSpacing() in stages.hpp.
#pragma once

namespace tessera {

constexpr double widestNodeStep = 5e-4, narrowestNodeStep = 1e-6;  // 150 and 0.3 km/s

// Nodes reach less than this many spacings beyond the stars' shifts, on both sides.
constexpr double nodesBeyond = 2;

}  // namespace tessera
