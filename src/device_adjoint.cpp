// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_adjoint.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "device_adjoint_stars.hpp"
#include "device_inputs.hpp"
#include "device_knots.hpp"
#include "device_optics.hpp"
#include "device_spectra.hpp"
#include "kernels/accumulate_adjoint.hpp"
#include "kernels/noise_adjoint.hpp"
#include "kernels/rubix_adjoint.hpp"
#include "kernels/star_inputs.hpp"
#include "stages/kernel_differences.hpp"
#include "stages/kernel_ranges.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/noise.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

// The sum of the stars' spectra and its transpose.
class StarSpectra {
public:
    StarSpectra(const Stream&, const AdjointTask&, const AdjointStars&, bool forward);
    // Rows of forward()'s spectra: of the spaxels, then of the parts of those that are summed in parts.
    std::size_t forwardRows() const { return plan_.rows; }
    // Pixels [first - wings, first + count + wings) of the lit spaxels.
    void adjoint(std::size_t first, std::size_t count, const DeviceBuffer<float>& spectraBar, std::size_t stride);
    void forward(std::size_t first, std::size_t count, DeviceBuffer<double>& out, std::size_t stride);
    // The records' cotangents, as adjoint() has gathered them, by source.
    void pieces(DeviceBuffer<PieceBar>&) const;

private:
    WavelengthGrid window(std::size_t first, std::size_t count) const {
        const std::size_t wings = t_.plan.optics.wings();
        return t_.plan.optics.grid().window(std::ptrdiff_t(first) - std::ptrdiff_t(wings), count + 2 * wings);
    }
    RubixArgs rubixArgs(std::size_t stride) const;

    const Stream& s_;
    const AdjointTask& t_;
    const OrderedStars& stars_;
    AccumulatePlan plan_;
    DeviceBuffer<StarRecordBar> bar_;
    // At the knots.
    std::optional<DeviceKnots> knots_;
    DeviceBuffer<GatherItem> gather_;
    DeviceBuffer<AccumulateItem> items_;
    DeviceBuffer<PartList> parts_;
    // RUBIX's.
    DeviceBuffer<std::uint32_t> firstStar_, spaxel_;
    DeviceBuffer<double> wavelength_, flux_, centre_;
};

StarSpectra::StarSpectra(const Stream& s, const AdjointTask& t, const AdjointStars& stars, bool forward)
    : s_(s), t_(t), stars_(stars.ordered()), bar_(stars_.star.size(), s) {
    bar_.zero();
    if (t.table.rubix) {
        plan_.rows = stars.lit().size();
        std::vector<std::uint32_t> first = stars.firstOfLit(), numbers(plan_.rows);
        std::iota(numbers.begin(), numbers.end(), 0U);
        const std::vector<double> centres = t.plan.optics.grid().centres();
        firstStar_ = upload(s, first);
        spaxel_ = upload(s, numbers);
        wavelength_ = upload(s, t.library.wavelength);
        flux_ = upload(s, t.library.flux);
        centre_ = upload(s, centres);
        s.synchronize();
        return;
    }
    const std::vector<GatherItem> items = planGather(stars_.spaxelRun, stars_.firstOfRun);
    knots_.emplace(s, t.table);
    gather_ = upload(s, items);
    if (forward) {
        plan_ = planAccumulate(stars_.spaxelRun, stars_.firstOfRun);
        items_ = upload(s, plan_.items);
        parts_ = upload(s, plan_.parts);
    }
    s.synchronize();
}

RubixArgs StarSpectra::rubixArgs(std::size_t stride) const {
    RubixArgs a;
    a.star = stars_.star.view();
    a.first = firstStar_.view();
    a.spaxel = spaxel_.view();
    a.wavelength = wavelength_.view();
    a.flux = flux_.view();
    a.zStep = t_.table.zStep();
    a.ageStep = t_.table.ageStep();
    a.redshift = t_.redshift;
    a.centre = centre_.view();
    a.stride = stride;
    a.offset = t_.plan.optics.wings();
    return a;
}

void StarSpectra::adjoint(std::size_t first, std::size_t count, const DeviceBuffer<float>& spectraBar,
                          std::size_t stride) {
    if (t_.table.rubix) {
        rubixAdjoint(s_, {rubixArgs(stride), spectraBar.view(), bar_.view()});
        return;
    }
    const DeviceWindow of(s_, *knots_, t_.table, window(first, count), gatherSharedBytes);
    GatherArgs g;
    g.sum = of.args();
    g.sum.star = stars_.star.view();
    g.sum.run = stars_.run.view();
    g.sum.scale = t_.plan.scale;
    g.sum.stride = stride;
    g.item = gather_.view();
    g.spectraBar = spectraBar.view();
    g.bar = bar_.view();
    gather(s_, g);
    s_.synchronize();  // the window goes
}

void StarSpectra::forward(std::size_t first, std::size_t count, DeviceBuffer<double>& out, std::size_t stride) {
    if (t_.table.rubix) {
        out.zero();  // RUBIX's border in wavelength
        DeviceBuffer<double> factor(stars_.star.size(), s_);
        RubixArgs a = rubixArgs(stride);
        a.factor = factor.view();
        a.precise = out.view();
        accumulateRubix(s_, a);
        return;
    }
    const WavelengthGrid w = window(first, count);
    const DeviceWindow of(s_, *knots_, t_.table, w, accumulateSharedBytes);
    AccumulateArgs a = of.args();
    a.star = stars_.star.view();
    a.run = stars_.run.view();
    a.item = items_.view();
    a.scale = t_.plan.scale;
    a.precise = out.view();
    a.stride = stride;
    accumulate(s_, a);
    addParts(s_, {parts_.view(), {}, stride, w.size, out.view()});
    s_.synchronize();
}

void StarSpectra::pieces(DeviceBuffer<PieceBar>& out) const {
    const AxisSlopeTable age = ageSlopes(t_.table.logAgeGyr), z = metallicitySlopes(t_.table.zAxis, t_.table.rubix);
    const auto dAge = upload(s_, age.slope), dZ = upload(s_, z.slope);
    piecesOfRecords(s_, {stars_.star.view(),
                         bar_.view(),
                         {t_.table.nAge, t_.table.rubix, age.at(nullptr), z.at(nullptr)},
                         dAge.view(),
                         dZ.view(),
                         out.view()});
    s_.synchronize();  // the slopes go
}

class KernelAdjoint final : public DeviceAdjoint {
public:
    void take(const Stars& stars) override { stars_.take(stars); }
    std::vector<FrameSums> frameSums(const std::vector<std::size_t>& blocks, const Vec3d& centre, double boxSize,
                                     double radius, const Vec3d& velocity) override {
        return stars_.frameSums(blocks, centre, boxSize, radius, velocity);
    }
    StarsInView project(const CubePlan& plan, const SpaxelGrid& field, const GalaxyFrame& frame, double boxSize,
                        Doppler doppler) override {
        return stars_.project(plan, field, frame, boxSize, doppler);
    }
    void order(const KnotTable& table, std::size_t spaxels) override { stars_.order(table, spaxels); }
    void order(const BinnedStars& b, const KnotTable& table, std::size_t spaxels, std::uint64_t before) override {
        stars_.order(b, table, spaxels, before);
    }
    const std::vector<std::uint32_t>& lit() const override { return stars_.lit(); }
    BinnedStars binned() const override { return stars_.binned(); }
    AdjointSums vjp(const AdjointTask&, const Cube& cubeBar) override;
    Cube noise(const NoiseTask&, const Cube& flux, const Cube& noisyBar) override;

private:
    // As LineSlopeDots of stages/.
    struct LineSlopes {
        DeviceBuffer<double> taps;
        DeviceTranspose& transpose;
        KernelDifferences differences;
        std::optional<DeviceTranspose> ofDifferences;
    };
    void addLineSlopes(const AdjointTask&, LineSlopes&, const DeviceBuffer<float>& cube, std::size_t first,
                       std::size_t count, DeviceBuffer<double>& spectra, std::size_t stride, DeviceBuffer<float>& room,
                       std::vector<DeviceBuffer<double>>& sums) const;
    DeviceBuffer<PieceBar> gatherPieces(const AdjointTask&, const Cube& cubeBar, AdjointSums&);
    std::size_t blockOf(const AdjointTask&, bool instrument, std::size_t forwardRows) const;
    Stream s_;
    AdjointStars stars_{s_};
};

// The spectra are used up.
void KernelAdjoint::addLineSlopes(const AdjointTask& t, LineSlopes& lines, const DeviceBuffer<float>& cube,
                                  std::size_t first, std::size_t count, DeviceBuffer<double>& spectra,
                                  std::size_t stride, DeviceBuffer<float>& room,
                                  std::vector<DeviceBuffer<double>>& sums) const {
    const Optics& o = t.plan.optics;
    const std::size_t wings = o.wings(), reach = 2 * wings, rows = stars_.lit().size();
    lines.transpose.throughPsf(cube, first, count, room, stride);
    for (const KernelRange& r : sourceRanges(o, first, count)) {
        const std::size_t begin = r.begin > reach ? r.begin - reach : 0,
                          end = std::min(r.end, count);  // of the targets
        const std::vector<KernelRange> others = otherTargets(o, first, begin, end, r.kernel);
        DeviceBuffer<float> change(others.empty() ? 0 : rows * (end - begin), s_);
        change.zero();
        for (const KernelRange& other : others)
            lines.ofDifferences->throughKernel(lines.differences(r.kernel, other.kernel), cube, first + other.begin,
                                               other.end - other.begin, change, end - begin, other.begin - begin);
        LineSlopeArgs a;
        a.bar = std::as_const(room).view();
        a.barStride = stride;
        a.firstBar = begin;
        a.targets = end - begin;
        a.change = std::as_const(change).view();
        a.spectra = spectra.view();
        a.stride = stride;
        a.firstSource = r.begin;
        a.sources = r.end - r.begin;
        a.rows = rows;
        a.taps = lines.taps.view();
        a.width = reach + 1;
        a.tapStride = t.lsfSlope->sources();
        a.firstTap = first + r.begin;
        a.before = reach + begin - r.begin;
        seeLineSlopes(s_, a);
    }
    const std::size_t wide = count + 2 * wings;
    for (std::size_t p = 0; p < t.lsfs.size(); ++p) {
        std::vector<double> weight(wide);
        for (std::size_t i = 0; i < wide; ++i) {
            // Sources beyond the grid's ends have the width of its last pixels.
            const std::ptrdiff_t at = std::ptrdiff_t(first + i) - std::ptrdiff_t(wings);
            const std::vector<double>& slope = t.lsfs[p].sigmaSlope;
            weight[i] = slope[std::size_t(std::clamp<std::ptrdiff_t>(at, 0, std::ptrdiff_t(slope.size()) - 1))];
        }
        const auto dWeight = upload(s_, weight);
        dotRows(s_, {{}, dWeight.view(), std::as_const(spectra).view(), stride, wide, sums[p].view()});
        s_.synchronize();  // the weights go
    }
}

// Pixels of a block: its spectra take at most a quarter of the device. The same for all ranks.
std::size_t KernelAdjoint::blockOf(const AdjointTask& t, bool instrument, std::size_t forwardRows) const {
    const Optics& o = t.plan.optics;
    const std::size_t wings = o.wings(), pixels = o.grid().size, lit = stars_.lit().size();
    if (t.table.rubix) return pixels;
    const auto rowsOf = [&](std::size_t spaxels, std::size_t more) {
        const std::size_t changes = t.lsfSlope && kernelsDiffer(o) ? spaxels : 0;
        return spaxels + changes + DeviceTranspose::temporaryRows(o, spaxels) + (instrument ? 2 * more : 0);
    };
    constexpr std::size_t least = 64;
    const std::size_t room = blockRoom(t.memory, rowsOf(lit, forwardRows) * least * sizeof(float));
    const std::size_t rows = rowsOf(std::size_t(t.team.allLit(lit)), std::size_t(t.team.total(forwardRows)));
    const std::size_t fits = std::size_t(t.team.least(room)) / sizeof(float) / std::max<std::size_t>(rows, 1);
    return std::min(pixels, std::max(least, fits > 2 * wings ? fits - 2 * wings : std::size_t(0)));
}

// The pieces' cotangents, in the records' order, or where the galaxy is this rank's alone in that of its pieces.
DeviceBuffer<PieceBar> KernelAdjoint::gatherPieces(const AdjointTask& t, const Cube& cubeBar, AdjointSums& out) {
    const Optics& o = t.plan.optics;
    const std::size_t wings = o.wings(), pixels = o.grid().size, lit = stars_.lit().size();
    const bool instrument = !t.psfSlopes.empty() || t.lsfSlope;
    std::optional<StageTimer> timer(std::in_place, "upload");
    DeviceBuffer<PieceBar> pieces(t.giveBack ? stars_.ordered().star.size() : t.pieces.number, s_);
    pieces.zero();
    out.psf.assign(t.psfSlopes.size(), std::vector<double>(lit));
    out.lsf.assign(t.lsfs.size(), std::vector<double>(lit));
    if (lit == 0) {
        blockOf(t, instrument, 0);  // with the others
        return pieces;
    }
    auto cube = upload(s_, cubeBar.data);
    const auto covered = upload(s_, t.plan.covered);
    blankUncovered(s_, {cube.view(), covered.view()});
    const TransposePlaces places(s_, o, stars_.lit(), t.wanted);
    DeviceTranspose transpose(s_, o, places, o.psf(), o.lsf());
    std::vector<std::unique_ptr<DeviceTranspose>> slopes;  // of the PSF's parameters
    for (const Psf& psf : t.psfSlopes) slopes.push_back(std::make_unique<DeviceTranspose>(s_, o, places, psf, o.lsf()));
    std::optional<LineSlopes> lines;
    if (t.lsfSlope) {
        lines.emplace(LineSlopes{upload(s_, t.lsfSlope->taps), transpose, {}, {}});
        if (kernelsDiffer(o)) {
            lines->differences = kernelDifferences(*o.psf(), wings);
            lines->ofDifferences.emplace(s_, o, places, lines->differences.psf, o.lsf());
        }
    }
    std::vector<DeviceBuffer<double>> psf, lsf;  // [lit]
    for (auto [sums, count] : {std::pair(&psf, t.psfSlopes.size()), std::pair(&lsf, t.lsfs.size())})
        for (std::size_t k = 0; k < count; ++k) sums->emplace_back(lit, s_).zero();
    StarSpectra stars(s_, t, stars_, instrument);
    timer.reset();

    const std::size_t block = blockOf(t, instrument, instrument ? stars.forwardRows() : 0);
    const std::size_t stride = block + 2 * wings;
    DeviceBuffer<float> spectra(lit * stride, s_);
    DeviceBuffer<double> forward(instrument ? stars.forwardRows() * stride : 0, s_);
    for (std::size_t first = 0; first < pixels; first += block) {
        const std::size_t count = std::min(block, pixels - first), wide = count + 2 * wings;
        timer.emplace("convolve adjoint");
        transpose(cube, first, count, spectra, stride);
        s_.synchronize();
        timer.emplace("accumulate adjoint");
        stars.adjoint(first, count, spectra, stride);
        s_.synchronize();
        timer.emplace("instrument adjoint");
        if (instrument) stars.forward(first, count, forward, stride);
        for (std::size_t k = 0; k < slopes.size(); ++k) {
            (*slopes[k])(cube, first, count, spectra, stride);
            dotRows(s_,
                    {std::as_const(spectra).view(), {}, std::as_const(forward).view(), stride, wide, psf[k].view()});
        }
        if (lines) addLineSlopes(t, *lines, cube, first, count, forward, stride, spectra, lsf);
    }
    for (std::size_t k = 0; k < psf.size(); ++k) psf[k].download(out.psf[k].data());
    for (std::size_t p = 0; p < lsf.size(); ++p) lsf[p].download(out.lsf[p].data());
    stars.pieces(pieces);
    return pieces;
}

AdjointSums KernelAdjoint::vjp(const AdjointTask& t, const Cube& cubeBar) {
    AdjointSums out;
    DeviceBuffer<PieceBar> pieces = gatherPieces(t, cubeBar, out);
    const StageTimer timer("inputs adjoint");
    if (t.giveBack) {
        Buffer<PieceBar> mine(pieces.size());
        pieces.download(mine.data());
        s_.synchronize();
        mine = t.giveBack(mine);
        pieces = upload(s_, mine);
        s_.synchronize();
    }
    addInputs(s_, t, pieces, out);
    return out;
}

Cube KernelAdjoint::noise(const NoiseTask& t, const Cube& flux, const Cube& noisyBar) {
    const NoiseConfig& c = t.noise;
    const std::size_t pixels = flux.nLambda, voxels = flux.data.size();
    expects(noisyBar.data.size() == voxels, "a cotangent of the cube's shape");
    auto dFlux = upload(s_, flux.data);
    const auto dNoisyBar = upload(s_, noisyBar.data);
    const std::vector<double> gain = electronsPerPixel(c, t.wavelength);
    const auto dGain = upload(s_, gain);
    NoiseAdjointArgs a;
    ReferenceFlux reference{};
    if (c.signalToNoise) {
        DeviceBuffer<double> mean(flux.spaxels(), s_);
        spaxelMeans(s_, {dFlux.view(), pixels, mean.view()});
        std::vector<double> means(mean.size());
        mean.download(means.data());
        s_.synchronize();
        reference = referenceFlux(means);
        a.noise.target = true;
        a.noise.reference = reference.value;
        a.noise.signalToNoise = *c.signalToNoise;
    }
    DeviceBuffer<float> bar(voxels, s_);
    DeviceBuffer<double> referenceBar(noiseAdjointBlocks(voxels), s_);
    a.noise.flux = dFlux.view();
    a.noise.pixels = pixels;
    a.noise.seed = c.seed;
    a.noise.galaxy = t.galaxy;
    a.noise.view = t.view;
    a.noise.gain = dGain.view();
    a.noise.skyFlux = c.sky * sq(t.spaxels.spaxelArcsec);
    a.noise.readNoise = c.readNoise;
    a.noise.exposures = c.exposures;
    a.noisyBar = dNoisyBar.view();
    a.fluxBar = bar.view();
    a.referenceBar = referenceBar.view();
    noiseAdjoint(s_, a);
    std::vector<double> parts(referenceBar.size());
    referenceBar.download(parts.data());
    s_.synchronize();
    double sum = 0;
    for (const double p : parts) sum += p;
    if (reference.value > 0)  // through the means of the spaxels in the middle
        for (const std::size_t s : reference.spaxels)
            spaxelMeanAdjoint(s_, {a.noise.flux, bar.view(), pixels, s, 0.5 * sum});
    Cube out(flux.ny, flux.nx, pixels);
    bar.download(out.data.data());
    s_.synchronize();
    return out;
}

}  // namespace

std::unique_ptr<DeviceAdjoint> makeAdjoint(int nodeRank) {
    chooseDevice(nodeRank);
    return std::make_unique<KernelAdjoint>();
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
