// The cube file (HDF5). Schema:
//
//   /                           attrs: tessera_version, commit, config (JSON as used), ssp_sha256, snapshot,
//                                      galaxies_sha256, created, ranks, backend; of a shard: shard, shards; of a run
//                                      over the rows of a table: rows_sha256
//   /wavelength                 [nLambda] f8 Angstrom (pixel centres); attrs unit, step [Angstrom or dex], log (0 | 1)
//                               where cubes differ in it, not here but beside each flux
//   /galaxies/<subhalo>/flux    [ny][nx][nLambda] f4, attr unit       (view k > 0: /galaxies/<subhalo>/view_k/...)
//                      /variance    [ny][nx][nLambda] f4              (when noise is on)
//                      /maps/<name> [ny][nx] f4, attr unit
//                      attrs: subhalo, redshift, D_L_Mpc, D_A_Mpc, kpc_per_arcsec, spaxel_arcsec, n_stars,
//                             n_stars_in_field, mass_in_field, n_clamped_age, n_clamped_metallicity, mass_clamped,
//                             n_wind, rotation (3x3), centre, systemic_velocity, luminosity_in_band; in a run
//                             over rows also config (JSON as used for this cube)
//   /catalog                    one dataset per column, one row per galaxy and view, in the order of the configuration:
//                               the same numbers, view, status (fixed-length text) and seconds; of a run over rows
//                               in their order, with the column row (counted from 0)
//
// Cubes are stored in chunks of about 10 x 10 spaxels x 512 wavelengths, so that a spectrum and an image at one
// wavelength both read few of them, shuffled and deflated (compression 0: neither). The attributes are those of
// GalaxyReport. In a file that `tessera merge` made, or one of output.layout parts or galaxies, /galaxies/<subhalo> may be
// an external link into another file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/model/galaxy.hpp"

namespace tessera {

struct CubeFileHeader {
    std::string version, commit, config, sspSha256, snapshot, backend;
    std::string galaxiesSha256;  // of what the snapshot's catalogue says of the galaxies of all shards
    std::string rowsSha256;      // of a run over the rows of a table; else empty
    int ranks = 1;
    unsigned shard = 0, shards = 1;  // part `shard` (from 0) of `shards`; 1: the whole
    WavelengthGrid wavelength;       // of size 0: every cube has its own
    int compression = 4;
};

// What keeps cubes of `a` from standing beside those of `b` in one file, as "another SSP library"; empty: nothing. Where
// output goes and resources do not matter, nor which of the shards it is.
std::string differenceOf(const CubeFileHeader& a, const CubeFileHeader& b);

// Writes to a temporary name beside the final one, PATH.tmp.<pid>; finish() renames. Destroyed without finish(), it
// removes the temporary file. Errors name the file and the galaxy.
class CubeFileWriter {
public:
    CubeFileWriter(const std::string& path, const CubeFileHeader&);
    ~CubeFileWriter();
    CubeFileWriter(CubeFileWriter&&) noexcept;
    CubeFileWriter& operator=(CubeFileWriter&&) noexcept;

    void write(const GalaxyCube&);    // Error where this galaxy and view are there already
    void startSync() const noexcept;  // what is written begins to go to disk, for a finish() that is synced
    // synced: the file is on disk when this returns, not in the system's memory only.
    void finish(const std::vector<GalaxyReport>& catalogue, bool synced = false);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Reads one galaxy of a cube file back (tessera export, tests). Error: no such galaxy (names those there are), datasets
// missing or of the wrong shape.
GalaxyCube readGalaxyCube(const std::string& path, std::int64_t subhalo, int view = 0);
std::vector<std::int64_t> galaxiesInFile(const std::string& path);  // ascending
// Header of a complete file; empty where there is no such file or it is no complete cube file.
std::optional<CubeFileHeader> headerOfComplete(const std::string& path);
std::string configInFile(const std::string& path);  // the JSON of the run; empty where there is none

}  // namespace tessera
