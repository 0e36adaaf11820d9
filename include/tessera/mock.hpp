// Mock galaxies: a snapshot tree in the layout of IllustrisTNG, and one galaxy in memory.
//
// A galaxy is an exponential disc with a sech^2 height, a Hernquist (1990) bulge, a thinner gas disc with hot gas
// around it, in an NFW halo that is a potential only (no particles). The disc rotates with the circular velocity of all
// components less its asymmetric drift (Binney & Tremaine 2008, eq. 4.228); bulge dispersions solve the isotropic Jeans
// equation. Bulges are old and metal-rich; discs grow younger and metal-poorer outwards.
//
// Particle i of a galaxy is a pure function of (seed, galaxy, i): counter-based random numbers (Philox, Salmon et al.
// 2011). The same seed gives the same particles in the same order whatever the number of chunk files, threads or rows a
// block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tessera/model/particles.hpp"

namespace tessera {

struct MockOptions {
    std::string output;            // directory; config key snapshot.path is then "<output>/output"
    std::uint64_t galaxies = 8;    // subhalos
    std::uint64_t stars = 100000;  // rows of PartType4 in all: about 1 % wind-phase cells and 2.5 % fuzz included
    std::uint64_t gas = 50000;     // rows of PartType0 in all
    int chunks = 4;                // files of the snapshot, and of the group catalogue
    int snapshot = 99;             // 0-99: sets the redshift (99: 0; 67: 0.5; 50: 1); not one of TNG's 20 full: a mini
    std::uint64_t seed = 1;
    bool force = false;               // replaces a mock made earlier at this place; never anything else
    std::size_t blockRows = 1 << 18;  // rows in memory at a time (110 bytes each)
};

// What was written.
struct MockReport {
    std::string basePath;  // "<output>/output"
    double redshift = 0;
    std::uint64_t stars = 0, gas = 0, wind = 0;  // wind: rows of PartType4 that are wind-phase cells
    std::uint64_t subhalos = 0, groups = 0;
    std::uint64_t files = 0, bytes = 0;
};

// Writes <output>/output/snapdir_NNN/snap_NNN.C.hdf5, <output>/output/groups_NNN/fof_subhalo_tab_NNN.C.hdf5,
// <output>/postprocessing/offsets/offsets_NNN.hdf5 and <output>/mock.json (the options and each galaxy's parameters).
// Everything goes to a temporary directory beside the output, which is renamed when complete and removed on failure.
//
// Galaxies: subhalo 0 has half of all stars and, whatever their number, 5e10 Msun formed; the central of the second
// group sits on the box border; with 6 galaxies or more (and 200 stars or more) there are one of 20, one of 3 and one
// of no stars. Some galaxies have no gas. The last group has no subhalo. With 3 chunks or more the second file has no
// gas.
//
// ConfigError: options out of range. Error: the output exists and is not a mock (or is, without force), disk too small.
MockReport makeMock(const MockOptions&);

// The star particles of one galaxy of 5e10 Msun formed (or stellarMass [Msun]) at redshift 0, centred on the origin and
// at rest; its spin axis is +z, the disc in the x-y plane. No wind.
Stars mockGalaxy(std::uint64_t stars, std::uint64_t seed, double stellarMass = 5e10);

}  // namespace tessera
