#include "tessera/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "observer_state.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/instrument_files.hpp"

namespace tessera {

namespace {

// Runs a stage under its timer.
template <class Stage>
auto timed(const char* name, Stage stage) {
    const StageTimer timer(name);
    return stage();
}

}  // namespace

InstrumentTables loadInstrumentTables(const Config& c) {
    InstrumentTables t;
    if (c.psf && c.psf->kind == PsfKind::fits) t.psfImage = readPsfImage(c.psf->path);
    if (c.lsf && !c.lsf->table.empty()) t.lineWidths = readLineWidths(c.lsf->table);
    return t;
}

Cosmology cosmologyOf(const CosmologyConfig& c, const SnapshotInfo& info) {
    if (c.name == "Planck15") return planck15();
    if (c.name == "Planck18") return planck18();
    if (c.name == "TNG") return illustrisTng();
    if (c.name == "custom") return {c.h, c.Om0, 1 - c.Om0, c.w0, c.wa};
    if (c.name != "snapshot") throw ConfigError("cosmology.name \"" + c.name + "\" is not known");
    if (!info.hasCosmology)
        throw Error(info.path + ": the snapshot names no cosmology (cosmology.name \"snapshot\"): give one by name");
    return {info.h, info.omegaM, info.omegaL, -1, 0};
}

std::vector<std::uint8_t> coveredPixels(const WavelengthGrid& grid, const SspLibrary& library, double redshift,
                                        Outside outside) {
    const double low = library.wavelength.front() * (1 + redshift), high = library.wavelength.back() * (1 + redshift);
    const double tolerance = 1e-3;  // media differ by 3e-4
    std::vector<std::uint8_t> covered(grid.size);
    bool all = true;
    for (std::size_t j = 0; j < grid.size; ++j) {
        covered[j] =
            grid.edge(double(j)) >= low * (1 - tolerance) && grid.edge(double(j) + 1) <= high * (1 + tolerance);
        all = all && covered[j];
    }
    if (!all && outside == Outside::error)
        throw Error(
            fmt::format("SSP library {} covers {:.1f} to {:.1f} Angstrom, but at redshift {} the telescope sees "
                        "{:.1f} to {:.1f} Angstrom of the rest frame; choose another library, redshift or "
                        "telescope.wavelength, or set spectra.outside to \"nan\"",
                        library.name, library.wavelength.front(), library.wavelength.back(), redshift,
                        grid.edge(0) / (1 + redshift), grid.edge(double(grid.size)) / (1 + redshift)));
    return covered;
}

Observer::State::View& Observer::State::viewAt(double redshift) {
    constexpr std::size_t most = 16;  // each keeps masks, kernels and tables of knots
    const auto seen =
        std::find_if(views.begin(), views.end(), [&](const View& v) { return v.report.redshift == redshift; });
    if (seen != views.end()) {
        views.splice(views.begin(), views, seen);
    } else {
        views.push_front({planView(config, library, cosmology, instrumentTables, redshift), {}});
        if (views.size() > most) views.pop_back();
    }
    return views.front();
}

Knots& Observer::State::knotsOf(View& v, const TableKey& key) {
    const auto found = std::find_if(v.tables.begin(), v.tables.end(), [&](const auto& t) { return t.first == key; });
    if (found != v.tables.end()) {
        std::rotate(found, found + 1, v.tables.end());
        return v.tables.back().second;
    }
    constexpr std::size_t most = 4;
    if (v.tables.size() == most) v.tables.erase(v.tables.begin());
    std::optional<Knots> table;
    if (known) table = known->take(KnotCache::keyOf(config, v, key, false));
    if (!table) table.emplace(Knots{makeKnots(exec, config, library, v, key), {}});
    v.tables.emplace_back(key, std::move(*table));
    boundTables();
    return v.tables.back().second;
}

// Drops tables of the redshifts that were not seen for longest; those of the one at hand stay. A table of a fine library
// takes 25 MB.
void Observer::State::boundTables() {
    constexpr std::size_t most = std::size_t(128) << 20;  // [byte]
    std::size_t sum = 0;
    for (View& v : views) {
        for (const auto& [key, knots] : v.tables)
            sum += (knots.table.flux.size() + knots.table.byKnot.size()) * sizeof(float);
        if (sum > most && &v != &views.front()) v.tables.clear();
    }
}

Cube Observer::State::cubeOf(const View& v) {
    const std::size_t n = v.grid.n, pixels = v.plan.optics.grid().size;
    const std::lock_guard lock(spareMutex);
    const auto fits =
        std::find_if(spare.begin(), spare.end(), [&](const auto& b) { return b.size() == n * n * pixels; });
    if (fits == spare.end()) return Cube(n, n, pixels);
    Cube cube(n, n, pixels, std::move(*fits));
    spare.erase(fits);
    return cube;
}

Observer::Observer(Host exec, const Config& c, const SspLibrary& library, const Cosmology& cosmology,
                   const InstrumentTables& tables, KnotCache* known)
    : state_(new State{exec,
                       c,
                       library,
                       cosmology,
                       tables,
                       {},
                       {},
                       {},
                       {},
                       {},
                       {},
                       makeDeviceObserver(c.resources.backend, nodeRank()),
                       known}) {}

Observer::~Observer() {
    if (!state_->known) return;
    for (State::View& v : state_->views)
        for (auto& [key, knots] : v.tables)
            state_->known->give(KnotCache::keyOf(state_->config, v, key, false), std::move(knots));
}

void Observer::recycle(GalaxyCube&& cube) {
    constexpr std::size_t most = 4;
    const std::lock_guard lock(state_->spareMutex);
    for (Cube* c : {&cube.flux, &cube.variance})
        if (!c->data.empty() && state_->spare.size() < most) state_->spare.push_back(std::move(c->data));
}

GalaxyCube Observer::observe(const Stars& stars, const GalaxyInput& input, std::size_t view, const Comm& comm) {
    const Config& c = state_->config;
    return observe(stars, input, view, {c.noise ? c.noise->seed : 0, narrow<std::uint32_t>(view)}, comm);
}

GalaxyCube Observer::State::begin(const Stars& stars, const Stars& own, const GalaxyInput& input, const View& v,
                                  std::uint32_t number, const Team& team) const {
    GalaxyCube g;
    g.report = v.report;
    g.report.subhalo = input.subhalo.id;
    g.report.view = narrow<int>(number);
    g.report.nStars = team.total(own.size());
    g.report.nWind = team.total(own.windRows.size());
    g.wavelength = v.plan.optics.grid();
    g.grid = v.grid;
    g.unit = v.plan.fluxUnit + " Angstrom-1";
    if (team.any(lacksSmoothing(stars, config.projection)))
        throw Unobservable(
            fmt::format("subhalo {}: the stars have no smoothing lengths, which projection.footprint \"sph\" takes; "
                        "allowed: a number of kpc "
                        "for projection.smoothing",
                        input.subhalo.id));
    return g;
}

GalaxyFrame Observer::State::findFrame(const Stars& own, const GalaxyInput& input, const ViewConfig& view,
                                       const Team& team, const SumFrame& sums, GalaxyReport& report) const {
    const GalaxyFrame f = timed("frame", [&] {
        try {
            return frame(exec, own, input.subhalo, input.centre, input.boxSize, view, team.gather(), sums);
        } catch (const Error& e) {
            throw Unobservable(e.what(), e.where());
        }
    });
    report.rotation = f.rotation;
    report.centre = f.centre;
    report.systemicVelocity = f.velocity;
    return f;
}

EmptyField Observer::State::emptyField(const GalaxyInput& input, const GalaxyReport& report,
                                       const ViewConfig& view) const {
    return EmptyField(
        fmt::format("subhalo {}: none of its {} stars{} lies in the field of view ({} arcsec = {:.3g} kpc at "
                    "redshift {})",
                    input.subhalo.id, report.nStars, input.field ? " nor of others'" : "", config.telescope.fov,
                    config.telescope.fov * report.kpcPerArcsec, view.redshift));
}

GalaxyCube Observer::observe(const Stars& stars, const GalaxyInput& input, std::size_t viewIndex, const NoiseKey& noise,
                             const Comm& comm, const StarsDone& starsDone) {
    const auto begin = std::chrono::steady_clock::now();
    Team team(comm);
    // Where one of the ranks has no device, all do without.
    if (!team.any(!state_->fitsDevice(input))) {
        GalaxyCube g;
        const GalaxyToObserve one{&stars, &input, noise};
        state_->observeOnDevice({&one, 1}, viewIndex, comm, [&](std::size_t, Observed&& o) {
            if (o.fault) std::rethrow_exception(o.fault);
            g = std::move(o.cube);
        });
        return g;
    }
    const Config& c = state_->config;
    const Host exec = state_->exec;
    const ViewConfig& view = c.views.at(viewIndex);
    State::View& v = state_->viewAt(view.redshift);
    const Optics& optics = v.plan.optics;
    const std::size_t n = v.grid.n;
    const Stars copied = input.field ? sliceRows(stars, 0, input.field->ownRows) : Stars();
    const Stars& own = input.field ? copied : stars;
    GalaxyCube g = state_->begin(stars, own, input, v, noise.view, team);
    const GalaxyFrame f = state_->findFrame(own, input, view, team, {}, g.report);
    const SpaxelGrid padded = v.grid.padded(optics.pad());
    const Doppler doppler = state_->doppler();

    Projected projected = timed("project", [&] {
        return project(exec, stars, f, input.boxSize, padded, doppler, input.field ? input.field->depth : 0,
                       c.projection, std::move(state_->projected));
    });
    if (optics.psf() && !optics.psf()->padded) cropToField(projected, n, optics.pad());
    if (!team.any(anyInMask(projected, v.plan.mask, n, optics.pad()))) throw state_->emptyField(input, g.report, view);
    if (starsDone) starsDone(StarsPart::motion);

    team.combineShifts(projected);
    const std::uint64_t inside = team.total(projected.inside);
    Knots& knots = state_->knotsOf(v, tableKeyOf(projected.shiftMin, projected.shiftMax, inside));
    KnotTable& table = knots.table;
    team.agree(table);
    BinnedStars& binned = state_->binned;
    timed("bin", [&] {
        binned =
            team.shareSpaxels(exec, order(exec, stars, projected, padded.n * padded.n, table, std::move(binned.stars)));
    });
    if (starsDone) starsDone(StarsPart::all);
    if (table.fine)
        projected = {};  // the sums of rows need its memory
    else
        state_->projected = std::move(projected);
    timed("maps", [&] {
        if (knots.light.light.empty()) knots.light = bandLightTable(exec, table, g.wavelength, view.redshift);
        const std::vector<std::uint8_t> mine = team.mine(n, optics.pad(), v.plan.mask);
        MapSummation sums(table, knots.light, doppler, n, optics.pad(), mine);
        settle(exec, binned, table, [&](std::size_t spaxel) { sums(binned, spaxel); });
        MapResult m = std::move(sums).result();
        team.collectMaps(n, optics.pad(), m);
        reportSums(m.total(), g.report);
        g.maps = std::move(m.maps);
    });

    keepLit(binned);
    const std::vector<std::uint32_t> lit = team.collectLit(binned.spaxel);
    std::optional<Accumulator> accumulator;
    if (!state_->rubix()) timed("accumulate", [&] { accumulator.emplace(exec, binned, table); });
    const auto accumulateBlock = [&](std::ptrdiff_t from, std::size_t count, float* out, std::size_t stride) {
        const StageTimer timer("accumulate");
        if (state_->rubix())
            accumulateRubix(exec, binned, state_->library, view.redshift, g.wavelength, out + optics.wings(), stride);
        else
            (*accumulator)(g.wavelength.window(from, count), v.plan.scale, out, stride);
        team.collectSpectra(out, stride, out);
    };
    // RUBIX's rescaling needs whole spectra.
    const SpectraBlocks blocks(optics, lit.size(), blockBytes(c, inside),
                               table.fine ? longestFineBlock : g.wavelength.size, state_->rubix());
    if (!team.owner()) {
        blocks.forEach(exec, binned.spaxel.size(), accumulateBlock, state_->workspace,
                       [](std::size_t, std::size_t, float*) {});
        g.maps.clear();
        return g;
    }
    g.flux = state_->cubeOf(v);
    g.maps.push_back(makeCube(exec, v.plan, lit, blocks, accumulateBlock, state_->workspace, g.flux));

    if (c.noise) {
        const StageTimer timer("noise");
        g.variance = state_->cubeOf(v);
        NoiseConfig config = *c.noise;
        config.seed = noise.seed;
        addNoise(exec, config, g.wavelength, g.grid, input.subhalo.id, noise.view, g.flux, g.variance);
    }
    g.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return g;
}

GalaxyCube observe(Host exec, const Stars& stars, const GalaxyInput& input, const Config& c, std::size_t view,
                   const SspLibrary& library, const Cosmology& cosmology, const InstrumentTables& tables) {
    return Observer(exec, c, library, cosmology, tables).observe(stars, input, view);
}

}  // namespace tessera
