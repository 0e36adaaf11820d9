// Cotangent and gradient files (HDF5).
//
// Cotangent: /galaxies/<subhalo>/flux [ny][nx][nLambda] f4, dL/d(cube)      (view k > 0: /galaxies/<subhalo>/view_k/flux)
//            /galaxies/<subhalo>/maps/NAME [ny][nx] f4, dL/d(map)           one of the two at least
// Gradient:  /                          attrs: tessera_version, commit, config, ssp_sha256, snapshot, cotangent, created
//   /galaxies/<subhalo>/gradient/mass         [rows] f4, attr unit 1/Msun
//                               /log_age      [rows] f4, of log10(age/yr): 1/dex
//                               /metallicity  [rows] f4, of the mass fraction
//                               /velocity     [rows][3] f4, 1/(km/s), box axes
//                               /coords       [rows][3] f4, 1/kpc, box axes; zero where projection.footprint is "nearest"
//                                             (attr note: why)
//                               /smoothing    [rows] f4, 1/kpc; with projection.footprint "sph"
//                               /templates    [nZ][nAge][nLambda] f8, where it was asked for
//                               attrs: the scalars, see GradientFields     (view k > 0: /galaxies/<subhalo>/view_k/gradient)
// rows: star particles of the subhalo as in the snapshot, wind included (0).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tessera/io/cube_file.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

struct Cotangent {
    Cube flux;              // of no size: none
    std::vector<Map> maps;  // those that there are
};
// Error: no such galaxy or view (names the galaxies there are); flux not of rank 3, or a map not of rank 2.
Cotangent readCotangent(const std::string& path, std::int64_t subhalo, int view);
bool hasCotangent(const std::string& path, std::int64_t subhalo, int view);

struct GradientFields {
    std::int64_t subhalo = 0;
    int view = 0;
    StarsBar stars;                                                    // of rows from firstRow on
    bool withPositions = false, withSmoothing = false;                 // of the stars
    std::vector<std::uint64_t> windRows;                               // as in Stars
    std::uint64_t firstRow = 0, rows = 0;                              // of the galaxy's `rows`
    std::vector<std::pair<std::string, std::vector<double>>> scalars;  // attributes: a number, or three
    std::vector<double> templates;                                     // empty: none
    std::uint64_t nZ = 0, nAge = 0, nLambda = 0;                       // of the templates
};

// An array in the order of the stars put back into the order of the file's rows: zeros at the wind's.
template <class T>
std::vector<T> withWindRows(const Buffer<T>& values, const std::vector<std::uint64_t>& windRows) {
    std::vector<T> out(values.size() + windRows.size(), T{});
    auto wind = windRows.begin();
    std::size_t row = 0;
    for (const T& v : values) {
        for (; wind != windRows.end() && *wind == row; ++wind) ++row;
        out[row++] = v;
    }
    return out;
}

// Writes under a temporary name; finish() renames. Errors name the file and the galaxy.
class GradientFileWriter {
public:
    GradientFileWriter(const std::string& path, const CubeFileHeader&, const std::string& cotangent);
    ~GradientFileWriter();
    GradientFileWriter(GradientFileWriter&&) noexcept;
    GradientFileWriter& operator=(GradientFileWriter&&) noexcept;

    void write(const GradientFields&);
    // All galaxies of another, finished gradient file. Those that are here already are other rows of theirs: the file with their
    // first rows, which has room for all, comes before.
    void append(const std::string& path);
    void finish();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
