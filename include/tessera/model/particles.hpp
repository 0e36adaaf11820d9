// Particles in physical units, as the readers hand them over: not yet centred, not yet oriented.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/core/memory.hpp"

namespace tessera {

// A contiguous run of particles of one type in a snapshot's global order.
struct ParticleRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

// Where a galaxy's rows may be cut into parts for several processes: at multiples of this from its first row. Sums over
// stars are made of sums over such blocks, so that they do not depend on the cuts.
inline constexpr std::uint64_t blockRows = 4096;

// Star particles (wind-phase cells removed). All arrays have the same length.
struct Stars {
    Buffer<Vec3d> position;     // [kpc] physical, in the snapshot's box
    Buffer<Vec3f> velocity;     // [km/s] peculiar, physical
    Buffer<float> mass;         // [Msun] *initial* mass: SSP libraries are normalised to 1 Msun formed
    Buffer<float> age;          // [Gyr] t(a_snapshot) - t(a_formation)
    Buffer<float> metallicity;  // mass fraction
    Buffer<float> smoothing;    // [kpc] smoothing length; empty where the snapshot has none

    // Rows of the input (relative to its start, ascending) that were wind and were left out: with them an array in
    // the order of the stars is put back into the order of the file.
    std::vector<std::uint64_t> windRows;

    Stars() = default;
    // n stars of values to be filled in; no smoothing lengths.
    explicit Stars(std::size_t n) : position(n), velocity(n), mass(n), age(n), metallicity(n) {}

    std::size_t size() const noexcept { return mass.size(); }
    // Gives up what says where they are and how they move: three quarters of their memory.
    void dropMotion() {
        position = {};
        velocity = {};
        smoothing = {};
    }
};

// Rows [first, first + count) of what was read, wind included: as if they alone had been read.
Stars sliceRows(const Stars&, std::uint64_t first, std::uint64_t count);

// Cotangents (or tangents) of Stars, in their order. Units: 1/unit of the input. Of positions there are none where a star shines
// into its nearest spaxel.
struct StarsBar {
    Buffer<float> mass;         // per Msun
    Buffer<float> logAge;       // per dex, of log10(age/yr)
    Buffer<float> metallicity;  // per unit of mass fraction
    Buffer<Vec3f> velocity;     // per km/s
    Buffer<Vec3f> position;     // per kpc, box axes; empty: none
    Buffer<float> smoothing;    // per kpc; empty: none

    StarsBar() = default;
    // Without positions and smoothing lengths.
    explicit StarsBar(std::size_t n) : mass(n, 0.0F), logAge(n, 0.0F), metallicity(n, 0.0F), velocity(n, Vec3f{}) {}
    std::size_t size() const noexcept { return mass.size(); }
};

// Gas cells. Fields a snapshot lacks (mini snapshots) are empty.
struct Gas {
    Buffer<Vec3d> position;           // [kpc]
    Buffer<Vec3f> velocity;           // [km/s]
    Buffer<float> mass;               // [Msun]
    Buffer<float> density;            // [Msun/kpc^3]
    Buffer<float> internalEnergy;     // [(km/s)^2]
    Buffer<float> electronAbundance;  // n_e / n_H
    Buffer<float> starFormationRate;  // [Msun/yr]
    Buffer<float> metallicity;        // mass fraction
    Buffer<float> hydrogen;           // mass fraction (GFM_Metals[0]), else empty
    Buffer<float> oxygen;             // mass fraction (GFM_Metals[4]), else empty
    Buffer<float> smoothing;          // [kpc]

    std::size_t size() const noexcept { return mass.size(); }
};

}  // namespace tessera
