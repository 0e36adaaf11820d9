// Every parameter of a run, with unit and default. The JSON names, allowed ranges and documentation lines of the same
// parameters stand once in src/config/parameters.cpp, from which parsing, `tessera schema` and the docs are made.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/model/cube.hpp"

namespace tessera {

struct SnapshotConfig {
    std::string path;
    std::string format = "auto";  // auto | tng | tng-cutout | rubix
    int number = -1;              // snapshot number of a tng base directory; -1: the only (or last) one there
};

// Both ends belong to it.
struct Interval {
    double min = -std::numeric_limits<double>::infinity();
    double max = std::numeric_limits<double>::infinity();
    bool contains(double x) const { return x >= min && x <= max; }
};

struct GalaxiesConfig {
    // Ids, of the file, or of the rows; none of them: all. At most one of the three is given.
    std::vector<std::int64_t> subhalos;
    std::string file;  // ids, one a line, or a table with a column subhalo
    std::string rows;  // a table: a cube a row, with its own values of the configuration (docs/formats.md)
    // Cuts on the catalogue. A galaxy outside is left out; a named one is skipped, and the output's catalogue says so.
    std::uint64_t minStars = 100;            // star particles of the subhalo
    std::optional<Interval> stellarMass;     // [Msun] current, of the subhalo's stars (SubhaloMassType[4])
    std::optional<Interval> sfr;             // [Msun/yr] SubhaloSFR
    std::optional<Interval> halfMassRadius;  // [kpc] physical, of the stars (SubhaloHalfmassRadType[4])
    bool centrals = false;                   // only the first subhalo of each group (GroupFirstSub)
    std::string particles = "subhalo";       // subhalo | group | field
    double depth = 2000;                     // [kpc] of field, along the line of sight
    std::optional<Vec3d> centre;             // in the file's own length unit
};

enum class Orientation { none, faceOn, edgeOn, euler, matrix, lineOfSight };
enum class FaceOnFrom { angularMomentum, inertia };
enum class SystemicVelocity { subhalo, mean, median, none };

struct ViewConfig {
    double redshift = 0.1;  // observed redshift; sets distance and shift
    Orientation orientation = Orientation::faceOn;
    FaceOnFrom faceOnFrom = FaceOnFrom::angularMomentum;
    double orientationRadius = 0;  // [kpc] of the stars that define the frame; 0: twice the stellar half-mass radius
    double inclination = 0;        // [deg] about the sky's x axis, after the orientation's frame
    double positionAngle = 0;      // [deg] about the line of sight, after the inclination
    double twist = 0;              // [deg] about the galaxy's own axis, before the inclination
    Vec3d eulerDeg{};              // [deg] alpha, beta, gamma of Orientation::euler
    Mat3d matrix{};                // of Orientation::matrix; row vectors: x' = x M
    Vec3d lineOfSight{0, 0, 1};    // of Orientation::lineOfSight: from the observer to the galaxy, box frame
    SystemicVelocity systemicVelocity = SystemicVelocity::subhalo;
    double systemicRadius = 10;  // [kpc] of the stars behind mean and median
};

struct CosmologyConfig {
    std::string name = "Planck15";                     // Planck15 | Planck18 | TNG | snapshot | custom
    double Om0 = 0.3089, h = 0.6774, w0 = -1, wa = 0;  // of custom (flat, no radiation)
};

enum class Aperture { square, circle, hexagon };

struct Telescope {
    std::string name;
    double fov = 0;     // [arcsec] side of the field; diameter of a circle; corner-to-corner width of a hexagon
    double spaxel = 0;  // [arcsec]
    Aperture aperture = Aperture::square;
    double wavelengthMin = 0;   // [Angstrom] centre of the first pixel
    double wavelengthMax = 0;   // [Angstrom] excluded
    double wavelengthStep = 0;  // [Angstrom], or dex where log
    bool log = false;
    double lsfFwhm = 0;  // [Angstrom] the instrument's own line spread; information, used where lsf.fwhm = "telescope"
    std::string medium = "air";  // of the wavelengths: air | vacuum
    std::string source;          // where the numbers come from

    std::size_t spaxels() const;  // a side: round(fov / spaxel)
    WavelengthGrid wavelengths() const;
};

// All telescopes Tessera knows by name, and one of them (case-insensitive; ConfigError with the nearest names).
const std::vector<Telescope>& telescopeTable();
const Telescope& findTelescope(const std::string& name);

struct SspConfig {
    std::string library = "bc03lr";  // a name in the data directory, or the path of an HDF5 file in Tessera's schema
};

// What of the sky a star shines into: its spaxel alone, a square of a spaxel's size, or its SPH kernel.
enum class FootprintKind { nearest, cloudInCell, sph };

struct ProjectionConfig {
    FootprintKind footprint = FootprintKind::nearest;
    std::optional<double> smoothing;  // [kpc] of sph, for all stars; none: each star's own
};

enum class Doppler { relativistic, classical, exponential };
enum class Outside { error, nan };

struct SpectraConfig {
    Doppler doppler = Doppler::relativistic;
    double accuracy = 1e-4;            // of a spaxel's mean flux density
    double coefficientsFrom = 0;       // stars for every node of velocity; 0: where the machine gains by it
    Outside outside = Outside::error;  // wavelengths that the SSP library does not cover
};

enum class PsfKind { gaussian, moffat, doubleGaussian, fits };
enum class PsfBorder { padded, zero };

struct PsfConfig {
    PsfKind kind = PsfKind::gaussian;
    double fwhm = 0.8;                     // [arcsec]
    double beta = 2.5;                     // of moffat
    double referenceWavelength = 0;        // [Angstrom] where fwhm holds; 0: at all wavelengths
    double power = 0;                      // fwhm(lambda) = fwhm (lambda / reference)^power
    PsfBorder border = PsfBorder::padded;  // padded: stars just outside the field shine in; zero: they do not
    std::string path;                      // of fits
    double sigmaSpaxels = 0;               // RUBIX's form: sigma in spaxels on size x size taps; 0: not used
    int size = 0;
};

struct LsfConfig {
    // Exactly one of these is given; each becomes FWHM(lambda) [Angstrom].
    std::optional<double> fwhm, sigma, resolution;
    std::vector<double> fwhmPolynomial;  // c0 + c1 lambda + c2 lambda^2 ... , lambda in Angstrom
    std::string table;                   // text file of two columns: wavelength, FWHM [Angstrom]
    bool subtractLibrary = true;         // subtract the library's own resolution x (1 + z) in quadrature
};

struct NoiseConfig {
    std::uint64_t seed = 1;
    std::optional<double> signalToNoise;  // target mode, see physics/noise.hpp for its definition
    // exposure mode
    std::optional<double> exposureTime;  // [s]
    double area = 4.85e5;                // [cm^2] collecting area (VLT UT: 48.5 m^2)
    double throughput = 0.25;            // electrons per photon
    double sky = 0;                      // [1e-20 erg s-1 cm-2 Angstrom-1 arcsec-2] sky brightness
    double readNoise = 0;                // [electrons] per voxel and exposure
    int exposures = 1;                   // number of exposures the time is split into
};

enum class CubeUnit { flux, luminosity };
// One file; or one with links into the segments that the ranks wrote; or that with one segment a galaxy.
enum class OutputLayout { single, parts, galaxies };

// How one file is made of the parts of several ranks: one of them copies chunks, or all write; automatic: see design.md.
enum class Assembly { automatic, copy, collective };

struct OutputConfig {
    std::string path = "cubes.hdf5";
    CubeUnit unit = CubeUnit::flux;
    bool fits = false;    // beside path: <stem>_<subhalo>[_view<k>].fits
    int compression = 4;  // deflate level of the HDF5 cubes; 0: none
    OutputLayout layout = OutputLayout::single;
    Assembly assembly = Assembly::automatic;
    double checkpoint = 60;  // [s] a segment older than this is closed, and so survives; 0: after every galaxy
};

enum class Compat { none, rubix };
enum class Backend { automatic, cpu, simt, cuda };
enum class ExchangeWay { automatic, nccl, mpi };

struct ResourcesConfig {
    Backend backend = Backend::automatic;
    ExchangeWay exchange = ExchangeWay::automatic;  // between the devices of a shared galaxy
    double exchangeTimeout = 600;                   // [s]
    int threads = 0;                                // 0: all that OpenMP offers
    std::uint64_t memoryPerRank = 0;                // [byte] 0: half of the node's memory, shared by its ranks
    std::uint64_t deviceMemory = 0;                 // [byte] of a rank on its GPU; 0: what is free
    std::uint64_t pinnedMemory = 1U << 30;          // [byte] of a rank's, page-locked for copies to and from its GPU
    std::uint64_t splitFrom = 1'000'000;            // star particles; a galaxy of so many may be shared by ranks
    bool deterministic = true;                      // bitwise the same for any number of threads and ranks
};

struct Config {
    SnapshotConfig snapshot;
    GalaxiesConfig galaxies;
    std::vector<ViewConfig> views{ViewConfig{}};
    CosmologyConfig cosmology;
    Telescope telescope;
    ProjectionConfig projection;
    SspConfig ssp;
    SpectraConfig spectra;
    std::optional<PsfConfig> psf;
    std::optional<LsfConfig> lsf;
    std::optional<NoiseConfig> noise;
    OutputConfig output;
    Compat compat = Compat::none;
    ResourcesConfig resources;

    // The JSON it was read from, overrides applied, defaults not: what more overrides can be applied to. No parameter.
    std::string document;
};

// Reads a config file (JSON with comments), applies "key.path=value" overrides, checks every key, type and range.
// Relative paths in a file stay relative to the working directory. ConfigError names the key's path, the value, what is
// allowed and, for an unknown key, the nearest valid one.
Config loadConfig(const std::string& path, const std::vector<std::string>& overrides = {});
Config parseConfig(const std::string& json, const std::vector<std::string>& overrides = {},
                   const std::string& origin = "config");
// The configuration as used, defaults included, as JSON text that parseConfig reads back to the same value.
std::string dumpConfig(const Config&, int indent = 2);
// JSON Schema (draft 2020-12) of the configuration with every default, range and documentation line.
std::string configSchema();

}  // namespace tessera
