// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_spectra.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "device_coefficients.hpp"
#include "device_knots.hpp"
#include "device_optics.hpp"
#include "kernels/accumulate.hpp"
#include "kernels/convolve.hpp"
#include "kernels/rubix.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

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
    void spread(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& place,
                std::size_t first, std::size_t count);

    const Stream& s_;
    const DeviceTask& t_;
    const DeviceTeam& team_;
    const OrderedStars& stars_;
    const KnotTable& table_;
    const WavelengthGrid& grid_;
    const Optics& optics_;
    DeviceKnots knots_;
    DeviceNodes nodes_;
    AccumulatePlan plan_;
    std::uint64_t partRows_;          // of all ranks
    std::vector<std::uint32_t> lit_;  // of all ranks
    std::vector<std::uint32_t> litPlace_, sequence_, wantedPlace_, wantedSlot_, slot_;
    DeviceBuffer<std::uint32_t> dLitPlace_, dSequence_, dWantedPlace_, dWantedSlot_, dSlot_;
    DeviceBuffer<AccumulateItem> items_;
    DeviceBuffer<PartList> parts_;
    DeviceBuffer<float> lsfTaps_, cube_, spectra_;
    std::vector<float> one_{1.0F};
    std::optional<DeviceBlur> blur_;
    std::size_t stride_ = 0;
};

// What a product of matrices gives a row may depend on how many rows a rank has: where cubes are to be bitwise the same for any
// number of ranks, and where ranks share the galaxy, spaxels are summed star by star.
DeviceNodes nodesOf(const Stream& s, const DeviceTask& t, const OrderedStars& stars, const KnotTable& table,
                    const DeviceKnots& knots) {
    if (t.resources.deterministic || !t.team.alone()) return {};
    const double starsPerNode = t.starsPerNode > 0 ? t.starsPerNode : deviceStarsPerNode(table);
    return sumNodes(s, stars, table, knots, starsPerNode, memoryLeft(t.resources.deviceMemory) / 4);
}

CubeMaker::CubeMaker(const Stream& s, const DeviceTask& t, DeviceTeam& team, const OrderedStars& stars,
                     const KnotTable& table, const WavelengthGrid& grid)
    : s_(s),
      t_(t),
      team_(team),
      stars_(stars),
      table_(table),
      grid_(grid),
      optics_(t.plan.optics),
      knots_(s, table),
      nodes_(nodesOf(s, t, stars, table, knots_)),
      plan_(planAccumulate(stars.spaxelRun, stars.firstOfRun, nodes_.dense)),
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
    lsfTaps_ = upload(s, optics_.lsf() ? optics_.lsf()->taps : one_);
    if (optics_.psf()) blur_.emplace(s, *optics_.psf(), n, pad, grid.size + 2 * optics_.wings());
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
    const std::size_t fits = team_.least(blockRoom(t_.resources.deviceMemory, rows * 64 * sizeof(float))) /
                             sizeof(float) / rows,
                      extra = 2 * optics_.wings(), least = 64;
    return std::min(grid_.size, std::max(least, fits > extra ? fits - extra : 0));
}

void CubeMaker::sumStars(std::size_t first, std::size_t count) {
    const WavelengthGrid window = grid_.window(std::ptrdiff_t(first) - std::ptrdiff_t(optics_.wings()), count);
    const DeviceWindow of(s_, knots_, table_, window, accumulateSharedBytes);
    AccumulateArgs a = of.args();
    a.star = stars_.star.view();
    a.run = nodes_.dense.empty() ? stars_.run.view() : std::as_const(nodes_.run).view();
    a.nodeSum = nodes_.sum.view();
    a.item = items_.view();
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
        (*blur_)(in, cube, dSlot_, dWantedPlace_, std::ptrdiff_t(first), count);
    } else if (optics_.lsfFirst()) {
        DeviceBuffer<float> between(lit_.size() * count, s_);
        spread(in, {between.view(), count, 0}, dSequence_, first, count);
        (*blur_)({between.view(), count, 0}, cube, dSlot_, dWantedPlace_, std::ptrdiff_t(first), count);
    } else {
        DeviceBuffer<float> between(n * n * all, s_);
        (*blur_)(in, {between.view(), all, 0}, dSlot_, dWantedPlace_, std::ptrdiff_t(first) - std::ptrdiff_t(wings),
                 all);
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

std::size_t blockRoom(std::size_t budget, std::size_t least) {
    const std::size_t left = memoryLeft(budget);
    if (budget > 0 && left < least)
        throw Error("resources.device_memory of " + std::to_string(budget) + " bytes: stars and cubes take " +
                    std::to_string(allocated().load()) + ", and a block of spectra at least " + std::to_string(least));
    return left / 4;
}

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
