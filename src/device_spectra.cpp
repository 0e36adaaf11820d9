// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_spectra.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/accumulate.hpp"
#include "kernels/convolve.hpp"
#include "kernels/rubix.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

// [begin, end) of a block's pixels that share a kernel of the PSF.
struct KernelRange {
    std::size_t begin, end, kernel;
};
std::vector<KernelRange> kernelRanges(const Psf& psf, std::ptrdiff_t firstPixel, std::size_t count) {
    const auto kernelOf = [&](std::size_t j) -> std::size_t {
        if (psf.kernelOfPixel.empty()) return 0;
        const std::ptrdiff_t last = std::ptrdiff_t(psf.kernelOfPixel.size()) - 1;
        return psf.kernelOfPixel[std::size_t(std::clamp<std::ptrdiff_t>(std::ptrdiff_t(j) + firstPixel, 0, last))];
    };
    std::vector<KernelRange> out;
    for (std::size_t j = 0; j < count;) {
        std::size_t end = j + 1;
        while (end < count && kernelOf(end) == kernelOf(j)) ++end;
        out.push_back({j, end, kernelOf(j)});
        j = end;
    }
    return out;
}

// Tiles of a window: as wide as lets a multiprocessor's shared memory hold several blocks.
std::vector<AccumulateTile> tilesOf(const KnotTable& table, const WavelengthGrid& window) {
    constexpr std::size_t widest = 1024, narrowest = 32, sharedBytes = 40 << 10;
    for (std::size_t most = widest;; most /= 2) {
        std::vector<AccumulateTile> tiles;
        std::size_t bytes = 0;
        for (std::size_t j = 0; j < window.size; j += most) {
            const std::size_t pixels = std::min(most, window.size - j);
            const KnotRange knots = knotRange(table, window.window(std::ptrdiff_t(j), pixels));
            tiles.push_back(
                {std::uint32_t(j), std::uint32_t(pixels), std::uint32_t(knots.first), std::uint32_t(knots.count)});
            bytes = std::max(bytes, accumulateSharedBytes(tiles.back().pixels, tiles.back().knots));
        }
        if (bytes <= sharedBytes || most == narrowest) return tiles;
    }
}

class CubeMaker {
public:
    CubeMaker(const Stream&, const DeviceTask&, DeviceTeam&, const OrderedStars&, const KnotTable&,
              const WavelengthGrid&);
    void block(std::size_t first, std::size_t count);
    std::size_t blockPixels() const;
    std::vector<double> finish();
    DeviceBuffer<float> takeCube() { return std::move(cube_); }

private:
    void sumStars(std::size_t first, std::size_t count);
    void sumRubix();
    void blurBlock(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& place,
                   std::ptrdiff_t firstPixel, std::size_t count);
    void spread(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& place,
                std::size_t first, std::size_t count);

    const Stream& s_;
    const DeviceTask& t_;
    const DeviceTeam& team_;
    const OrderedStars& stars_;
    const KnotTable& table_;
    const WavelengthGrid& grid_;
    const Optics& optics_;
    AccumulatePlan plan_;
    std::uint64_t partRows_;          // of all ranks
    std::vector<std::uint32_t> lit_;  // of all ranks
    std::vector<std::uint32_t> litPlace_, sequence_, wantedPlace_, wantedSlot_, slot_;
    DeviceBuffer<std::uint32_t> dLitPlace_, dSequence_, dWantedPlace_, dWantedSlot_, dSlot_;
    DeviceBuffer<AccumulateItem> items_;
    DeviceBuffer<PartList> parts_;
    DeviceBuffer<float> flux_, lsfTaps_, cube_, spectra_;
    DeviceBuffer<double> position_, lnPosition_, inverseStep_;
    std::vector<float> one_{1.0F};
    std::vector<DeviceBuffer<float>> psfTaps_;
    std::vector<std::vector<float>> psfHostTaps_;
    std::vector<std::unique_ptr<FftBlur>> fftBlur_;  // of the wide kernels, when first needed
    std::size_t stride_ = 0;
};

CubeMaker::CubeMaker(const Stream& s, const DeviceTask& t, DeviceTeam& team, const OrderedStars& stars,
                     const KnotTable& table, const WavelengthGrid& grid)
    : s_(s),
      t_(t),
      team_(team),
      stars_(stars),
      table_(table),
      grid_(grid),
      optics_(t.plan.optics),
      plan_(planAccumulate(stars.spaxelRun, stars.firstOfRun)),
      partRows_(team.total(plan_.rows - plan_.lit.size())),
      lit_(team.collectLit(plan_)) {
    const std::size_t n = t.field.n, pad = optics_.pad(), side = optics_.side();
    const std::vector<std::uint8_t> near = reached(optics_, lit_);
    slot_.assign(side * side, nowhere);
    litPlace_.assign(lit_.size(), nowhere);
    wantedPlace_.assign(n * n, nowhere);
    for (std::size_t p = 0; p < n * n; ++p)
        if (near[p] && t.plan.mask[p]) wantedPlace_[p] = std::uint32_t(p);
    for (std::size_t k = 0; k < lit_.size(); ++k) {
        const std::uint32_t spaxel = lit_[k];
        slot_[spaxel] = std::uint32_t(k);
        sequence_.push_back(std::uint32_t(k));
        const std::size_t x = spaxel % side - pad, y = spaxel / side - pad;  // wraps to a huge number left of the field
        if (x < n && y < n) litPlace_[k] = wantedPlace_[y * n + x];
    }
    dLitPlace_ = upload(s, litPlace_);
    dSequence_ = upload(s, sequence_);
    dSlot_ = upload(s, slot_);
    dWantedPlace_ = upload(s, wantedPlace_);
    items_ = upload(s, plan_.items);
    parts_ = upload(s, plan_.parts);
    flux_ = upload(s, table.flux);
    position_ = upload(s, table.position);
    lnPosition_ = upload(s, table.lnPosition);
    inverseStep_ = upload(s, table.inverseStep);
    lsfTaps_ = upload(s, optics_.lsf() ? optics_.lsf()->taps : one_);
    if (optics_.psf())
        for (const PsfKernel& k : optics_.psf()->kernels) {
            std::vector<float> taps = k.full;
            for (const auto& component : k.separable) taps.insert(taps.end(), component.begin(), component.end());
            psfHostTaps_.push_back(std::move(taps));
        }
    for (const auto& taps : psfHostTaps_) psfTaps_.push_back(upload(s, taps));
    fftBlur_.resize(psfTaps_.size());
    if (team_.owner()) {
        cube_ = DeviceBuffer<float>(n * n * grid.size, s);
        cube_.zero();
    }
    s.synchronize();
}

// Pixels that are worked on at once: their spectra, and what is blurred along x, take at most a quarter of the device.
std::size_t CubeMaker::blockPixels() const {
    if (table_.rubix) return grid_.size;
    const std::size_t n = optics_.n(), rows = partRows_ + 2 * lit_.size() + 2 * n * optics_.side();
    const std::size_t fits = team_.least(freeMemory()) / 4 / sizeof(float) / rows, extra = 2 * optics_.wings(),
                      least = 64;
    return std::min(grid_.size, std::max(least, fits > extra ? fits - extra : 0));
}

void CubeMaker::sumStars(std::size_t first, std::size_t count) {
    const WavelengthGrid window = grid_.window(std::ptrdiff_t(first) - std::ptrdiff_t(optics_.wings()), count);
    std::vector<double> edge(count + 1);
    for (std::size_t j = 0; j <= count; ++j) edge[j] = window.edge(double(j));
    const std::vector<AccumulateTile> tiles = tilesOf(table_, window);
    AccumulateArgs a;
    for (const AccumulateTile& t : tiles) {
        a.mostPixels = std::max(a.mostPixels, t.pixels);
        a.mostKnots = std::max(a.mostKnots, t.knots);
    }
    const auto dEdge = upload(s_, edge);
    const auto dTiles = upload(s_, tiles);
    a.star = stars_.star.view();
    a.run = stars_.run.view();
    a.item = items_.view();
    a.tile = dTiles.view();
    a.flux = flux_.view();
    a.fluxStride = table_.stride;
    a.zStep = table_.zStep();
    a.ageStep = table_.ageStep();
    a.position = position_.view();
    a.lnPosition = lnPosition_.view();
    a.inverseStep = inverseStep_.view();
    a.edge = dEdge.view();
    a.log = grid_.log;
    a.inverseWidth = 1 / (grid_.log ? grid_.step * std::log(10.0) : grid_.step);
    a.scale = t_.plan.scale;
    a.out = spectra_.view();
    a.stride = stride_;
    accumulate(s_, a);
    addParts(s_, {parts_.view(), spectra_.view(), stride_, count});
    s_.synchronize();  // what was uploaded goes
}

void CubeMaker::sumRubix() {
    const SspLibrary& l = t_.library;
    const std::vector<double> centre = grid_.centres();
    const auto wavelength = upload(s_, l.wavelength), flux = upload(s_, l.flux), dCentre = upload(s_, centre);
    const auto lit = upload(s_, plan_.lit);
    DeviceBuffer<double> factor(stars_.star.size(), s_);
    spectra_.zero();  // RUBIX's border in wavelength
    accumulateRubix(
        s_, {stars_.star.view(), stars_.spaxelStar.view(), lit.view(), wavelength.view(), flux.view(), table_.zStep(),
             table_.ageStep(), t_.redshift, dCentre.view(), factor.view(), spectra_.view(), stride_, optics_.wings()});
    s_.synchronize();
}

void CubeMaker::blurBlock(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& place,
                          std::ptrdiff_t firstPixel, std::size_t count) {
    constexpr std::size_t longest = 128;     // pixels that are blurred at once
    constexpr std::size_t widestDirect = 7;  // of full kernels, whose taps are summed as they are
    const Psf& psf = *optics_.psf();
    for (const KernelRange& range : kernelRanges(psf, firstPixel, count))
        for (std::size_t j = range.begin; j < range.end; j += longest) {
            const PsfKernel& kernel = psf.kernels[range.kernel];
            const bool fourier = kernel.separable.empty() && kernel.radius > widestDirect;
            PsfArgs a;
            a.in = {in.data, in.stride, in.first + j};
            a.out = {out.data, out.stride, out.first + j};
            a.slot = dSlot_.view();
            a.place = place.view();
            a.n = optics_.n();
            a.pad = optics_.pad();
            a.radius = kernel.radius;
            a.count = std::min(longest, range.end - j);
            a.taps = psfTaps_[range.kernel].view();
            a.components = kernel.separable.size();
            if (fourier) {
                auto& fft = fftBlur_[range.kernel];
                const std::size_t lanes = std::min(longest, grid_.size + 2 * optics_.wings());
                if (!fft) fft = std::make_unique<FftBlur>(s_, a.taps, a.radius, optics_.side(), lanes);
                (*fft)(s_, a);
                continue;
            }
            DeviceBuffer<float> rows(psfRowFloats(a), s_);
            a.rows = rows.view();
            blur(s_, a);
        }
}

// Through the LSF, or as they are. first: of the grid's pixels.
void CubeMaker::spread(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& place,
                       std::size_t first, std::size_t count) {
    LsfArgs a;
    a.in = in;
    a.out = out;
    a.place = place.view();
    a.count = count;
    a.taps = lsfTaps_.view();
    a.width = 2 * optics_.wings() + 1;
    a.tapStride = optics_.lsf() && !optics_.lsf()->constant ? grid_.size + spectrumPadding : 0;
    a.firstTap = a.tapStride > 0 ? first : 0;
    spreadLines(s_, a);
}

void CubeMaker::block(std::size_t first, std::size_t count) {
    const std::size_t wings = optics_.wings(), all = count + 2 * wings, n = optics_.n();
    stride_ = all;
    if (spectra_.size() < plan_.rows * stride_) spectra_ = DeviceBuffer<float>(plan_.rows * stride_, s_);
    if (table_.rubix)
        sumRubix();
    else
        sumStars(first, all);
    team_.collectSpectra(spectra_, stride_);
    if (!team_.owner()) return;
    const Spectra<const float> in{spectra_.view(), stride_, 0};
    const Spectra<float> cube{cube_.view(), grid_.size, first};
    if (!optics_.psf()) {
        spread(in, cube, dLitPlace_, first, count);
    } else if (!optics_.lsf()) {
        blurBlock(in, cube, dWantedPlace_, std::ptrdiff_t(first), count);
    } else if (optics_.lsfFirst()) {
        DeviceBuffer<float> between(lit_.size() * count, s_);
        spread(in, {between.view(), count, 0}, dSequence_, first, count);
        blurBlock({between.view(), count, 0}, cube, dWantedPlace_, std::ptrdiff_t(first), count);
    } else {
        DeviceBuffer<float> between(n * n * all, s_);
        blurBlock(in, {between.view(), all, 0}, dWantedPlace_, std::ptrdiff_t(first) - std::ptrdiff_t(wings), all);
        spread({between.view(), all, 0}, cube, dWantedPlace_, first, count);
    }
    s_.synchronize();
}

std::vector<double> CubeMaker::finish() {
    const auto mask = upload(s_, t_.plan.mask), covered = upload(s_, t_.plan.covered);
    const auto weight = upload(s_, t_.plan.weight);
    DeviceBuffer<double> sum(t_.plan.mask.size(), s_);
    finishCube(s_, {cube_.view(), mask.view(), covered.view(), weight.view(), sum.view()});
    std::vector<double> out(sum.size());
    sum.download(out.data());
    s_.synchronize();
    return out;
}

}  // namespace

DeviceBuffer<float> makeDeviceCube(const Stream& s, const DeviceTask& t, DeviceTeam& team, const OrderedStars& stars,
                                   const KnotTable& table, GalaxyCube& g) {
    CubeMaker maker(s, t, team, stars, table, g.wavelength);
    const std::size_t block = maker.blockPixels(), size = g.wavelength.size;
    for (std::size_t first = 0; first < size; first += block) maker.block(first, std::min(block, size - first));
    if (!team.owner()) return {};
    const std::vector<double> bandFlux = maker.finish();
    Map m{"flux", t.plan.fluxUnit, std::vector<float>(bandFlux.size(), std::numeric_limits<float>::quiet_NaN())};
    for (std::size_t p = 0; p < bandFlux.size(); ++p)
        if (t.plan.mask[p] && t.plan.anyCovered) m.data[p] = float(bandFlux[p]);
    g.maps.push_back(std::move(m));
    return maker.takeCube();
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
