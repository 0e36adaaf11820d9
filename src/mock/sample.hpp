// One particle at a time: what the mass model says of particle `index` of a galaxy, and of fuzz. Lengths in kpc
// (physical), relative to the centre; velocities in km/s relative to the galaxy.
#pragma once

#include <cstdint>

#include "mock/model.hpp"
#include "tessera/core/hd.hpp"

namespace tessera::mock {

struct StarSample {
    Vec3f position, velocity;
    float initialMass = 0, mass = 0;  // [Msun] formed; now
    float age = 0;                    // [Gyr]
    float metallicity = 0;            // mass fraction
    float smoothing = 0;              // [kpc] radius of about 64 neighbours
    bool wind = false;
    float windTime = 0;  // (0, 0.1]: GFM_StellarFormationTime of a wind-phase cell is minus this
};

struct GasSample {
    Vec3f position, velocity;
    float mass = 0;               // [Msun]
    float density = 0;            // [Msun/kpc^3]
    float internalEnergy = 0;     // [(km/s)^2]
    float electronAbundance = 0;  // n_e / n_H
    float starFormationRate = 0;  // [Msun/yr]
    float metallicity = 0;
    float smoothing = 0;
};

struct StarRecipe {
    double particleMass = 1e6;  // [Msun] mean initial mass
    double oldest = 13;         // [Gyr]
    double windFraction = 0;
};

// Share of the initial mass that a star population has given back after `age` [Gyr] (Leitner & Kravtsov 2011,
// Chabrier).
float returnedFraction(float age);

StarSample sampleStar(const GalaxyModel&, const StarRecipe&, Source, std::uint64_t index);
GasSample sampleGas(const GalaxyModel&, double cellMass, Source, std::uint64_t index);

// Fuzz: a sphere of old, metal-poor stars and hot gas with Hernquist's profile of scale `scale`, cut at `radius`, with
// one isotropic dispersion. radius 0: all at the centre (the caller places each).
struct FuzzRecipe {
    double scale = 0, radius = 0;  // [kpc]
    double dispersion = 0;         // [km/s]
    double temperature = 1e6;      // [K]
};
StarSample sampleFuzzStar(const FuzzRecipe&, const StarRecipe&, Source, std::uint64_t index);
GasSample sampleFuzzGas(const FuzzRecipe&, double cellMass, Source, std::uint64_t index);

}  // namespace tessera::mock
