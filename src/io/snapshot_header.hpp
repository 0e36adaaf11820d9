// The header of Gadget-like snapshots, and the units of their datasets.
#pragma once

#include <optional>
#include <string>

#include "tessera/io/hdf5.hpp"
#include "tessera/model/galaxy.hpp"

namespace tessera::snapshots {

// What a dataset holds: its default unit and scaling where it carries no attributes.
enum class Quantity { none, length, mass, velocity, physicalVelocity, density, specificEnergy, massRate };

// Units of length 1 kpc/h, mass 1e10 Msun/h and velocity 1 km/s, comoving, unless the header names others. Code units
// are old roundings of these (1.989e43 g for 1e10 Msun): a unit within 1 % of its name is taken to be exactly what it
// is named after.
struct Units {
    double a = 1, h = 1;
    double length = 1;    // [kpc]
    double mass = 1e10;   // [Msun]
    double velocity = 1;  // [km/s]

    // Factor from a stored value without attributes to kpc, Msun, km/s, Msun/kpc^3, (km/s)^2, Msun/yr, all physical.
    double factor(Quantity) const;
    // The same, where the dataset's a_scaling, h_scaling and to_cgs (0: no unit) have precedence.
    double factor(Quantity, const h5::Dataset&) const;
};

struct Header {
    Units units;
    // Fills the fields of SnapshotInfo that a header decides: time, cosmology, box, name, number, lengthUnit.
    SnapshotInfo info;
};

// Time or Redshift may be absent (one gives the other); OmegaLambda absent: flat; all attributes scalar or 1-element.
// Error: neither time nor redshift, no HubbleParam, or values that cannot be.
Header readHeader(const h5::File&);

}  // namespace tessera::snapshots
