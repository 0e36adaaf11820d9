// The stages of the forward model in pipeline order, one overload per Exec. Shapes and units stand with each.
//
//   GalaxyFrame f  = frame(...)            centre, systemic velocity, rotation
//   Projected p    = project(...)          spaxel, or spaxels, and shift of every star
//   KnotTable t    = knots(...)            the SSP library on the knots that the wavelength window needs
//   BinnedStars b  = bin(...)              stars ordered by spaxel, and by shift where it is sparse
//   maps(...)                              sums over the stars of each spaxel
//   keepLit(...)                           spaxels without stars are left out
//   accumulate(...), Accumulator           sum of the stars' spectra on wavelength pixels, spaxel by spaxel
//   convolve(...)                          PSF and LSF
//   addNoise(...)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tessera/core/exec.hpp"
#include "tessera/core/gather.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/model/image.hpp"
#include "tessera/model/instrument.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/model/ssp.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/cosmology.hpp"
#include "tessera/physics/maps.hpp"
#include "tessera/physics/orient.hpp"

namespace tessera {

class FftKernel;

// ---- orientation ----
struct GalaxyFrame {
    Vec3d centre;    // [kpc] box frame
    Vec3d velocity;  // [km/s] zero point
    Mat3d rotation;  // box axes -> sky x, sky y, line of sight
};
// Systemic velocity by the view's mode (subhalo: the catalogue's, else the mass-weighted mean of all stars), then the
// rotation. Sums run in a fixed order: the same for any number of threads, and of processes that share the stars.
// sums: from a device that has the stars; else taken here.
using SumFrame = std::function<FrameSums(const Vec3d& centre, double boxSize, double radius, const Vec3d& velocity)>;
GalaxyFrame frame(Host, const Stars&, const Subhalo&, const Vec3d& centre, double boxSize, const ViewConfig&,
                  const Gather& = {}, const SumFrame& sums = {});

// ---- projection ----
struct Projected {
    Buffer<std::uint32_t> spaxel;      // of every star, or of every piece: of the grid given, or outsideField
    Buffer<float> shift;               // of every star: d ln(lambda) of the line-of-sight velocity
    float shiftMin = 0, shiftMax = 0;  // over the stars inside the grid
    std::uint64_t inside = 0;          // stars or pieces

    // With a footprint a star is pieces, one a spaxel of the grid that it shines into. Empty: it is whole, in its nearest one.
    Buffer<std::uint64_t> firstPiece;  // [stars + 1]
    Buffer<float> mass;                // [Msun] of every piece
    Buffer<std::uint32_t> centre;      // spaxel of every star's centre: where it is counted; or outsideField
    std::uint64_t begin(std::size_t star) const { return firstPiece.empty() ? star : firstPiece[star]; }
};
// depth [kpc]: stars farther than half of it from the centre along the line of sight are outside; 0: none is.
// memory: of earlier stars, to be used again.
// Error: the stars have no smoothing lengths (see lacksSmoothing()); too many pieces for one rank.
Projected project(Host, const Stars&, const GalaxyFrame&, double boxSize, const SpaxelGrid&, Doppler, double depth = 0,
                  const ProjectionConfig& = {}, Projected&& memory = {});
// Whether the footprint wants smoothing lengths of the stars that there are not.
bool lacksSmoothing(const Stars&, const ProjectionConfig&);

// ---- SSP library on knots ----
// Piecewise linear spectra are kinks at the library's own wavelengths (knots). The table holds every template at the
// knots that can reach the wavelength window under any shift in [shiftMin, shiftMax], in the telescope's medium.
struct KnotTable {
    std::vector<double> position;     // [Angstrom] observed wavelength of the knots at shift 0 (redshift applied)
    std::size_t first = 0;            // of the library's wavelengths
    std::vector<double> lnPosition;   // ln of it
    std::vector<double> inverseStep;  // 1/(position[m+1] - position[m]); 0 for the last
    std::size_t stride = 0;           // floats a template: knots rounded up to 16
    Buffer<float> flux;               // [nTemplates][stride] L_lambda [Lsun/Angstrom/Msun]
    int nAge = 0, nZ = 0;
    std::vector<double> logAgeGyr;     // log10(age/Gyr), for locate()
    std::vector<double> zAxis;         // log10 Z; Z itself where rubix
    bool rubix = false;                // RUBIX's convention: linear in Z, and stars outside the grid are dark
    float shiftMin = 0, shiftMax = 0;  // of the stars; bins of shifts begin at the first
    double shiftStep = 0;              // widest bin of shifts whose error stays below the accuracy, see knots()

    // Knots as dense as the pixels: spectra are summed at the pixels, not at the knots.
    bool fine = false;
    std::size_t lanes = 0;  // templates rounded up to 16
    Buffer<float> byKnot;   // [knots][lanes] flux once more

    // Dense spaxels are summed in coefficients: template weights at nodes of shift k nodeStep, see nodeSpacing().
    double nodeStep = 0;                                            // 0: no spaxel is
    double starsPerNode = std::numeric_limits<double>::infinity();  // from which on that is faster

    std::size_t size() const { return position.size(); }
    std::size_t templates() const { return std::size_t(nAge) * std::size_t(nZ); }
    // From a star's lower template to its neighbour in metallicity and in age; 0 where the axis has one point.
    int zStep() const { return nZ > 1 ? nAge : 0; }
    int ageStep() const { return nAge > 1 ? 1 : 0; }
};
// shiftStep h: stars whose shifts differ by less than h are summed before they are placed on the pixels, with their moments
// about one shift. A change D of the slope is then wrong by at most D (x h)^2 / (8 width), taken over all templates and knots
// relative to the template's mean; h keeps that below 0.9 accuracy. In a fine library D is the change over a pixel and stars have
// their own first moments: half the second derivative of a pixel's average, at h / 2 from the bin's centre. In others it is a
// kink: 2 D (x h)^2 / (27 width) where a third of the mass is across a pixel's edge, and as much as D (x h)^2 / (20 width)
// where a run's stars, which share one second moment, differ in D.
KnotTable knots(const SspLibrary&, double redshift, const std::string& medium, const WavelengthGrid& window,
                float shiftMin, float shiftMax, double accuracy);

// Of the table's knots those that a window needs under every shift.
struct KnotRange {
    std::size_t first, count;
};
KnotRange knotRange(const KnotTable&, const WavelengthGrid& window);

// ---- coefficients ----
struct Lsf;

// A star's spectrum on the pixels, behind the LSF, is a smooth function of its shift s: it is interpolated between its
// values at four nodes s_k = k step about it with the weights l_k(s) of the cubic through them (Lagrange). The sum over a
// spaxel's stars is then sum_k sum_t A[t][k] S_t(s_k) with A[t][k] = sum of mass weight_t l_k: a star costs sixteen
// additions, a node one product of the coefficients with the templates.
struct NodeSpacing {
    double step = 0;   // of the shift; 0: no step meets the accuracy
    double error = 0;  // largest found, in units of the template's mean
};
// The widest spacing whose error, largest over all templates and pixels and over a sample of shifts between
// table.shiftMin and shiftMax, stays below 0.7 accuracy, so that shifts between these have a third to spare. A spaxel's stars
// are summed either at nodes or in bins of knots(): it has one of the two errors. Templates' weights are positive, so that
// a spaxel's error in units of its mean is not larger. grid: with the wings that the LSF needs; lsf: or nullptr.
NodeSpacing nodeSpacing(Host, const KnotTable&, const WavelengthGrid& grid, const Lsf* lsf, double accuracy);

// The number of stars for every node from which on coefficients are faster than star by star, measured on stars of its
// own in some ten milliseconds; rounded to a power of two, so that it seldom differs from one run to the next.
double measureStarsPerNode(const KnotTable&, const WavelengthGrid&);

// ---- ordering ----
// A spaxel is dense that has KnotTable::starsPerNode stars or more for every node of shift they spread over.
struct DenseRange {
    std::uint64_t begin = 0, end = 0;  // stars
    int firstNode = 0, nodes = 0;      // of shift: from one below the slowest star to two above the fastest
};
struct BinnedStars {
    // Stars or their pieces (Projected), ordered by spaxel, then by bin of shift unless dense, then as read.
    Buffer<StarRecord> stars;
    Buffer<std::uint64_t> start;        // [nSpaxels + 1] first star of each spaxel
    std::vector<DenseRange> dense;      // ascending
    std::vector<std::uint32_t> spaxel;  // number of each in the grid, after keepLit(); else empty: its index
};
// memory: of earlier records, to be used again. The same as order() and settle().
BinnedStars bin(Host, const Stars&, const Projected&, std::size_t nSpaxels, const KnotTable&,
                Buffer<StarRecord>&& memory = {});
// Stars ordered by spaxel, and as read within one; none is dense yet.
BinnedStars order(Host, const Stars&, const Projected&, std::size_t nSpaxels, const KnotTable&,
                  Buffer<StarRecord>&& memory = {});
// Finds the dense spaxels of ordered stars and puts the stars of the others in the order of their bins of shift.
// then: called for each spaxel that is in order, whose stars are then in the thread's cache.
void settle(Host, BinnedStars&, const KnotTable&, const std::function<void(std::size_t spaxel)>& then = {});
// Leaves out the spaxels without stars: start becomes that of the others, whose numbers are kept in `spaxel`.
void keepLit(BinnedStars&);

// ---- spectra ----
// out[spaxel][pixel] = scale * sum over stars of mass * (exact average of the shifted spectrum over the pixel), for
// spectra of window.size pixels, `stride` floats apart. The window must lie inside the one the table was made for.
void accumulate(Host, const BinnedStars&, const KnotTable&, const WavelengthGrid& window, double scale, float* out,
                std::size_t stride);
// The same for one window after the other; the stars and the table must outlive it.
class Accumulator {
public:
    Accumulator(Host, const BinnedStars&, const KnotTable&);
    ~Accumulator();
    void operator()(const WavelengthGrid& window, double scale, float* out, std::size_t stride) const;
    // As precise as the sums are, for differences of neighbouring pixels.
    void operator()(const WavelengthGrid& window, double scale, double* out, std::size_t stride) const;

    class Way;

private:
    Host exec_;
    std::unique_ptr<Way> way_;
};

// RUBIX's convention (compat): spectra interpolated at the pixel centres, then scaled as a whole by T/N, with T the sum
// of S delta over the shifted SSP samples inside [first, last centre] (delta: backward differences, 0 for the first
// sample) and N the sum of g width over all pixels but the first. Stars outside the library's grid are dark.
void accumulateRubix(Host, const BinnedStars&, const SspLibrary&, double redshift, const WavelengthGrid&, float* out,
                     std::size_t stride);
void accumulateRubix(Host, const BinnedStars&, const SspLibrary&, double redshift, const WavelengthGrid&, double* out,
                     std::size_t stride);

// ---- instrument ----
// Separable kernels sum_c outer(taps_c, taps_c), or one full 2-D kernel; taps by group of wavelength pixels (one group
// where the PSF does not depend on wavelength).
struct PsfKernel {
    std::size_t radius = 0;
    std::vector<std::vector<float>> separable;  // [component] taps of 2 radius + 1; their outer squares are summed
    std::vector<std::vector<float>> across;     // [component] taps along y where they differ: outer products are summed
    std::vector<float> full;                    // [2 radius + 1]^2 row-major [dy][dx]; used where separable is empty

    const std::vector<float>& alongY(std::size_t component) const {
        return across.empty() ? separable[component] : across[component];
    }
};
struct Psf {
    std::size_t radius = 0;  // the widest of the kernels
    std::vector<PsfKernel> kernels;
    std::vector<std::uint32_t> kernelOfPixel;  // empty: kernel 0 everywhere
    bool padded = true;                        // stars outside the field shine in

    bool separable() const { return !kernels.empty() && !kernels.front().separable.empty(); }
};
// Kernels sum to 1; Gaussians integrate over the spaxel and end at 5 sigma, Moffats at 99.9 % of their flux. A kernel
// group's FWHM stays within 0.2 % of the pixel's own.
// image: of kind fits, else nullptr.
Psf makePsf(const PsfConfig&, const Image* image, const WavelengthGrid&, double spaxelArcsec);

// A pixel's flux is spread over its neighbours with the Gaussian of the pixel's own width: weights w[k][d], d = -radius
// ... radius, normalised per source pixel k, so that flux is conserved.
struct Lsf {
    std::size_t radius = 0;
    bool constant = false;       // taps[d] serve every pixel
    std::vector<float> taps;     // gather form: [2 radius + 1] or [2 radius + 1][size of the grid + spectrumPadding]
    double coarserFraction = 0;  // of pixels where the library is coarser than the instrument
};
// For pixels of `grid` extended by Lsf::radius on both sides.
// table: where lsf.table is given, else nullptr.
Lsf makeLsf(const LsfConfig&, const LineWidthTable* table, const WavelengthGrid& grid, const SspLibrary&,
            double redshift);
// RUBIX's: the Gaussian sampled at -12 ... 12 pixels.
Lsf makeRubixLsf(double sigma, double step);

// PSF and LSF of one view. A PSF that is the same at all wavelengths commutes with the LSF, and acts after it: spaxels
// that shine are fewer before it than behind it. Any other PSF acts first.
class Optics {
public:
    Optics();
    // Of fields of n x n spaxels that are padded by the PSF's radius.
    Optics(std::optional<Psf>, std::optional<Lsf>, std::size_t n, const WavelengthGrid&);
    ~Optics();
    Optics(Optics&&) noexcept;
    Optics& operator=(Optics&&) noexcept;

    const std::optional<Psf>& psf() const { return psf_; }
    const std::optional<Lsf>& lsf() const { return lsf_; }
    const WavelengthGrid& grid() const { return grid_; }
    std::size_t n() const { return n_; }
    std::size_t pad() const { return psf_ ? psf_->radius : 0; }    // spaxels on each side of the field
    std::size_t wings() const { return lsf_ ? lsf_->radius : 0; }  // pixels on each side of the wavelength range
    std::size_t side() const { return n_ + 2 * pad(); }
    bool lsfFirst() const { return lsf_ && !(psf_ && !psf_->kernelOfPixel.empty()); }
    const FftKernel* transformed(std::size_t kernel) const { return transformed_[kernel].get(); }  // of full kernels

private:
    std::optional<Psf> psf_;
    std::optional<Lsf> lsf_;
    std::size_t n_ = 0;
    WavelengthGrid grid_;
    std::vector<std::unique_ptr<FftKernel>> transformed_;
};

// Spectra of the spaxels of a padded field that shine; all others are dark. Behind every spectrum there must be
// spectrumPadding floats that are finite: whole vectors are read.
struct LitBlock {
    std::span<const std::uint32_t> spaxels;  // of the padded grid, ascending
    float* spectra =
        nullptr;  // [spaxels][stride]: pixels [first - wings, first + count + wings); convolve() uses them up
    std::size_t stride = 0;
    std::size_t first = 0, count = 0;  // pixels of the optics' grid
};
constexpr std::size_t spectrumPadding = 32;

// Spaxels of the field that light of the lit ones can reach: those within the PSF's radius in x and in y.
std::vector<std::uint8_t> reached(const Optics&, std::span<const std::uint32_t> lit);

// Pixels [first, first + count) of the spaxels of the field that are `wanted`; nothing else of the cube is written.
// bandFlux[spaxel] += sum over these pixels of weight[pixel] times flux.
void convolve(Host, const Optics&, const LitBlock&, std::span<const std::uint8_t> wanted, std::span<const float> weight,
              Cube& out, std::span<double> bandFlux);

// ---- maps, noise ----
// Of the stars of each spaxel, before the PSF; NaN where a mean has no weight. mask: spaxels inside the aperture.
struct MapResult {
    std::vector<Map> maps;
    std::vector<SpaxelSums> sums;  // [n n]; zero outside the mask
    SpaxelSums total() const;
};
// Light in the band of the table's templates, for bandLight() of physics/maps.hpp.
struct BandLightTable {
    BandLight axes;
    std::vector<float> light;
    std::vector<float> corners;  // cornerLight() of it
};
// The light of a corner's four templates side by side: [corner][node][4], the corner, its neighbour in age, in metallicity, in both.
std::vector<float> cornerLight(const BandLight&, std::span<const float> light);
BandLightTable bandLightTable(Host, const KnotTable&, const WavelengthGrid&, double redshift);
LibraryLimits limitsOf(const KnotTable&);
// sums: of the field's spaxels; zero outside the mask.
MapResult mapsOfSums(std::vector<SpaxelSums> sums, std::size_t n, std::span<const std::uint8_t> mask);
// The stars are binned on the padded grid; the maps and the mask cover the field without its padding.
MapResult maps(Host, const BinnedStars&, const KnotTable&, Doppler, double redshift, const WavelengthGrid&,
               std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask);
// The same spaxel by spaxel, in any order and by any number of threads.
class MapSummation {
public:
    // What it is given must outlive it. light: bandLightTable() of the table.
    MapSummation(const KnotTable&, const BandLightTable& light, Doppler, std::size_t n, std::size_t pad,
                 std::span<const std::uint8_t> mask);
    void operator()(const BinnedStars&, std::size_t spaxel);  // of the padded grid
    MapResult result() &&;

private:
    const BandLightTable& light_;
    LibraryLimits limits_;
    Doppler doppler_;
    std::size_t n_, pad_;
    std::span<const std::uint8_t> mask_;
    std::vector<SpaxelSums> sums_;
};

// electronsPerFlux() of every pixel; 0 without exposures.
std::vector<double> electronsPerPixel(const NoiseConfig&, const WavelengthGrid&);
// f_ref of physics/noise.hpp from the spaxels' mean flux densities: the median of the bright ones; and the spaxels that it is
// the mean of: the middle one twice, or the two in the middle.
struct ReferenceFlux {
    double value = 0;  // 0: no spaxel is bright
    std::array<std::size_t, 2> spaxels{};
};
ReferenceFlux referenceFlux(const std::vector<double>& means);
// Adds noise to flux and fills variance; NaN spaxels stay NaN. Definitions: physics/noise.hpp.
void addNoise(Host, const NoiseConfig&, const WavelengthGrid&, const SpaxelGrid&, std::int64_t galaxy,
              std::uint32_t view, Cube& flux, Cube& variance);

}  // namespace tessera
