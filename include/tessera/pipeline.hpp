// From particles to a cube: the stages of docs/design.md in order.
//
//   observe(): pure; particles, view and instrument in, cube out. Observer: the same for many galaxies.
//   run():     read, observe, write, for every galaxy of a configuration.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tessera/comm/comm.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/exec.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/model/image.hpp"
#include "tessera/model/instrument.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/model/ssp.hpp"
#include "tessera/physics/cosmology.hpp"

namespace tessera {

// Where a galaxy comes with stars of others that shine into its field.
struct FieldStars {
    std::uint64_t ownRows = 0;  // the first so many rows of these stars, wind included, are its own; the rest others'
    double depth = 0;           // [kpc] along the line of sight, the galaxy in its middle
};

// What defines a galaxy beyond its stars.
struct GalaxyInput {
    Subhalo subhalo;
    double boxSize = 0;  // [kpc] 0: not periodic
    Vec3d centre;        // [kpc] box frame
    // Systemic velocity and axes are those of its own stars, the cube is of all of them. Observed on the CPU.
    std::optional<FieldStars> field{};
};

// Files that the instrument's configuration names, read once.
struct InstrumentTables {
    std::optional<Image> psfImage;
    std::optional<LineWidthTable> lineWidths;
};
InstrumentTables loadInstrumentTables(const Config&);

// Cosmology of the run: by name, or the snapshot's own.
Cosmology cosmologyOf(const CosmologyConfig&, const SnapshotInfo&);

// Pixels of the grid that the library covers at this redshift; with Outside::error, an Error where it is not all of
// them.
std::vector<std::uint8_t> coveredPixels(const WavelengthGrid&, const SspLibrary&, double redshift, Outside);

// A galaxy that cannot be observed, whatever the machine: all ranks that share it find so.
class Unobservable : public Error {
public:
    using Error::Error;
};
// No star of the galaxy lies in the field of view.
class EmptyField : public Unobservable {
public:
    using Unobservable::Unobservable;
};

// Centre, orient, project, accumulate, convolve, add noise: physics.md's steps 2 to 10 for one galaxy in one view.
GalaxyCube observe(Host, const Stars&, const GalaxyInput&, const Config&, std::size_t view, const SspLibrary&,
                   const Cosmology&, const InstrumentTables& = {});

// What the noise of a cube is drawn from, beside the galaxy's id.
struct NoiseKey {
    std::uint64_t seed = 0;
    std::uint32_t view = 0;  // number of the cube among its galaxy's
};

// One of several galaxies; what it points to is the caller's.
struct GalaxyToObserve {
    const Stars* stars = nullptr;
    const GalaxyInput* input = nullptr;
    NoiseKey noise;
};
struct Observed {
    GalaxyCube cube;
    std::exception_ptr fault;  // why there is no cube: what observe() would have thrown
};
using ObservedUse = std::function<void(std::size_t galaxy, Observed&&)>;

class KnotCache;

// The same for many galaxies: what they share is kept between them, and so is memory. A cube does not depend on which
// galaxies came before. All arguments must outlive it.
class Observer {
public:
    // known: tables of the library's knots that outlive it.
    Observer(Host, const Config&, const SspLibrary&, const Cosmology&, const InstrumentTables&,
             KnotCache* known = nullptr);
    ~Observer();
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;

    // Alone with all stars of the galaxy, or with a contiguous part of them together with the other ranks of `comm`, a
    // call of all of these: parts in the order of the ranks, cut at multiples of blockRows rows. The cube is rank 0's and
    // does not depend on the number of ranks; elsewhere flux, variance and maps are empty, and the report is not whole.
    // The cube's number, in its report, is the view's; noise is drawn with it and the configuration's seed.
    GalaxyCube observe(const Stars&, const GalaxyInput&, std::size_t view, const Comm& comm = Comm::self());
    // With another number and seed. starsDone is called as soon as a part of the stars is not looked at any more, before more
    // memory is asked for: first where they are and how they move, then all of them. On a device, which has its own copy,
    // it is not called.
    enum class StarsPart { motion, all };  // motion: see Stars::dropMotion()
    using StarsDone = std::function<void(StarsPart)>;
    GalaxyCube observe(const Stars&, const GalaxyInput&, std::size_t view, const NoiseKey&, const Comm& = Comm::self(),
                       const StarsDone& starsDone = {});
    // Several galaxies in one view, each with all its stars here: bitwise the cubes that they have one by one. use(i, cube) is called
    // for each as soon as it is observed, in any order. On a device galaxies of few stars are worked on at once, and copied while
    // others are worked on.
    void observe(std::span<const GalaxyToObserve>, std::size_t view, const ObservedUse& use);
    // Takes the memory of a cube that has served, for the next ones. Any thread may call it at any time.
    void recycle(GalaxyCube&&);

private:
    struct State;
    std::unique_ptr<State> state_;
};

struct RunOptions {
    bool dryRun = false;  // check everything, read no particles, write nothing
    bool quiet = false;
    int verbosity = 0;
    bool progress = true;
    unsigned shard = 0, shards = 1;  // of the chosen galaxies, part `shard` (from 0) of `shards`
    bool resume = false;             // take over what an earlier run finished that was killed or ended early
    bool retryFailed = false;        // with resume: of a complete output, observe again the galaxies that failed
    bool overwrite = false;          // observe again what is complete, throw away what an earlier run finished
    bool strict = false;             // the first galaxy that fails ends the run
    double maxSeconds = 0;           // end early rather than run longer; 0: no limit
};

// Every galaxy and view of the configuration. Each rank of MPI's world has a slice of the stars of equal cost, large
// galaxies are shared by several (docs/design.md), and each rank writes the cubes of the galaxies that it owns by itself
// (tessera/io/cube_parts.hpp); the file is put together at the end.
//
// A shard (with resume: any output) whose file is there, complete, and of the same version, configuration, library and
// snapshot, is left as it is; with retryFailed, galaxies that failed are observed once more, and a new file takes its
// place. On SIGTERM, SIGUSR1 or SIGINT, and before maxSeconds are over, the run ends after the cubes
// that are being made with ExitCode::resumable and without an output file; what is finished stays for resume.
//
// A galaxy that cannot be read or observed is a row "failed: reason" of the catalogue. Where there is no cube but for such
// galaxies, ExitCode::failed and no file (of a shard, the file with these rows). Error: the output cannot be written; or
// another run is writing it; or what is there of an earlier run is of another version, configuration, library, snapshot.
ExitCode run(const Config&, const RunOptions&);

}  // namespace tessera
