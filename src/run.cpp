// run(): read, observe, write, for every galaxy and view of a configuration.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "observers.hpp"
#include "progress.hpp"
#include "run_galaxy.hpp"
#include "run_io.hpp"
#include "run_plan.hpp"
#include "run_reports.hpp"
#include "stop.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/fits.hpp"

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

// One cube file of all ranks: they take turns.
class SharedFile {
public:
    SharedFile(const Comm& world, const std::string& path, const CubeFileHeader& header) : world_(world) {
        if (world.rank() == 0) writer_.emplace(path, header);
        std::uint64_t pid = world.rank() == 0 ? std::uint64_t(getpid()) : 0;
        world.sum(&pid, 1);
        if (world.rank() != 0)
            writer_.emplace(CubeFileWriter::join(path, header, long(pid)));
        else if (world.size() > 1)
            writer_->suspend();
    }

    // Writes with f(writer) where there is something to write. A call of every rank: ranks take turns, and a rank alone
    // writes behind.
    template <class F>
    void write(RunIo& io, bool mine, F f) {
        if (world_.size() == 1) {
            if (mine) io.behind([this, f = std::move(f)] { f(*writer_); });
            return;
        }
        for (int turn = 0; turn < world_.size(); ++turn) {
            if (mine && turn == world_.rank())
                io.now([&] {
                    writer_->resume();
                    f(*writer_);
                    writer_->suspend();
                });
            world_.barrier();
        }
    }

    void finish(const std::vector<GalaxyReport>& catalogue) {
        if (world_.rank() == 0) {
            if (world_.size() > 1) writer_->resume();
            writer_->finish(catalogue);
        }
        world_.barrier();
    }

private:
    const Comm& world_;
    std::optional<CubeFileWriter> writer_;
};

// Whether there is a file as this run would write it. A call of every rank: rank 0 looks.
bool isComplete(const Comm& world, const std::string& path, const CubeFileHeader& header) {
    std::uint64_t complete = 0;
    if (world.rank() == 0)
        if (const auto there = headerOfComplete(path))
            complete = there->shard == header.shard && differenceOf(*there, header).empty();
    world.sum(&complete, 1);
    return complete != 0;
}

FitsOptions fitsOptions(const Config& c) {
    FitsOptions o;
    o.medium = c.telescope.medium;
    o.telescope = c.telescope.name;
    o.version = version();
    const WavelengthGrid grid = c.telescope.wavelengths();
    const double middle = grid.centre(0.5 * double(grid.size - 1));
    if (c.psf && c.psf->sigmaSpaxels > 0) {
        o.psfFwhmArcsec = c.psf->sigmaSpaxels * units::fwhm_per_sigma * c.telescope.spaxel;
    } else if (c.psf && c.psf->kind != PsfKind::fits) {
        o.psfFwhmArcsec = c.psf->fwhm;
        if (c.psf->power != 0) o.psfFwhmArcsec *= std::pow(middle / c.psf->referenceWavelength, c.psf->power);
    }
    if (c.lsf && c.lsf->fwhm) o.lsfFwhm = *c.lsf->fwhm;
    if (c.lsf && c.lsf->sigma) o.lsfFwhm = *c.lsf->sigma * units::fwhm_per_sigma;
    if (c.lsf && c.lsf->resolution) o.lsfFwhm = middle / *c.lsf->resolution;
    return o;
}

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
    r.nStars = g.stars.size() > 0 ? g.stars.size() : g.input.subhalo.stars.count;
    r.nWind = g.stars.windRows.size();
    r.centre = g.input.centre;
    r.status = status;
    return r;
}

std::shared_ptr<const GalaxyCube> observeView(Observers& observers, const RunPlan& plan, const Galaxy& g,
                                              const Observation& o, RowOfRun& row) {
    if (!g.skipped.empty()) {
        row.report = skippedReport(plan, g, o, g.skipped);
        return {};
    }
    try {
        const std::shared_ptr<const GalaxyCube> cube = observers.observe(g.stars, g.input, o);
        row.report = cube->report;
        spdlog::info("subhalo {}, view {}: {} of {} stars in the field, {:.2f} s", cube->report.subhalo,
                     cube->report.view, cube->report.nStarsInField, cube->report.nStars, cube->report.seconds);
        return cube;
    } catch (const EmptyField& e) {
        if (plan.named) throw;
        row.report = skippedReport(plan, g, o, "skipped: no stars in the field");
        return {};
    } catch (const Error& e) {
        throw Error(fmt::format("subhalo {}, view {}: {}", g.input.subhalo.id, o.noise.view, e.what()), e.where());
    }
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

    const CubeFileHeader header = headerOf(plan, world.size());
    if (plan.shards > 1 && !options.overwrite && isComplete(world, plan.output, header)) {
        if (world.rank() == 0 && !options.quiet)
            fmt::print("{}: shard {} of {} is complete already (--overwrite observes it again)\n", plan.output,
                       plan.shard, plan.shards);
        return ExitCode::ok;
    }
    SharedFile file(world, plan.output, header);

    const std::size_t galaxies = plan.galaxies.size(), cubes = plan.observations.size();
    const std::size_t ranks = std::size_t(world.size()), rounds = (galaxies + ranks - 1) / ranks;
    std::vector<RowOfRun> rows;
    Observers observers(plan);
    {
        Progress progress(cubes, "cubes", options.progress && !options.quiet && world.rank() == 0);
        RunIo io(plan, world);
        bool stopped = stop.asked(world);
        std::size_t done = 0;
        for (std::size_t round = 0; round < rounds && !stopped; ++round) {
            const std::size_t first = round * ranks, mine = first + std::size_t(world.rank());
            std::optional<Galaxy> galaxy;
            if (mine < galaxies) galaxy = io.nextGalaxy();
            for (std::size_t k = 0, most = plan.mostObservations(first, first + ranks); k < most && !stopped; ++k) {
                std::shared_ptr<const GalaxyCube> cube;
                const Setup* setup = nullptr;
                if (galaxy && k < plan.observationsOf(mine).size()) {
                    const Observation& o = plan.observationsOf(mine)[k];
                    setup = &plan.setupOf(o);
                    RowOfRun& row = rows.emplace_back();
                    row.place = o.place;
                    row.mass = galaxy->mass;
                    cube = observeView(observers, plan, *galaxy, o, row);
                }
                file.write(io, cube != nullptr, [&plan, setup, cube](CubeFileWriter& writer) {
                    writer.write(*cube);
                    if (plan.config.output.fits)
                        writeFits(plan.fitsPath(cube->report.subhalo, std::size_t(cube->report.view)), *cube,
                                  fitsOptions(setup->config));
                });
                for (std::size_t g = first; g < std::min(first + ranks, galaxies); ++g)
                    if (k < plan.observationsOf(g).size()) ++done;
                if (done == cubes) io.finish();
                progress.update(done);
                stopped = done < cubes && stop.asked(world);
            }
        }
        io.finish();
    }
    rows = gatherRows(world, rows);
    if (!stop.reason().empty()) {
        if (world.rank() == 0) spdlog::warn("{}", stoppedEarly(plan, rows, stop.reason()));
        return ExitCode::resumable;
    }
    std::vector<GalaxyReport> catalogue;
    for (const RowOfRun& row : rows) catalogue.push_back(row.report);
    file.finish(catalogue);

    if (world.rank() == 0 && !options.quiet) {
        const double seconds = std::chrono::duration<double>(StopRequest::Clock::now() - begin).count();
        fmt::print("{}", summary(plan, rows, seconds));
    }
    return ExitCode::ok;
}

}  // namespace tessera
