// A galaxy as the snapshot's catalogue knows it, and as Tessera observed it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/model/cube.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

struct SnapshotInfo {
    std::string path, format, simulation;
    int number = -1;
    double scaleFactor = 1, redshift = 0;
    double h = 1, omegaM = 0, omegaL = 0;  // of the simulation
    bool hasCosmology = false;             // false: the file names no Omega0 (rubix: ages come as they are)
    double boxSize = 0;                    // [kpc] physical at this snapshot; 0: not periodic
    double lengthUnit = 1;                 // [kpc] physical of the file's own length unit (for galaxies.centre)
    std::uint64_t numStars = 0;            // rows of PartType4, wind included
    std::uint64_t numGas = 0;
    std::int64_t numSubhalos = 0;
    std::size_t chunks = 1;
    double starBytes = 0;            // in the file, of what is read of one star
    std::vector<std::string> notes;  // what was assumed or replaced, one sentence each
};

// What the catalogue says of one galaxy. Files of one galaxy leave the optionals empty.
struct Subhalo {
    std::int64_t id = 0;
    ParticleRange stars, gas;  // rows of the snapshot, wind included
    // Rows of its own stars, where `stars` are those of its whole group.
    std::optional<ParticleRange> ownStars;
    std::optional<Vec3d> position;         // [kpc] physical, most bound particle
    std::optional<Vec3d> velocity;         // [km/s] peculiar, physical
    std::optional<double> halfMassRadius;  // [kpc] physical, of the stars
    std::optional<double> stellarMass;     // [Msun] current
    std::optional<double> sfr;             // [Msun/yr] of its gas
    bool cosmological = true;              // SubhaloFlag
};

// What the catalogue and the cube's attributes say of one galaxy seen in one view.
struct GalaxyReport {
    std::int64_t subhalo = 0;
    int view = 0;
    std::int64_t row = -1;  // of the table, in a run over its rows
    double redshift = 0;
    double luminosityDistanceMpc = 0, angularDistanceMpc = 0;
    double kpcPerArcsec = 0, spaxelArcsec = 0;
    std::uint64_t nStars = 0;         // stars of the galaxy (wind excluded)
    std::uint64_t nStarsInField = 0;  // of them in the aperture
    double massInField = 0;           // [Msun] initial mass of those
    std::uint64_t nClampedAge = 0;    // stars in the field outside the library's ages
    std::uint64_t nClampedMetallicity = 0;
    double massClamped = 0;  // [Msun] of stars clamped in either
    std::uint64_t nWind = 0;
    Mat3d rotation;               // x' = rotation * x (rows: sky x, sky y, line of sight)
    Vec3d centre;                 // [kpc] physical, box frame
    Vec3d systemicVelocity;       // [km/s]
    double luminosityInBand = 0;  // [Lsun] sum over stars in the field, before PSF; see docs/design.md
    std::string status = "ok";    // ok | skipped: reason | failed: reason
    double seconds = 0;
};

// One observed galaxy in one view.
struct GalaxyCube {
    GalaxyReport report;
    WavelengthGrid wavelength;
    SpaxelGrid grid;
    std::string unit;    // of flux
    std::string config;  // JSON of this cube's configuration where it is not the file's: of a run over rows
    Cube flux;           // [ny][nx][nLambda]; NaN outside the aperture
    Cube variance;       // empty where noise is off
    std::vector<Map> maps;
};

}  // namespace tessera
