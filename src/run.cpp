// run(): read, observe, write, for every galaxy and view of a configuration.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "claims.hpp"
#include "deal.hpp"
#include "device_observer.hpp"
#include "field.hpp"
#include "observers.hpp"
#include "progress.hpp"
#include "run_galaxy.hpp"
#include "run_io.hpp"
#include "run_observe.hpp"
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

// What every rank has of the galaxies that are still to be done.
std::vector<std::vector<Share>> sharesOf(const RunPlan& plan, const RunOutput& output, const Comm& world) {
    std::vector<std::size_t> places;
    std::vector<DealtGalaxy> galaxies;
    for (std::size_t place = 0; place < plan.galaxies.size(); ++place) {
        if (output.done(place)) continue;
        places.push_back(place);
        galaxies.push_back(plan.dealt(place));
    }
    auto shares = deal(galaxies, world.size(), plan.config.resources.splitFrom);
    for (std::vector<Share>& ofRank : shares)
        for (Share& s : ofRank) s.galaxy = places[s.galaxy];
    return shares;
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
    RunPlan plan = makePlan(config, options);
    if (world.rank() == 0)
        for (const std::string& note : plan.snapshot->info().notes)
            spdlog::warn("{}: {}", plan.snapshot->info().path, note);
    if (options.dryRun) {
        if (world.rank() == 0) fmt::print("{}", describe(plan));
        return ExitCode::ok;
    }

    requireDevice(plan.config.resources.backend, world);
    RunOutput output(world, plan, options);
    if (output.complete()) {
        if (world.rank() == 0 && !options.quiet) fmt::print("{}", completeAlready(plan, output.failedInComplete()));
        return ExitCode::ok;
    }

    findNeighbours(plan, world);
    Claims claims(plan, world, sharesOf(plan, output, world));
    Observers observers(plan);
    std::uint64_t rowsRead = 0;
    {
        const std::size_t total = plan.observations.size() - output.takenOverRows();
        Progress progress(total, "cubes", options.progress && !options.quiet && world.rank() == 0);
        RunIo io(plan, claims, nodeSize(), options.strict);
        std::size_t cubes = 0, galaxies = 0;
        bool stopped = false;
        const auto write = [&](const Observation& o, std::shared_ptr<const GalaxyCube> cube) {
            output.write(io, plan.setupOf(o), std::move(cube));
            ++cubes;
        };
        // So many galaxies are done; the others are about as far.
        const auto advance = [&](double done) {
            const double part = done / double(galaxies + 1 + io.left());
            if (part < 1) progress.update(std::size_t(double(total) * part));
        };
        const auto endOfGalaxy = [&](const std::vector<RowOfRun>& rows) {
            for (const RowOfRun& row : rows)
                if (row.report.status.ends_with(outOfMemory)) claims.keepToOwn();
            output.endOfGalaxy(io, rows);
        };
        // Galaxies that have a device for themselves are observed together, as many as there are in a row.
        const bool together = deviceIsUsed(plan.config.resources.backend) && plan.config.resources.memoryPerRank == 0;
        GalaxyBatch batch(observers, plan, options.strict);
        const auto observeBatch = [&] {
            if (batch.empty()) return;
            batch.observe(write, endOfGalaxy, [&] { return stop.asked(); });
            advance(double(galaxies));
        };
        while (const std::optional<Share> share = io.next()) {
            const Comm comm = world.range(share->firstRank, share->lastRank);
            // Ranks that share a galaxy must agree: a rank that stops still has to tell those of its other galaxies.
            std::uint64_t stops = stopped || stop.asked();
            comm.sum(&stops, 1);
            stopped = stops > 0;
            if (stopped && share->alone()) break;  // the last that others wait for is behind
            if (stopped) {
                io.leaveNext();
                continue;
            }
            Galaxy galaxy = io.readNext();
            rowsRead += galaxy.rows;
            completeGalaxy(galaxy, plan, comm, options.strict);
            const auto observations = plan.observationsOf(share->galaxy);
            if (together && share->alone() && galaxy.nStars <= fewStars) {
                batch.add(share->galaxy, std::move(galaxy));
                ++galaxies;
                if (batch.full()) observeBatch();
                continue;
            }
            observeBatch();  // in their order
            std::vector<RowOfRun> rows;
            for (const Observation& o : observations) {
                if (!rows.empty() && comm.size() == 1 && stop.asked()) break;
                RowOfRun& row = rows.emplace_back();
                row.place = o.place;
                row.mass = galaxy.mass;
                const bool last = rows.size() == observations.size();
                auto cube = observeView(observers, plan, galaxy, o, comm, options.strict, last, row);
                if (cube && comm.rank() == 0) write(o, std::move(cube));
                if (row.report.status.ends_with(outOfMemory)) claims.keepToOwn();
                advance(double(galaxies) + double(rows.size()) / double(observations.size()));
            }
            if (rows.size() == observations.size() && comm.rank() == 0) output.endOfGalaxy(io, rows);
            ++galaxies;
        }
        if (!stopped) observeBatch();
        output.close(io);
        claims.close();
        if (cubes > 0) progress.update(total);  // else an error is all there is to say
    }
    const std::vector<RowOfRun> rows = output.gather();
    const Tally tally = tallied(world, rows);
    const std::string reason = stop.reason(world);
    std::array<std::uint64_t, 2> volume{rowsRead, Comm::bytesMoved()};
    world.sum(volume.data(), volume.size());
    if (tally.rows < plan.observations.size()) {
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
        if (!options.quiet) fmt::print("{}", summary(plan, rows, {seconds, output.takenOver(), volume[0], volume[1]}));
    }
    return nothing ? ExitCode::failed : ExitCode::ok;
}

}  // namespace tessera
