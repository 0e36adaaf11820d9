#include "run_observe.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

namespace tessera {

namespace {

// A row of the catalogue for a galaxy that is not observed.
GalaxyReport skippedReport(const RunPlan& plan, const Galaxy& g, const Observation& o, const std::string& status) {
    const Setup& setup = plan.setupOf(o);
    GalaxyReport r;
    if (!plan.rowsSha256.empty()) r.row = std::int64_t(o.place);
    r.subhalo = g.input.subhalo.id;
    r.view = int(o.noise.view);
    r.redshift = setup.config.views[o.view].redshift;
    r.luminosityDistanceMpc = luminosityDistanceMpc(setup.cosmology, r.redshift);
    r.angularDistanceMpc = angularDistanceMpc(setup.cosmology, r.redshift);
    r.kpcPerArcsec = kpcPerArcsec(setup.cosmology, r.redshift);
    r.spaxelArcsec = setup.config.telescope.spaxel;
    r.nStars = g.nStars > 0 ? g.nStars : g.input.subhalo.stars.count;
    r.nWind = g.nWind;
    r.centre = g.input.centre;
    r.status = status;
    return r;
}

void logCube(const GalaxyReport& r, int ranks) {
    spdlog::info("subhalo {}, view {}: {} of {} stars in the field, {} ranks, {:.2f} s", r.subhalo, r.view,
                 r.nStarsInField, r.nStars, ranks, r.seconds);
}

// Why a galaxy has no cube, for its row; throws again what ends the run.
std::string statusOf(const std::exception_ptr& fault, const RunPlan& plan, const Galaxy& g, const Observation& o,
                     bool shared, bool strict) {
    const auto failed = [&](const Error& e) {
        if (strict || e.exitCode() == ExitCode::usage)
            throw Error(fmt::format("subhalo {}, view {}: {}", g.input.subhalo.id, o.noise.view, e.what()), e.where());
        return failedStatus(g.input.subhalo, e.what());
    };
    try {
        std::rethrow_exception(fault);
    } catch (const EmptyField& e) {
        return plan.named ? failed(e) : "skipped: no stars in the field";
    } catch (const Unobservable& e) {
        return failed(e);
    } catch (const Error& e) {
        if (shared) throw;  // the others wait for this rank
        return failed(e);
    } catch (const std::bad_alloc&) {
        if (strict || shared) throw;
        return failedStatus(g.input.subhalo, outOfMemory);
    }
}

}  // namespace

std::shared_ptr<const GalaxyCube> observeView(Observers& observers, const RunPlan& plan, Galaxy& g,
                                              const Observation& o, const Comm& comm, bool strict, bool last,
                                              RowOfRun& row) {
    Observer::StarsDone giveUp;
    if (last)
        giveUp = [&stars = g.stars](Observer::StarsPart part) {
            if (part == Observer::StarsPart::all)
                stars = {};
            else
                stars.dropMotion();
        };
    std::string status = g.skipped;
    if (status.empty()) try {
            std::shared_ptr<const GalaxyCube> cube = observers.observe(g.stars, g.input, o, comm, giveUp);
            row.report = cube->report;
            if (comm.rank() == 0) logCube(row.report, comm.size());
            return cube;
        } catch (const std::exception&) {
            status = statusOf(std::current_exception(), plan, g, o, comm.size() > 1, strict);
        }
    row.report = skippedReport(plan, g, o, status);
    return {};
}

void GalaxyBatch::add(std::size_t place, Galaxy&& galaxy) {
    Waiting& w = galaxies_.emplace_back();
    w.galaxy = std::move(galaxy);
    stars_ += w.galaxy.stars.size();
    for (const Observation& o : plan_.observationsOf(place)) {
        w.observations.push_back(o);
        RowOfRun& row = w.rows.emplace_back();
        row.place = o.place;
        row.mass = w.galaxy.mass;
    }
}

// Stars of a few ten megabytes; launches are few beside the work of so many.
bool GalaxyBatch::full() const {
    constexpr std::uint64_t mostStars = std::uint64_t(1) << 19;
    constexpr std::size_t mostGalaxies = 256;
    return stars_ >= mostStars || galaxies_.size() >= mostGalaxies;
}

std::vector<GalaxyBatch::View> GalaxyBatch::views() const {
    std::vector<View> all;
    for (std::size_t g = 0; g < galaxies_.size(); ++g)
        for (std::size_t r = 0; r < galaxies_[g].observations.size(); ++r) {
            const Observation& o = galaxies_[g].observations[r];
            auto v = std::find_if(all.begin(), all.end(),
                                  [&](const View& x) { return x.setup == o.setup && x.view == o.view; });
            if (v == all.end()) v = all.insert(all.end(), {o.setup, o.view, {}});
            v->galaxyAndRow.emplace_back(g, r);
        }
    return all;
}

void GalaxyBatch::observe(const std::function<void(const Observation&, std::shared_ptr<const GalaxyCube>)>& made,
                          const std::function<void(const std::vector<RowOfRun>&)>& end,
                          const std::function<bool()>& asked) {
    std::vector<std::size_t> left;  // rows of each galaxy
    for (const Waiting& w : galaxies_) left.push_back(w.rows.size());
    bool first = true;
    for (const View& v : views()) {
        if (!std::exchange(first, false) && asked()) break;
        std::vector<GalaxyToObserve> some;
        std::vector<std::pair<std::size_t, std::size_t>> of;
        std::vector<const Observation*> observations;
        for (const auto& [g, r] : v.galaxyAndRow) {
            Waiting& w = galaxies_[g];
            --left[g];
            if (!w.galaxy.skipped.empty()) {
                w.rows[r].report = skippedReport(plan_, w.galaxy, w.observations[r], w.galaxy.skipped);
                continue;
            }
            some.push_back({&w.galaxy.stars, &w.galaxy.input, w.observations[r].noise});
            of.emplace_back(g, r);
            observations.push_back(&w.observations[r]);
        }
        observers_.observe(some, observations,
                           [&](std::size_t i, std::shared_ptr<const GalaxyCube> cube, const std::exception_ptr& fault) {
                               const auto [g, r] = of[i];
                               Waiting& w = galaxies_[g];
                               GalaxyReport& report = w.rows[r].report;
                               if (fault) {
                                   const std::string status =
                                       statusOf(fault, plan_, w.galaxy, w.observations[r], false, strict_);
                                   report = skippedReport(plan_, w.galaxy, w.observations[r], status);
                                   return;
                               }
                               report = cube->report;
                               logCube(report, 1);
                               made(w.observations[r], std::move(cube));
                           });
    }
    for (std::size_t g = 0; g < galaxies_.size(); ++g)
        if (left[g] == 0) end(galaxies_[g].rows);
    galaxies_.clear();
    stars_ = 0;
}

}  // namespace tessera
