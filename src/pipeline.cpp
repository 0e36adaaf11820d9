#include "tessera/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <list>
#include <mutex>
#include <optional>
#include <utility>

#include "device_observer.hpp"
#include "make_cube.hpp"
#include "stages/blocks.hpp"
#include "team.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/instrument_files.hpp"
#include "tessera/stages.hpp"
#include "view_plan.hpp"

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

struct Observer::State {
    // What the views of one redshift share, whatever the galaxy.
    struct View : ViewPlan {
        std::vector<std::pair<TableKey, KnotTable>> tables;  // newest last
    };

    Host exec;
    const Config& config;
    const SspLibrary& library;
    const Cosmology& cosmology;
    const InstrumentTables& instrumentTables;
    std::list<View> views;  // the last used first
    CubeWorkspace workspace;
    BinnedStars binned;  // memory
    std::mutex spareMutex;
    std::vector<Buffer<float>> spare;  // memory of cubes
    std::unique_ptr<DeviceObserver> device;

    bool rubix() const { return config.compat == Compat::rubix; }
    View& viewAt(double redshift);
    KnotTable& knotsOf(View&, const TableKey&);
    void boundTables();
    Cube cubeOf(const View&);
};

Observer::State::View& Observer::State::viewAt(double redshift) {
    constexpr std::size_t most = 16;  // each keeps masks, kernels and tables of knots
    const auto known =
        std::find_if(views.begin(), views.end(), [&](const View& v) { return v.report.redshift == redshift; });
    if (known != views.end()) {
        views.splice(views.begin(), views, known);
    } else {
        views.push_front({planView(config, library, cosmology, instrumentTables, redshift), {}});
        if (views.size() > most) views.pop_back();
    }
    return views.front();
}

KnotTable& Observer::State::knotsOf(View& v, const TableKey& key) {
    const auto known = std::find_if(v.tables.begin(), v.tables.end(), [&](const auto& t) { return t.first == key; });
    if (known != v.tables.end()) {
        std::rotate(known, known + 1, v.tables.end());
        return v.tables.back().second;
    }
    constexpr std::size_t most = 4;
    if (v.tables.size() == most) v.tables.erase(v.tables.begin());
    v.tables.emplace_back(key, makeKnots(exec, config, library, v, key));
    boundTables();
    return v.tables.back().second;
}

// Drops tables of the redshifts that were not seen for longest; those of the one at hand stay. A table of a fine library
// takes 25 MB.
void Observer::State::boundTables() {
    constexpr std::size_t most = std::size_t(128) << 20;  // [byte]
    std::size_t sum = 0;
    for (View& v : views) {
        for (const auto& [key, table] : v.tables) sum += (table.flux.size() + table.byKnot.size()) * sizeof(float);
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
                   const InstrumentTables& tables)
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
                       makeDeviceObserver(c.resources.backend, nodeRank())}) {}
Observer::~Observer() = default;

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

GalaxyCube Observer::observe(const Stars& stars, const GalaxyInput& input, std::size_t viewIndex, const NoiseKey& noise,
                             const Comm& comm) {
    const auto begin = std::chrono::steady_clock::now();
    Team team(comm);
    const Config& c = state_->config;
    const Host exec = state_->exec;
    const ViewConfig& view = c.views.at(viewIndex);
    State::View& v = state_->viewAt(view.redshift);
    const Optics& optics = v.plan.optics;
    const std::size_t n = v.grid.n;

    GalaxyCube g;
    g.report = v.report;
    g.report.subhalo = input.subhalo.id;
    g.report.view = narrow<int>(noise.view);
    const Stars copied = input.field ? sliceRows(stars, 0, input.field->ownRows) : Stars();
    const Stars& own = input.field ? copied : stars;
    g.report.nStars = team.total(own.size());
    g.report.nWind = team.total(own.windRows.size());
    g.wavelength = optics.grid();
    g.grid = v.grid;
    g.unit = v.plan.fluxUnit + " Angstrom-1";

    // Where one of the ranks has no device, all do without.
    DeviceObserver* const device = input.field || team.any(state_->device == nullptr) ? nullptr : state_->device.get();
    SumFrame deviceSums;
    if (device) {
        device->load(stars, rowBlocks(stars));
        deviceSums = [&](const auto&... a) { return sumInOrder(device->frameSums(a...), team.gather()); };
    }
    const GalaxyFrame f = timed("frame", [&] {
        try {
            return frame(exec, own, input.subhalo, input.centre, input.boxSize, view, team.gather(), deviceSums);
        } catch (const Error& e) {
            throw Unobservable(e.what(), e.where());
        }
    });
    g.report.rotation = f.rotation;
    g.report.centre = f.centre;
    g.report.systemicVelocity = f.velocity;

    const SpaxelGrid padded = v.grid.padded(optics.pad());
    const Doppler doppler = state_->rubix() ? Doppler::exponential : c.spectra.doppler;
    const auto emptyField = [&] {
        return EmptyField(
            fmt::format("subhalo {}: none of its {} stars{} lies in the field of view ({} arcsec = {:.3g} kpc at "
                        "redshift {})",
                        input.subhalo.id, g.report.nStars, input.field ? " nor of others'" : "", c.telescope.fov,
                        c.telescope.fov * g.report.kpcPerArcsec, view.redshift));
    };
    const auto finished = [&] {
        g.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        return std::move(g);
    };
    if (device) {
        const auto tableOf = [&](float low, float high) -> const KnotTable& {
            KnotTable& table = state_->knotsOf(v, tableKeyOf(low, high, 0));
            team.agree(table);
            return table;
        };
        const DeviceTask task{f,
                              input.boxSize,
                              v.plan,
                              v.grid,
                              doppler,
                              view.redshift,
                              state_->library,
                              tableOf,
                              [&] { return state_->cubeOf(v); },
                              c.noise ? &*c.noise : nullptr,
                              noise,
                              team,
                              c.resources};
        if (!device->observe(task, g)) throw emptyField();
        return finished();
    }

    Projected projected = timed("project", [&] {
        return project(exec, stars, f, input.boxSize, padded, doppler, input.field ? input.field->depth : 0);
    });
    if (optics.psf() && !optics.psf()->padded) cropToField(projected, n, optics.pad());
    if (!team.any(anyInMask(projected, v.plan.mask, n, optics.pad()))) throw emptyField();

    team.combineShifts(projected);
    const std::uint64_t inside = team.total(projected.inside);
    KnotTable& table = state_->knotsOf(v, tableKeyOf(projected.shiftMin, projected.shiftMax, inside));
    team.agree(table);
    BinnedStars& binned = state_->binned;
    timed("bin", [&] {
        binned =
            team.shareSpaxels(exec, order(exec, stars, projected, padded.n * padded.n, table, std::move(binned.stars)));
        settle(exec, binned, table);
    });
    projected = {};  // its memory is wanted below
    timed("maps", [&] {
        MapResult m = maps(exec, binned, table, doppler, view.redshift, g.wavelength, n, optics.pad(),
                           team.mine(n, optics.pad(), v.plan.mask));
        team.collectMaps(n, optics.pad(), m);
        const SpaxelSums total = m.total();
        g.report.nStarsInField = total.stars;
        g.report.massInField = total.mass;
        g.report.luminosityInBand = total.light;
        g.report.nClampedAge = total.clampedAge;
        g.report.nClampedMetallicity = total.clampedMetallicity;
        g.report.massClamped = total.clampedMass;
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
    const SpectraBlocks blocks(optics, lit.size(), blockBytes(c, table.fine, inside), state_->rubix());
    if (!team.owner()) {
        blocks.forEach(binned.spaxel.size(), accumulateBlock, state_->workspace,
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
    return finished();
}

GalaxyCube observe(Host exec, const Stars& stars, const GalaxyInput& input, const Config& c, std::size_t view,
                   const SspLibrary& library, const Cosmology& cosmology, const InstrumentTables& tables) {
    return Observer(exec, c, library, cosmology, tables).observe(stars, input, view);
}

}  // namespace tessera
