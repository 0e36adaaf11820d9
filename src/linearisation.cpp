#include "linearisation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "device_observer.hpp"
#include "stages/blocks.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/core/dual.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/orient.hpp"

namespace tessera {

double& Linearisation::State::psfBarOf(PsfParameter p, InputsBar& g) {
    return p == PsfParameter::fwhm ? g.psfFwhm : (p == PsfParameter::beta ? g.psfBeta : g.psfSigmaSpaxels);
}

void Linearisation::State::prepare() {
    const Optics& o = optics();
    device = makeDeviceAdjoint(config.resources.backend, nodeRank());
    projectsOnDevice = device && config.projection.footprint == FootprintKind::nearest;
    GalaxyReport& r = plan.report;
    r.subhalo = input.subhalo.id;
    r.nStars = team.total(stars.size());
    r.nWind = team.total(stars.windRows.size());
    const bool sumsOnDevice = device && r.nStars > fewStars;
    if (projectsOnDevice || sumsOnDevice) device->take(stars);
    {
        const StageTimer timer("frame");
        SumFrame sums;
        if (sumsOnDevice)
            sums = [&](const auto&... a) {
                return sumInOrder(device->frameSums(rowBlocks(stars), a...), team.gather());
            };
        frame = tessera::frame(exec, stars, input.subhalo, input.centre, input.boxSize, view, team.gather(), sums);
    }
    r.rotation = frame.rotation;
    r.centre = frame.centre;
    r.systemicVelocity = frame.velocity;
    if (team.any(lacksSmoothing(stars, config.projection)))
        throw Error(
            "the stars have no smoothing lengths, which projection.footprint \"sph\" takes: give projection.smoothing "
            "in kpc");
    const StarsInView seen = projectStars();
    if (!team.any(seen.inMask))
        throw EmptyField(
            fmt::format("subhalo {}: none of its {} stars lies in the field of view", input.subhalo.id, r.nStars));
    inside = team.total(seen.inside);
    tableKey = tableKeyOf(seen.shiftMin, seen.shiftMax, inside);
    std::get<bool>(tableKey) = false;  // derivatives do without coefficients
    std::optional<Knots> kept;
    if (known) kept = known->take(KnotCache::keyOf(config, plan, tableKey, true));
    table = kept ? std::move(kept->table) : makeKnots(exec, config, library, plan, tableKey);
    table.shiftStep = std::min(table.shiftStep, derivativeShiftStep(config.spectra.accuracy, table.fine));
    orderStars();
    wanted = reached(o, team.collectLit(lit));
    allLit = team.allLit(lit.size());
    for (std::size_t s = 0; s < wanted.size(); ++s) wanted[s] = wanted[s] && plan.plan.mask[s];
    if (!device && !rubix()) spectra();
}

// Shifts: of all ranks' stars.
StarsInView Linearisation::State::projectStars() {
    if (projectsOnDevice) {
        pieces.number = stars.size();
        StarsInView seen = device->project(plan.plan, plan.grid, frame, input.boxSize, doppler());
        const auto [low, high] = team.range(seen.shiftMin, seen.shiftMax);
        return {low, high, seen.inside, seen.inMask};
    }
    const StageTimer timer("project");
    const std::size_t pad = optics().pad();
    Projected& p = projected_;
    p = project(exec, stars, frame, input.boxSize, pieces.grid, doppler(), 0, config.projection,
                memory ? std::move(memory->projected) : Projected());
    pieces.number = p.spaxel.size();
    if (optics().psf() && !optics().psf()->padded) cropToField(p, plan.grid.n, pad);
    team.combineShifts(p);
    return {p.shiftMin, p.shiftMax, p.inside, anyInMask(p, plan.plan.mask, plan.grid.n, pad)};
}

void Linearisation::State::orderStars() {
    const std::size_t spaxels = sq(pieces.grid.n);
    if (projectsOnDevice) {
        device->order(table, spaxels);
        if (team.alone()) {  // the CPU has them when it asks for them
            lit = device->lit();
            return;
        }
        binned_ = device->binned();
    } else {
        const StageTimer timer("bin");
        binned_ =
            order(exec, stars, projected_, spaxels, table, memory ? std::move(memory->stars) : Buffer<StarRecord>());
        pieces.first = std::move(projected_.firstPiece);
        if (device && !pieces.whole()) pieces.spaxel = std::move(projected_.spaxel);
        if (memory)
            memory->projected = std::move(projected_);
        else
            projected_ = {};
    }
    {
        const StageTimer timer("bin");
        if (!team.alone()) shareStars();
        settle(exec, binned_, table);
        keepLit(binned_);
    }
    lit = binned_.spaxel;
    if (device) device->order(binned_, table, spaxels, team.before(binned_.stars.size()));
}

// Records to the ranks of their spaxels, where their sources become their numbers.
void Linearisation::State::shareStars() {
    sources = Buffer<std::uint32_t>(binned_.stars.size());
    for (std::size_t k = 0; k < sources.size(); ++k) sources[k] = binned_.stars[k].index();
    binned_ = team.shareSpaxels(exec, std::move(binned_));
    for (std::size_t k = 0; k < binned_.stars.size(); ++k) binned_.stars[k].source = narrow<std::uint32_t>(k);
}

const BinnedStars& Linearisation::State::binned() const {
    if (projectsOnDevice && team.alone())
        std::call_once(binnedOnce_, [&] {
            binned_ = device->binned();
            keepLit(binned_);
        });
    return binned_;
}

const SpectraDerivative& Linearisation::State::spectra() const {
    std::call_once(spectraOnce_, [&] { spectra_.emplace(binned(), table, optics().grid().size, team.gather()); });
    return *spectra_;
}

// Of all ranks' spaxels and records, so that blocks are alike for any number of ranks.
void Linearisation::State::forBlocks(std::size_t buffers,
                                     const std::function<void(std::size_t, std::size_t, std::size_t)>& f) const {
    const std::size_t pixels = optics().grid().size, wings = optics().wings();
    const std::size_t block = rubix() ? pixels : blockPixels(optics(), allLit, blockBytes(config, inside) / buffers);
    const std::size_t stride = (block + 2 * wings + spectrumPadding + 15) / 16 * 16;
    for (std::size_t first = 0; first < pixels; first += block) f(first, std::min(block, pixels - first), stride);
}

// Spectra with their wings; RUBIX's wings are dark.
template <class Real>
void Linearisation::State::forwardSpectra(const Accumulator* accumulator, std::size_t first, std::size_t count,
                                          Real* out, std::size_t stride) const {
    const std::size_t wings = optics().wings();
    if (rubix()) {
        std::fill_n(out, lit.size() * stride, Real(0));
        accumulateRubix(exec, binned(), library, view.redshift, optics().grid(), out + wings, stride);
        return;
    }
    const WavelengthGrid window =
        optics().grid().window(std::ptrdiff_t(first) - std::ptrdiff_t(wings), count + 2 * wings);
    (*accumulator)(window, scale(), out, stride);
}
template void Linearisation::State::forwardSpectra(const Accumulator*, std::size_t, std::size_t, float*,
                                                   std::size_t) const;
template void Linearisation::State::forwardSpectra(const Accumulator*, std::size_t, std::size_t, double*,
                                                   std::size_t) const;

void Linearisation::State::addDots(const float* a, const double* b, std::size_t wide, std::size_t stride,
                                   std::vector<double>& sums) const {
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < lit.size(); ++k) {
        double sum = 0;
        for (std::size_t j = 0; j < wide; ++j) sum += double(a[k * stride + j]) * b[k * stride + j];
        sums[k] += sum;
    }
}

double Linearisation::State::total(const std::vector<double>& ofLit) const {
    double sum = 0;
    for (const double v : team.gather()(ofLit)) sum += v;
    return sum;
}

Buffer<StarRecordBar> Linearisation::State::zeroRecords() const {
    Buffer<StarRecordBar> bar = memory ? std::move(memory->recordsBar) : Buffer<StarRecordBar>();
    setZero(exec, bar, binned().stars.size());
    return bar;
}

Buffer<PieceBar> Linearisation::State::ownPieces(const Buffer<PieceBar>& shared) const {
    const Buffer<PieceBar> back = team.giveBack(exec, shared);
    Buffer<PieceBar> mine = zeros<PieceBar>(exec, pieces.number);
    for (std::size_t k = 0; k < back.size(); ++k) mine[sources[k]] = back[k];
    return mine;
}

// direct: what the records' pieces have beside; empty: nothing.
ViewSums Linearisation::State::inputsOfRecords(Buffer<StarRecordBar>&& bar, Buffer<PieceBar>&& direct,
                                               StarsBar& out) const {
    const BinnedStars& records = binned();
    Buffer<PieceBar> mine = memory ? std::move(memory->piecesBar) : Buffer<PieceBar>();
    setZero(exec, mine, team.alone() ? pieces.number : records.stars.size());
    piecesOfRecords(exec, records, table, bar.data(), direct.empty() ? nullptr : direct.data(), mine.data());
    if (memory) memory->recordsBar = std::move(bar);
    bar = {};
    direct = {};
    if (!team.alone()) mine = ownPieces(mine);
    const ViewSums sums = inputsOfPieces(exec, stars, frame, pieces, doppler(), mine.data(), team.gather(), out);
    if (memory) memory->piecesBar = std::move(mine);
    return sums;
}

const Cube& Linearisation::State::withFluxMap(const Cube& given, const std::vector<Map>& mapsBar, Cube& room) const {
    const std::size_t n = plan.grid.n, pixels = optics().grid().size;
    const Cube* cube = &given;
    for (const Map& map : mapsBar) {
        if (map.name != "flux") continue;
        if (cube == &given) {
            room = Cube(n, n, pixels);
            if (given.data.empty())
                std::fill(room.data.begin(), room.data.end(), 0.0F);
            else {
                checkCotangent(given);
                std::copy(given.data.begin(), given.data.end(), room.data.begin());
            }
            cube = &room;
        }
        for (std::size_t s = 0; s < n * n; ++s)
            if (plan.plan.mask[s])
                for (std::size_t j = 0; j < pixels; ++j)
                    room.spectrum(s)[j] += float(double(plan.plan.weight[j]) * double(map.data[s]));
    }
    return *cube;
}

void Linearisation::State::checkCotangent(const Cube& bar) const {
    const std::size_t n = plan.grid.n, pixels = optics().grid().size;
    if (bar.nx != n || bar.ny != n || bar.nLambda != pixels)
        throw Error(fmt::format("the cotangent is {} x {} x {}, but the cube {} x {} x {} ([ny][nx][wavelength])",
                                bar.ny, bar.nx, bar.nLambda, n, n, pixels));
    std::vector<std::uint8_t> bad(n * n, 0);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < n * n; ++s) {
        if (!plan.plan.mask[s]) continue;
        const float* v = bar.spectrum(s);
        for (std::size_t j = 0; j < pixels; ++j)
            if (plan.plan.covered[j] && !std::isfinite(v[j])) bad[s] = 1;
    }
    const auto first = std::find(bad.begin(), bad.end(), 1) - bad.begin();
    if (std::size_t(first) < bad.size())
        throw Error(fmt::format("the cotangent is not finite in spaxel [iy][ix] = [{}][{}], which the aperture keeps",
                                std::size_t(first) / n, std::size_t(first) % n));
}

void Linearisation::State::viewOfRotation(InputsBar& g) const {
    Mat3d viewBar = zeroMatrix<double>(), axesBar = viewBar;
    productAdjoint(viewMatrix(), axes(), viewBar, axesBar, g.rotation);
    viewRotationAdjoint(inclination(), view.positionAngle * degree, view.twist * degree, g.inclination, g.positionAngle,
                        g.twist, viewBar);
    for (double* angle : {&g.inclination, &g.positionAngle, &g.twist}) *angle *= degree;
    if (view.orientation != Orientation::euler) return;
    const Vec3d e = view.eulerDeg * degree;
    eulerRotationAdjoint(e.x, e.y, e.z, g.eulerDeg.x, g.eulerDeg.y, g.eulerDeg.z, axesBar);
    g.eulerDeg *= degree;
}

// The cube is proportional to every star's mass, so that `light`, the sum of mass times its cotangent, is that of cube times
// its own.
void Linearisation::State::distanceOfLight(double light, InputsBar& g) const {
    if (!inFlux()) return;
    const double z = view.redshift, distance = plan.report.luminosityDistanceMpc;
    double distanceBar = 0;
    fluxPerLuminosityAdjoint(z, distance, g.redshiftDistance, distanceBar, light / scale());
    luminosityDistanceAdjoint(cosmology, z, g.redshiftDistance, distanceBar);
}

// A spaxel is so many arcsec, whatever the distance.
void Linearisation::State::distanceOfSpaxel(double spaxelBar, InputsBar& g) const {
    if (!pieces.whole())
        kpcPerArcsecAdjoint(cosmology, view.redshift, g.redshiftDistance, spaxelBar * config.telescope.spaxel);
}

Mat3d Linearisation::State::rotationDot(const InputsBar& v) const {
    using D = Dual<double>;
    Mat3<D> a;
    const Mat3d own = axes();
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) a.row[i][j] = own.row[i][j];
    if (view.orientation == Orientation::euler) {
        const Vec3d e = view.eulerDeg * degree, d = v.eulerDeg * degree;
        a = eulerRotation(D{e.x, d.x}, D{e.y, d.y}, D{e.z, d.z});
    }
    const Mat3<D> r =
        viewRotation(D{inclination(), v.inclination * degree}, D{view.positionAngle * degree, v.positionAngle * degree},
                     D{view.twist * degree, v.twist * degree}) *
        a;
    Mat3d out = v.rotation;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) out.row[i][j] += r.row[i][j].d;
    return out;
}

// The table of knots with other spectra.
KnotTable Linearisation::State::templatesDot(const std::vector<double>& flux) const {
    if (flux.size() != library.flux.size())
        throw Error(fmt::format("the tangent of the templates has {} values, the library {}", flux.size(),
                                library.flux.size()));
    SspLibrary other = library;
    other.flux = flux;
    const std::size_t wings = optics().wings();
    const WavelengthGrid window = optics().grid().window(-std::ptrdiff_t(wings), optics().grid().size + 2 * wings);
    KnotTable t = knots(other, view.redshift, config.telescope.medium, window, table.shiftMin, table.shiftMax,
                        config.spectra.accuracy);
    t.shiftStep = table.shiftStep;
    t.nodeStep = table.nodeStep;
    t.starsPerNode = table.starsPerNode;
    return t;
}

}  // namespace tessera
