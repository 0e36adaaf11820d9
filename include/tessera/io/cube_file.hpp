// The cube file (HDF5). Schema:
//
//   /                           attrs: tessera_version, commit, config (JSON as used), ssp_sha256, snapshot, created,
//                                      ranks, backend
//   /wavelength                 [nLambda] f8 Angstrom (pixel centres); attrs unit, step [Angstrom or dex], log (0 | 1)
//   /galaxies/<subhalo>/flux    [ny][nx][nLambda] f4, attr unit       (view k > 0: /galaxies/<subhalo>/view_k/...)
//                      /variance    [ny][nx][nLambda] f4              (when noise is on)
//                      /maps/<name> [ny][nx] f4, attr unit
//                      attrs: subhalo, redshift, D_L_Mpc, D_A_Mpc, kpc_per_arcsec, spaxel_arcsec, n_stars,
//                             n_stars_in_field, mass_in_field, n_clamped_age, n_clamped_metallicity, mass_clamped,
//                             n_wind, rotation (3x3), centre, systemic_velocity, luminosity_in_band
//   /catalog                    one dataset per column, one row per galaxy and view, in the order of the configuration:
//                               the same numbers, view, status (fixed-length text) and seconds
//
// Cubes are stored in chunks of about 10 x 10 spaxels x 512 wavelengths, so that a spectrum and an image at one
// wavelength both read few of them, shuffled and deflated (compression 0: neither). The attributes are those of
// GalaxyReport.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tessera/model/galaxy.hpp"

namespace tessera {

struct CubeFileHeader {
    std::string version, commit, config, sspSha256, snapshot, backend;
    int ranks = 1;
    WavelengthGrid wavelength;
    int compression = 4;
};

// Writes to a temporary name beside the final one, PATH.tmp.<pid>; finish() renames. Destroyed without finish(), it
// removes the temporary file. Errors name the file and the galaxy.
//
// Many ranks, one file: one rank makes the writer and suspends it, the others join() it with that rank's process id;
// then each in turn resumes, writes and suspends. The rank that made it resumes and finishes.
class CubeFileWriter {
public:
    CubeFileWriter(const std::string& path, const CubeFileHeader&);
    static CubeFileWriter join(const std::string& path, const CubeFileHeader&, long creatorPid);  // suspended
    ~CubeFileWriter();
    CubeFileWriter(CubeFileWriter&&) noexcept;
    CubeFileWriter& operator=(CubeFileWriter&&) noexcept;

    void write(const GalaxyCube&);  // Error where this galaxy and view are there already
    void finish(const std::vector<GalaxyReport>& catalogue);
    // Closes and reopens the temporary file, so that ranks may take turns (see pipeline run()).
    void suspend();
    void resume();

private:
    struct Impl;
    explicit CubeFileWriter(std::unique_ptr<Impl>);
    std::unique_ptr<Impl> impl_;
};

// Reads one galaxy of a cube file back (tessera export, tests). Error: no such galaxy (names those there are), datasets
// missing or of the wrong shape.
GalaxyCube readGalaxyCube(const std::string& path, std::int64_t subhalo, int view = 0);
std::vector<std::int64_t> galaxiesInFile(const std::string& path);  // ascending
std::string configInFile(const std::string& path);                  // the JSON of the run; empty where there is none

}  // namespace tessera
