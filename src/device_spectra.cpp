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

// Some tiles of the window of all wavelengths, wings included, and the pixels of the cube that need no others.
struct WavelengthBlock {
    std::size_t firstTile, tiles;
    std::size_t begin, pixels;  // of the window
    std::size_t first, count;   // of the cube: window pixel j is its pixel j - wings
};

// Blocks of at most so many pixels of the window; of more where they would have none of the cube's.
std::vector<WavelengthBlock> wavelengthBlocks(const std::vector<AccumulateTile>& tiles, std::size_t size,
                                              std::size_t wings, std::size_t most) {
    const auto end = [&](std::size_t t) { return std::size_t(tiles[t].firstPixel) + tiles[t].pixels; };
    std::vector<WavelengthBlock> out;
    for (std::size_t first = 0, t = 0; first < size; first += out.back().count) {
        while (end(t) <= first) ++t;
        const std::size_t begin = tiles[t].firstPixel;
        std::size_t last = t;
        while (last + 1 < tiles.size() && (end(last + 1) - begin <= most || end(last) <= first + 2 * wings)) ++last;
        out.push_back({t, last + 1 - t, begin, end(last) - begin, first, end(last) - 2 * wings - first});
    }
    return out;
}

class CubeMaker {
public:
    CubeMaker(const Stream&, const DeviceView&, DeviceTeam&, OrderedParts&, const KnotTable&, std::size_t fields);
    void block(const WavelengthBlock&);
    std::vector<WavelengthBlock> blocks() const;
    std::vector<double> finish();
    DeviceBuffer<float> takeCube() { return std::move(cube_); }

private:
    struct Part {  // of the stars
        AccumulatePlan plan;
        std::size_t firstRow;  // of its lit spaxels, which follow one another
        DeviceBuffer<AccumulateItem> items;
        DeviceBuffer<PartList> lists;
    };
    void planRows(DeviceTeam&);
    void place();
    void sumStars(const WavelengthBlock&);
    void sumRubix();
    void spread(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& place,
                std::size_t first, std::size_t count);

    const Stream& s_;
    const DeviceView& v_;
    const DeviceTeam& team_;
    OrderedParts& stars_;
    const KnotTable& table_;
    const Optics& optics_;
    const WavelengthGrid& grid_;
    std::size_t fields_;
    DeviceKnots knots_;
    DeviceWindow window_;  // all wavelengths with the LSF's wings
    DeviceNodes nodes_;
    std::vector<Part> parts_;
    std::size_t rows_ = 0;            // of spectra on this rank
    std::uint64_t extraRows_ = 0;     // of parts of spaxels, of all ranks
    std::vector<std::uint32_t> lit_;  // of all ranks
    std::vector<std::uint32_t> litPlace_, sequence_, wantedPlace_, slot_;
    DeviceBuffer<std::uint32_t> dLitPlace_, dSequence_, dWantedPlace_, dSlot_;
    DeviceBuffer<float> lsfTaps_, cube_, spectra_;
    std::vector<float> one_{1.0F};
    std::optional<DeviceBlur> blur_;
    std::size_t stride_ = 0;
};

WavelengthGrid withWings(const Optics& o) {
    return o.grid().window(-std::ptrdiff_t(o.wings()), o.grid().size + 2 * o.wings());
}

// What a product of matrices gives a row may depend on how many rows a rank has: where cubes are to be bitwise the same for any
// number of ranks, and where ranks share the galaxy, spaxels are summed star by star.
DeviceNodes nodesOf(const Stream& s, const DeviceView& v, const DeviceTeam& team, OrderedParts& stars,
                    const KnotTable& table, const DeviceKnots& knots) {
    if (v.resources.deterministic || !team.alone() || stars.size() > 1) return {};
    const double starsPerNode = v.starsPerNode > 0 ? v.starsPerNode : deviceStarsPerNode(table);
    return sumNodes(s, stars.part(0), table, knots, starsPerNode, memoryLeft(v.resources.deviceMemory) / 4);
}

CubeMaker::CubeMaker(const Stream& s, const DeviceView& v, DeviceTeam& team, OrderedParts& stars,
                     const KnotTable& table, std::size_t fields)
    : s_(s),
      v_(v),
      team_(team),
      stars_(stars),
      table_(table),
      optics_(v.plan.optics),
      grid_(optics_.grid()),
      fields_(fields),
      knots_(s, table),
      window_(s, knots_, table, withWings(optics_), accumulateSharedBytes),
      nodes_(nodesOf(s, v, team, stars, table, knots_)) {
    planRows(team);
    place();
    lsfTaps_ = upload(s, optics_.lsf() ? optics_.lsf()->taps : one_);
    if (optics_.psf())
        blur_.emplace(s, *optics_.psf(), optics_.n(), optics_.pad(), grid_.size + 2 * optics_.wings(), fields);
    if (team_.owner()) {
        cube_ = DeviceBuffer<float>(fields * optics_.n() * optics_.n() * grid_.size, s);
        cube_.zero();
    }
    s.synchronize();
}

// First a row for every lit spaxel, of all parts and ranks; then those of spaxels that are summed in parts.
void CubeMaker::planRows(DeviceTeam& team) {
    std::size_t lit = 0, extra = 0;
    for (std::size_t i = 0; i < stars_.size(); ++i) {
        const OrderedParts::Runs runs = stars_.runs(i);
        Part& p = parts_.emplace_back();
        p.plan = planAccumulate(runs.ofSpaxel, runs.first, nodes_.dense);
        p.firstRow = lit;
        lit += p.plan.lit.size();
        extra += p.plan.rows - p.plan.lit.size();
    }
    if (parts_.size() == 1) {
        extraRows_ = team.total(extra);
        lit_ = team.collectLit(parts_[0].plan);
        rows_ = parts_[0].plan.rows;
    } else {
        rows_ = lit + extra;
        extraRows_ = extra;
        std::size_t next = lit;
        for (Part& p : parts_) {
            const auto own = std::uint32_t(p.plan.lit.size());
            const auto moved = [&](std::uint32_t row) {
                return std::uint32_t(row < own ? p.firstRow + row : next + row - own);
            };
            for (AccumulateItem& item : p.plan.items) item.row = moved(item.row);
            for (PartList& l : p.plan.parts) l = {moved(l.row), moved(l.firstPart), l.parts};
            next += p.plan.rows - own;
            lit_.insert(lit_.end(), p.plan.lit.begin(), p.plan.lit.end());
        }
    }
    for (Part& p : parts_) {
        p.items = upload(s_, p.plan.items);
        p.lists = upload(s_, p.plan.parts);
    }
}

// Where spectra come from and go to, of every field.
void CubeMaker::place() {
    const std::size_t n = optics_.n(), pad = optics_.pad(), side = optics_.side();
    slot_.assign(fields_ * side * side, nowhere);
    litPlace_.assign(lit_.size(), nowhere);
    wantedPlace_.assign(fields_ * n * n, nowhere);
    std::size_t k = 0;
    for (std::size_t f = 0; f < fields_; ++f) {
        std::vector<std::uint32_t> lit;  // of this field
        for (std::size_t i = k; i < lit_.size() && lit_[i] < (f + 1) * side * side; ++i)
            lit.push_back(lit_[i] - std::uint32_t(f * side * side));
        const std::vector<std::uint8_t> near = reached(optics_, lit);
        for (std::size_t p = 0; p < n * n; ++p)
            if (near[p] && v_.plan.mask[p]) wantedPlace_[f * n * n + p] = std::uint32_t(f * n * n + p);
        for (const std::uint32_t spaxel : lit) {
            slot_[f * side * side + spaxel] = std::uint32_t(k);
            sequence_.push_back(std::uint32_t(k));
            const std::size_t x = spaxel % side - pad,
                              y = spaxel / side - pad;  // wraps to a huge number left of the field
            if (x < n && y < n) litPlace_[k] = wantedPlace_[f * n * n + y * n + x];
            ++k;
        }
    }
    dLitPlace_ = upload(s_, litPlace_);
    dSequence_ = upload(s_, sequence_);
    dSlot_ = upload(s_, slot_);
    dWantedPlace_ = upload(s_, wantedPlace_);
}

// Pixels that are worked on at once: their spectra, and what is blurred along x, take at most a quarter of the device. The tiles,
// and with them all sums, do not depend on where the blocks are cut.
std::vector<WavelengthBlock> CubeMaker::blocks() const {
    const std::size_t all = grid_.size + 2 * optics_.wings();
    if (table_.rubix) return {{0, 0, 0, all, 0, grid_.size}};
    const std::size_t rows = extraRows_ + 2 * lit_.size() + 2 * fields_ * optics_.n() * optics_.side();
    std::size_t least = 0;
    for (const WavelengthBlock& b : wavelengthBlocks(window_.tiles(), grid_.size, optics_.wings(), 0))
        least = std::max(least, b.pixels);
    const std::size_t most =
        team_.least(blockRoom(v_.resources.deviceMemory, rows * least * sizeof(float))) / sizeof(float) / rows;
    return wavelengthBlocks(window_.tiles(), grid_.size, optics_.wings(), most);
}

void CubeMaker::sumStars(const WavelengthBlock& b) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const OrderedStars& stars = stars_.part(i);
        AccumulateArgs a = window_.args(b.firstTile, b.tiles);
        a.star = stars.star.view();
        a.run = nodes_.dense.empty() ? stars.run.view() : std::as_const(nodes_.run).view();
        a.nodeSum = nodes_.sum.view();
        a.item = parts_[i].items.view();
        a.scale = v_.plan.scale;
        a.out = spectra_.view();
        a.stride = stride_;
        accumulate(s_, a);
        addParts(s_, {parts_[i].lists.view(), spectra_.view(), stride_, b.pixels});
    }
}

void CubeMaker::sumRubix() {
    const SspLibrary& l = v_.library;
    const std::vector<double> centre = grid_.centres();
    const auto wavelength = upload(s_, l.wavelength), flux = upload(s_, l.flux), dCentre = upload(s_, centre);
    spectra_.zero();  // RUBIX's border in wavelength
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const OrderedStars& stars = stars_.part(i);
        const std::vector<std::uint32_t>& spaxels = parts_[i].plan.lit;
        const auto lit = upload(s_, spaxels);
        DeviceBuffer<double> factor(stars.star.size(), s_);
        accumulateRubix(s_, {stars.star.view(), stars.spaxelStar.view(), lit.view(), wavelength.view(), flux.view(),
                             table_.zStep(), table_.ageStep(), v_.redshift, dCentre.view(), factor.view(),
                             spectra_.view().part(parts_[i].firstRow * stride_, spaxels.size() * stride_), stride_,
                             optics_.wings()});
    }
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

void CubeMaker::block(const WavelengthBlock& b) {
    const std::size_t wings = optics_.wings(), n = optics_.n(), first = b.first, count = b.count;
    const std::size_t all = count + 2 * wings, from = first - b.begin;  // of the rows' pixels
    stride_ = b.pixels;
    if (spectra_.size() < rows_ * stride_) spectra_ = DeviceBuffer<float>(rows_ * stride_, s_);
    if (table_.rubix)
        sumRubix();
    else
        sumStars(b);
    team_.collectSpectra(spectra_, stride_);
    if (!team_.owner()) return;
    const Spectra<const float> in{spectra_.view(), stride_, from};
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
        DeviceBuffer<float> between(fields_ * n * n * all, s_);
        (*blur_)(in, {between.view(), all, 0}, dSlot_, dWantedPlace_, std::ptrdiff_t(first) - std::ptrdiff_t(wings),
                 all);
        spread({between.view(), all, 0}, cube, dWantedPlace_, first, count);
    }
}

// Of every spaxel, the flux in all pixels.
std::vector<double> CubeMaker::finish() {
    const auto mask = upload(s_, v_.plan.mask), covered = upload(s_, v_.plan.covered);
    const auto weight = upload(s_, v_.plan.weight);
    DeviceBuffer<double> sum(fields_ * v_.plan.mask.size(), s_);
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

DeviceBuffer<float> makeDeviceCubes(const Stream& s, const DeviceView& v, DeviceTeam& team, OrderedParts& stars,
                                    const KnotTable& table, std::span<GalaxyCube* const> galaxies) {
    CubeMaker maker(s, v, team, stars, table, galaxies.size());
    for (const WavelengthBlock& b : maker.blocks()) maker.block(b);
    if (!team.owner()) {
        s.synchronize();
        return {};
    }
    const std::vector<double> bandFlux = maker.finish();
    const std::size_t spaxels = v.plan.mask.size();
    for (std::size_t k = 0; k < galaxies.size(); ++k) {
        Map m{"flux", v.plan.fluxUnit, std::vector<float>(spaxels, std::numeric_limits<float>::quiet_NaN())};
        for (std::size_t p = 0; p < spaxels; ++p)
            if (v.plan.mask[p] && v.plan.anyCovered) m.data[p] = float(bandFlux[k * spaxels + p]);
        galaxies[k]->maps.push_back(std::move(m));
    }
    return maker.takeCube();
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
