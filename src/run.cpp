// run(): read, observe, write, for every galaxy and view of a configuration.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>

#include "progress.hpp"
#include "run_galaxy.hpp"
#include "run_io.hpp"
#include "run_output.hpp"
#include "run_plan.hpp"
#include "run_reports.hpp"
#include "stop.hpp"
#include "tessera/comm/comm.hpp"

namespace tessera {

namespace {

// Messages on standard error: rank 0's, and with -v everyone's.
void setUpLog(const Comm& world, const RunOptions& options) {
    const char* noColour = std::getenv("NO_COLOR");
    const auto mode =
        noColour != nullptr && *noColour != '\0' ? spdlog::color_mode::never : spdlog::color_mode::automatic;
    auto log = std::make_shared<spdlog::logger>("tessera", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(mode));
    log->set_pattern(world.size() > 1 ? fmt::format("[rank {}] tessera: %^%l%$: %v", world.rank())
                                      : "tessera: %^%l%$: %v");
    log->set_level(options.verbosity > 0 ? spdlog::level::info
                   : world.rank() == 0   ? spdlog::level::warn
                                         : spdlog::level::off);
    spdlog::set_default_logger(log);
}

// A row of the catalogue for a galaxy that is not observed.
GalaxyReport skippedReport(const RunPlan& plan, const Galaxy& g, std::size_t view, const std::string& status) {
    GalaxyReport r;
    r.subhalo = g.input.subhalo.id;
    r.view = int(view);
    r.redshift = plan.config.views[view].redshift;
    r.luminosityDistanceMpc = luminosityDistanceMpc(plan.cosmology, r.redshift);
    r.angularDistanceMpc = angularDistanceMpc(plan.cosmology, r.redshift);
    r.kpcPerArcsec = kpcPerArcsec(plan.cosmology, r.redshift);
    r.spaxelArcsec = plan.config.telescope.spaxel;
    r.nStars = g.stars.size() > 0 ? g.stars.size() : g.input.subhalo.stars.count;
    r.nWind = g.stars.windRows.size();
    r.centre = g.input.centre;
    r.status = status;
    return r;
}

// The cube's memory goes back to the observer when it has been written, from whichever thread that is.
std::shared_ptr<const GalaxyCube> observeView(Observer& observer, const RunPlan& plan, const Galaxy& g,
                                              std::size_t view, bool strict, RowOfRun& row) {
    std::string status = g.skipped;
    const auto fault = [&](const Error& e) {
        if (strict || e.exitCode() == ExitCode::usage)
            throw Error(fmt::format("subhalo {}, view {}: {}", g.input.subhalo.id, view, e.what()), e.where());
        status = failedStatus(g.input.subhalo, e.what());
    };
    try {
        if (status.empty()) {
            std::shared_ptr<const GalaxyCube> cube(new GalaxyCube(observer.observe(g.stars, g.input, view)),
                                                   [&observer](GalaxyCube* c) {
                                                       observer.recycle(std::move(*c));
                                                       delete c;
                                                   });
            row.report = cube->report;
            spdlog::info("subhalo {}, view {}: {} of {} stars in the field, {:.2f} s", cube->report.subhalo, view,
                         cube->report.nStarsInField, cube->report.nStars, cube->report.seconds);
            return cube;
        }
    } catch (const EmptyField& e) {
        if (plan.named)
            fault(e);
        else
            status = "skipped: no stars in the field";
    } catch (const Error& e) {
        fault(e);
    } catch (const std::bad_alloc&) {
        if (strict) throw;
        status = failedStatus(g.input.subhalo, outOfMemory);
    }
    row.report = skippedReport(plan, g, view, status);
    return {};
}

// What all ranks have done together.
struct Tally {
    std::uint64_t rows = 0, cubes = 0, failed = 0;
};

Tally tallied(const Comm& world, const std::vector<RowOfRun>& all) {
    Tally t;
    for (const RowOfRun& row : all) {
        ++t.rows;
        t.cubes += row.report.status == "ok";
        t.failed += row.report.status.starts_with("failed");
    }
    std::uint64_t values[] = {t.rows, t.cubes, t.failed};
    world.sum(values, 3);
    return {values[0], values[1], values[2]};
}

}  // namespace

ExitCode run(const Config& config, const RunOptions& options) {
    const auto begin = StopRequest::Clock::now();
    const Comm world = Comm::world();
    setUpLog(world, options);
    StopRequest stop(begin, options.maxSeconds);
    const RunPlan plan = makePlan(config, options);
    if (world.rank() == 0)
        for (const std::string& note : plan.snapshot->info().notes)
            spdlog::warn("{}: {}", plan.snapshot->info().path, note);
    if (options.dryRun) {
        if (world.rank() == 0) fmt::print("{}", describe(plan));
        return ExitCode::ok;
    }

    RunOutput output(world, plan, options);
    if (output.complete()) {
        if (world.rank() == 0 && !options.quiet)
            fmt::print("{}:{} is complete already (--overwrite observes it again)\n", plan.output,
                       plan.shards > 1 ? fmt::format(" shard {} of {}", plan.shard, plan.shards) : "");
        return ExitCode::ok;
    }

    const std::size_t views = plan.config.views.size(), galaxies = plan.galaxies.size();
    std::vector<std::size_t> mine;
    for (std::size_t place = 0, dealt = 0; place < galaxies; ++place)
        if (!output.done(place) && int(dealt++ % std::size_t(world.size())) == world.rank()) mine.push_back(place);
    Observer observer(Host{plan.config.resources.threads}, plan.config, plan.library, plan.cosmology, plan.tables);
    {
        const std::size_t total = (galaxies - output.takenOver()) * views;
        Progress progress(total, "cubes", options.progress && !options.quiet && world.rank() == 0);
        RunIo io(plan, mine, world.size(), options.strict);
        std::size_t cubes = 0;
        for (std::size_t i = 0; i < mine.size() && !stop.asked(); ++i) {
            const Galaxy galaxy = io.nextGalaxy();
            std::vector<RowOfRun> rows;
            for (std::size_t view = 0; view < views && (view == 0 || !stop.asked()); ++view) {
                RowOfRun& row = rows.emplace_back();
                row.place = mine[i] * views + view;
                row.mass = galaxy.mass;
                if (auto cube = observeView(observer, plan, galaxy, view, options.strict, row)) {
                    output.write(io, std::move(cube));
                    ++cubes;
                }
                // The others are about as far.
                const std::size_t done = i * views + view + 1;
                if (done < mine.size() * views) progress.update(total * done / (mine.size() * views));
            }
            if (rows.size() == views) output.endOfGalaxy(io, rows);
        }
        output.close(io);
        if (cubes > 0) progress.update(total);  // else an error is all there is to say
    }
    const std::vector<RowOfRun> rows = output.gather();
    const Tally tally = tallied(world, rows);
    const std::string reason = stop.reason(world);
    if (tally.rows < galaxies * views) {
        output.keep();
        if (world.rank() == 0) spdlog::warn("{}", stoppedEarly(plan, rows, reason));
        return ExitCode::resumable;
    }
    const bool nothing = tally.cubes == 0 && tally.failed > 0;
    if (nothing && plan.shards == 1) {
        output.discard();
        if (world.rank() == 0) spdlog::error("no cube was made, and no file written: {}", failures(plan, rows));
        return ExitCode::failed;
    }
    output.finish(rows);
    if (world.rank() == 0) {
        if (tally.failed > 0) spdlog::warn("{}", failures(plan, rows));
        const double seconds = std::chrono::duration<double>(StopRequest::Clock::now() - begin).count();
        if (!options.quiet) fmt::print("{}", summary(plan, rows, seconds, output.takenOver()));
    }
    return nothing ? ExitCode::failed : ExitCode::ok;
}

}  // namespace tessera
