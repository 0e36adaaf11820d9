// When a snapshot was taken: TNG's numbering of its 100 snapshots, and times in its cosmology.
#pragma once

#include "tessera/physics/cosmology.hpp"

namespace tessera::mock {

inline constexpr int lastSnapshot = 99;
inline constexpr double gravity = 4.30091e-6;  // [kpc (km/s)^2 / Msun]: G with IAU 2015 GM_sun and parsec

struct Epoch {
    int number = 99;
    bool full = true;  // one of the 20 snapshots with all fields; the others are mini snapshots
    double redshift = 0;
    double scaleFactor = 1;
    double age = 0;       // [Gyr] of the universe
    double oldest = 0;    // [Gyr] age of the oldest stars
    Cosmology cosmology;  // illustrisTng()

    // Scale factor at which a star that is `starAge` [Gyr] old formed: t(a) inverted (flat Lambda, no radiation).
    double formation(double starAge) const;
    // Critical density [Msun/kpc^3, physical].
    double criticalDensity() const;
};

// The redshifts are the nominal ones of Nelson et al. 2019, table 2 (snapshot 91 is 0.1), for the mini snapshots
// between them linear in ln(1+z). ConfigError outside 0-99.
Epoch epochOf(int snapshot);

}  // namespace tessera::mock
