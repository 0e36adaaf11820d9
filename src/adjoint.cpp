#include "tessera/adjoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "linearisation.hpp"
#include "stages/blocks.hpp"
#include "stages/kernel_ranges.hpp"
#include "stages/line_slope.hpp"
#include "stages/maps_adjoint.hpp"
#include "stages/optics_transpose.hpp"
#include "stages/rubix_adjoint.hpp"
#include "stages/star_inputs.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera {

namespace {

void addTo(Host exec, StarsBar& to, StarsBar&& from) {
    // Of the maps alone there were no positions yet.
    if (to.position.empty()) to.position = Buffer<Vec3f>(from.position.size(), Vec3f{});
    if (to.smoothing.empty()) to.smoothing = Buffer<float>(from.smoothing.size(), 0.0F);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t i = 0; i < to.size(); ++i) {
        to.mass[i] += from.mass[i];
        to.logAge[i] += from.logAge[i];
        to.metallicity[i] += from.metallicity[i];
        to.velocity[i] += from.velocity[i];
        if (!to.position.empty()) to.position[i] += from.position[i];
        if (!to.smoothing.empty()) to.smoothing[i] += from.smoothing[i];
    }
}

}  // namespace

LinearisationMemory::LinearisationMemory() : buffers_(new Buffers) {}
LinearisationMemory::~LinearisationMemory() = default;

Linearisation::Linearisation(Host exec, const Stars& stars, const GalaxyInput& input, const Config& c, std::size_t view,
                             const SspLibrary& library, const Cosmology& cosmology, const InstrumentTables& tables,
                             const Comm& comm, KnotCache* known, LinearisationMemory* memory)
    : state_(new State(exec, stars, input, c, view, library, cosmology, tables, comm)) {
    state_->known = known;
    if (memory) state_->memory = memory->buffers_.get();
    state_->prepare();
}

Linearisation::~Linearisation() {
    State& s = *state_;
    s.keepMemory();
    if (s.known) s.known->give(KnotCache::keyOf(s.config, s.plan, s.tableKey, true), {std::move(s.table), {}});
}

const GalaxyReport& Linearisation::report() const {
    return state_->plan.report;
}

std::vector<std::string> Linearisation::lsfNames() const {
    std::vector<std::string> names;
    const auto parameters = state_->lsfParametersOf();
    for (const LsfParameter& p : parameters)
        names.push_back(p.name == "fwhm_polynomial" ? fmt::format("{}_{}", p.name, p.index) : p.name);
    return names;
}

InputsBar Linearisation::vjp(const Cube& cubeBar, const GradientOptions& options) const {
    return vjp(cubeBar, {}, options);
}

InputsBar Linearisation::vjp(const Cube& given, const std::vector<Map>& mapsBar, const GradientOptions& options) const {
    const State& s = *state_;
    if (s.rubix() && options.templates) throw Error("compat \"rubix\" has no gradient in the templates");
    if (!s.team.alone() && options.templates)
        throw Error("the gradient in the templates is of galaxies that one rank has for itself");
    const std::vector<SpaxelMoments> moments = spaxelMoments(mapsBar, s.plan.grid.n, s.plan.plan.mask);
    Cube withFlux;
    const Cube& cubeBar = s.withFluxMap(given, mapsBar, withFlux);
    InputsBar g;
    ViewSums sums;
    if (!cubeBar.data.empty()) {
        s.checkCotangent(cubeBar);
        sums = s.inputsOfCube(cubeBar, options, g);
        s.distanceOfLight(sums.light, g);
    } else {
        g.stars = StarsBar(s.stars.size());
        if (options.instrument) g.lsf.assign(s.lsfParametersOf().size(), 0.0);
        if (options.templates) g.templates.assign(s.library.flux.size(), 0.0);
    }
    if (!mapsBar.empty()) {
        const StageTimer timer("maps adjoint");
        const MapsDerivative maps = s.mapsDerivative();
        Buffer<StarRecordBar> bar = s.zeroRecords();
        Buffer<PieceBar> direct = zeros<PieceBar>(s.exec, bar.size());
        maps.adjoint(s.exec, moments, bar.data(), direct.data());
        StarsBar stars;
        sums += s.inputsOfRecords(std::move(bar), std::move(direct), stars);
        addTo(s.exec, g.stars, std::move(stars));
    }
    const StageTimer timer("inputs adjoint");
    g.systemicVelocity = s.frame.rotation.row[2] * -sums.velocity;
    g.centre = sums.centre;
    if (s.config.projection.smoothing) g.smoothing = sums.smoothing;
    cosmologicalShiftAdjoint(s.view.redshift, g.redshiftShift, sums.shift);
    s.distanceOfSpaxel(sums.spaxel, g);
    g.rotation = sums.rotation;
    s.viewOfRotation(g);
    return g;
}

// The stars' cotangents, PSF, LSF, templates; the sums are of what else the view has.
ViewSums Linearisation::State::inputsOfCube(const Cube& cubeBar, const GradientOptions& options, InputsBar& g) const {
    const Optics& o = optics();
    const std::size_t wings = o.wings();
    const std::vector<PsfParameter> psfs = options.instrument ? psfParametersOf() : std::vector<PsfParameter>{};
    const std::vector<LsfParameter> lsfs = options.instrument ? lsfSlopesOf() : std::vector<LsfParameter>{};
    const bool instrument = !psfs.empty() || !lsfs.empty();
    if (device && !options.templates) return vjpOnDevice(cubeBar, psfs, lsfs, g);
    const OpticsTranspose transpose(o, o.psf(), o.lsf());
    std::vector<OpticsTranspose> slopes;  // of psfs
    for (const PsfParameter p : psfs) slopes.emplace_back(o, psfSlope(p), o.lsf());
    std::optional<LineSlopeDots> lineDots;
    if (!lsfs.empty()) lineDots.emplace(o, transpose, lsfSlope(), lsfs);
    std::optional<Accumulator> accumulator;
    if (instrument && !rubix()) accumulator.emplace(exec, binned(), table);
    std::optional<TemplatesBar> templates;
    if (options.templates) templates.emplace(table);

    Buffer<StarRecordBar> bar = zeroRecords();
    // By lit spaxel, so that their sums do not depend on the ranks.
    std::vector<std::vector<double>> psfBar(psfs.size(), std::vector<double>(lit.size(), 0.0)),
        lsfBar(lsfs.size(), std::vector<double>(lit.size(), 0.0));
    Buffer<float> cotangents;
    Buffer<double> forward;
    forBlocks(instrument ? (lineDots && kernelsDiffer(o) ? 4 : 3) : 1, [&](std::size_t first, std::size_t count,
                                                                           std::size_t stride) {
        const std::size_t wide = count + 2 * wings, size = lit.size() * stride;
        if (cotangents.size() < size) cotangents = Buffer<float>(size, 0.0F);
        {
            const StageTimer timer("convolve adjoint");
            transpose(exec, cubeBar, plan.plan.covered, wanted, lit, first, count, cotangents.data(), stride);
        }
        {
            const StageTimer timer("accumulate adjoint");
            if (rubix())
                accumulateRubixAdjoint(exec, binned(), library, view.redshift, o.grid(), cotangents.data() + wings,
                                       stride, bar.data());
            else
                spectra().adjoint(exec, o.grid().window(std::ptrdiff_t(first) - std::ptrdiff_t(wings), wide), scale(),
                                  cotangents.data(), stride, bar.data(), templates ? &*templates : nullptr);
        }
        if (!instrument) return;
        const StageTimer timer("instrument adjoint");
        if (forward.size() < size) forward = Buffer<double>(size, 0.0);
        forwardSpectra(accumulator ? &*accumulator : nullptr, first, count, forward.data(), stride);
        for (std::size_t k = 0; k < slopes.size(); ++k) {
            slopes[k](exec, cubeBar, plan.plan.covered, wanted, lit, first, count, cotangents.data(), stride);
            addDots(cotangents.data(), forward.data(), wide, stride, psfBar[k]);
        }
        if (lineDots)
            lineDots->add(exec, cubeBar, plan.plan.covered, wanted, lit, first, count, forward.data(), stride,
                          cotangents.data(), lsfBar);
    });

    const StageTimer timer("inputs adjoint");
    for (std::size_t k = 0; k < psfs.size(); ++k) psfBarOf(psfs[k], g) = total(psfBar[k]);
    for (std::size_t p = 0; p < lsfs.size(); ++p) addLsfBar(lsfs[p], total(lsfBar[p]), g);
    if (templates) {
        const std::vector<double> sums = templates->total();
        g.templates.assign(library.flux.size(), 0.0);
        for (std::size_t t = 0; t < library.nTemplates(); ++t)
            std::copy_n(sums.begin() + std::ptrdiff_t(t * table.stride), table.size(),
                        g.templates.begin() + std::ptrdiff_t(t * library.nLambda() + table.first));
    }
    cotangents = {};
    forward = {};
    return inputsOfRecords(std::move(bar), {}, g.stars);
}

}  // namespace tessera
