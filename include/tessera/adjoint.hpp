// Derivatives of an observation: tangents (J v), cotangents (J^T w) and Gauss-Newton products of observe() without noise.
//
//   Linearisation at(Host{}, stars, input, config, 0, library, cosmology);
//   InputsBar g = at.vjp(cubeBar);          dL/d(inputs) for dL/d(cube) given
//   Cube d = at.jvp(v);                     change of the cube for a change v of the inputs
//   InputsBar h = at.gaussNewton(v);        J^T J v
//
// Definitions and derivations: docs/adjoints.md. Positions count where projection.footprint is not "nearest"; face-on frames and
// systemic velocities that the stars define, and the galaxy's centre, are held fixed. Values follow observe() within spectra.accuracy; jvp() and vjp() are each
// other's transposes up to float rounding. Results are bitwise the same for any number of threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tessera/comm/comm.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/pipeline.hpp"

namespace tessera {

// Cotangents or tangents of all inputs. Units: 1/unit of the input (cotangents), its unit (tangents).
struct InputsBar {
    StarsBar stars;  // in the order of the stars; empty in a tangent: none, and so may its positions and smoothing be
    Vec3d systemicVelocity;
    Vec3d centre;                                          // [kpc] of the galaxy, box axes; with a footprint
    double smoothing = 0;                                  // [kpc] projection.smoothing, where it is a number
    double redshiftShift = 0;                              // of the redshift that shifts the spectra
    double redshiftDistance = 0;                           // of that which sets the distance, and kpc of a spaxel
    double inclination = 0, positionAngle = 0, twist = 0;  // [deg]
    Vec3d eulerDeg;                                        // where view.orientation gives Euler angles
    Mat3d rotation{{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}};     // of the whole rotation, box to sky
    double psfFwhm = 0, psfBeta = 0, psfSigmaSpaxels = 0;  // those that the PSF has
    std::vector<double> lsf;                               // fwhm, sigma, resolution or the polynomial's coefficients
    std::vector<double> templates;                         // [template][wavelength] of the library; empty: none
};

struct GradientOptions {
    // PSF and LSF, and the redshift's part in the LSF where the library's resolution is subtracted: needs the spectra of the
    // forward model too.
    bool instrument = true;
    bool templates = false;
};

// Memory that linearisations use again, one after the other: of a large galaxy's stars clearing fresh pages takes as long as a
// tenth of the gradient. It is what the last of them used, some 80 bytes a star.
class LinearisationMemory {
public:
    LinearisationMemory();
    ~LinearisationMemory();
    LinearisationMemory(const LinearisationMemory&) = delete;
    LinearisationMemory& operator=(const LinearisationMemory&) = delete;

private:
    friend class Linearisation;
    struct Buffers;
    std::unique_ptr<Buffers> buffers_;
};

class Linearisation {
public:
    // All arguments must outlive it. EmptyField as in observe(). Noise is left out: a fixed realisation adds a constant.
    // With other ranks of `comm`, a call of all of these, it is of their parts of one galaxy's stars, as in Observer: then
    // vjp() too is a call of all, with the same cotangent. Each gets the gradients of its own stars, and all get those of what the
    // stars share; bitwise those of one rank. jvp() is of whole galaxies: Error.
    // known: tables of the library's knots. memory: of earlier ones; one that another linearisation has at the time is not there.
    Linearisation(Host, const Stars&, const GalaxyInput&, const Config&, std::size_t view, const SspLibrary&,
                  const Cosmology&, const InstrumentTables&, const Comm& comm = Comm::self(),
                  KnotCache* known = nullptr, LinearisationMemory* memory = nullptr);
    ~Linearisation();
    Linearisation(const Linearisation&) = delete;
    Linearisation& operator=(const Linearisation&) = delete;

    // cubeBar: of the cube's shape, finite in the aperture and where the library reaches; elsewhere it is not looked at.
    InputsBar vjp(const Cube& cubeBar, const GradientOptions& = {}) const;
    // With cotangents of maps beside, by name and with the maps' shape: of means and dispersions, mass and flux; finite in the
    // aperture. A cube of no size: of the maps alone. With other ranks: not of the templates.
    InputsBar vjp(const Cube& cubeBar, const std::vector<Map>& mapsBar, const GradientOptions& = {}) const;
    // 0 where observe() has NaN.
    Cube jvp(const InputsBar& tangent) const;
    // Of the maps, NaN where they have NaN.
    std::vector<Map> jvpMaps(const InputsBar& tangent) const;
    // J^T W J v, W diagonal: weight of the cube's shape, or nullptr: 1.
    InputsBar gaussNewton(const InputsBar& tangent, const Cube* weight = nullptr, const GradientOptions& = {}) const;

    const GalaxyReport& report() const;  // what of the view it says: distances, rotation, centre, systemic velocity
    std::vector<std::string> lsfNames() const;  // of InputsBar::lsf, as in the configuration

private:
    struct State;
    std::unique_ptr<State> state_;
};

// `tessera gradient`: the VJP of every galaxy and view of a configuration, written to one file (io/gradient_file.hpp).
// Galaxies are dealt to the ranks of MPI's world as in run(), large ones shared; each rank writes a file of its own with its rows,
// which rank 0 puts together.
struct GradientRun {
    std::string cotangent;  // file of dL/d(cube), see io/gradient_file.hpp
    std::string target;     // or a cube file: L is chi^2 of the noiseless cubes against it
    std::string output;
    GradientOptions options;
    bool quiet = false;
};
ExitCode writeGradients(const Config&, const GradientRun&);

}  // namespace tessera
