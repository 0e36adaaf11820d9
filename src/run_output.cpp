#include "run_output.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "assembly.hpp"
#include "io/cube_tables.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/fits.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

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

bool failed(const GalaxyReport& row) {
    return row.status.starts_with("failed");
}

// The rows of each galaxy of a part, in the order of their views.
std::map<std::int64_t, std::vector<GalaxyReport>> rowsOfGalaxies(const CubePart& part) {
    std::map<std::int64_t, std::vector<GalaxyReport>> found;
    for (const GalaxyReport& row : part.rows) {
        std::vector<GalaxyReport>& rows = found[row.subhalo];
        if (row.view == int(rows.size())) rows.push_back(row);
    }
    return found;
}

std::vector<std::string> fitsPaths(const RunPlan& plan) {
    std::vector<std::string> paths;
    if (!plan.config.output.fits) return paths;
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g)
        for (const Observation& o : plan.observationsOf(g))
            paths.push_back(plan.fitsPath(plan.galaxies[g].id, o.noise.view));
    return paths;
}

std::size_t failedGalaxies(const std::string& path) {
    std::set<std::int64_t> ids;
    for (const GalaxyReport& row : readCatalogue(h5::File::openRead(path).root()))
        if (failed(row)) ids.insert(row.subhalo);
    return ids.size();
}

bool isComplete(const std::string& path, const CubeFileHeader& header) {
    const auto there = headerOfComplete(path);
    return there && there->shard == header.shard && differenceOf(*there, header).empty();
}

}  // namespace

RunOutput::RunOutput(const Comm& world, const RunPlan& plan, const RunOptions& options)
    : world_(world),
      plan_(plan),
      parts_(partsPath(plan.output)),
      header_(headerOf(plan, world.size())),
      done_(plan.galaxies.size() + 1, 0) {
    if (world.rank() == 0) {
        prepare(options);
        done_.back() = complete_;
        if (world.size() > 1 && !complete_) lock_.share();
    }
    world.sum(done_.data(), done_.size());
    complete_ = done_.back() != 0;
    done_.pop_back();
    if (complete_) {
        ended_ = true;
        return;
    }
    if (world.rank() != 0) lock_ = OutputLock::joint(parts_ + "/lock", plan.output);
    writer_ = std::make_unique<PartsWriter>(plan.output, header_, plan.config.output, world.rank());
}

// After an error: other ranks may still be at their parts, so the directory goes only where this is the only one.
RunOutput::~RunOutput() {
    writer_.reset();
    if (!ended_ && world_.size() == 1) release();
}

void RunOutput::release() {
    std::error_code code;
    const bool mine = world_.rank() == 0;
    // What is left of other ranks' parts was open when they failed.
    if (mine) fs::remove(parts_ + "/lock", code);
    lock_.release();
    if (mine && fs::is_empty(parts_, code) && !code) fs::remove(parts_, code);
}

void RunOutput::prepare(const RunOptions& options) {
    checkReplaceable(followLinks(plan_.output));
    std::error_code code;
    fs::create_directory(parts_, code);
    if (code)
        throw Error(fmt::format("output.path {}: cannot make directory {}: {}", plan_.output, parts_, code.message()));
    lock_ = OutputLock::sole(parts_ + "/lock", plan_.output);
    removeTemporaryFiles(plan_.output, fitsPaths(plan_));
    FoundParts found = findParts(plan_.output);
    if (options.overwrite) {
        for (const CubePart& part : found.parts) fs::remove(fs::path(parts_) / part.name);
        for (const std::string& name : found.damaged) fs::remove(fs::path(parts_) / name);
        found = {};
    }
    const bool retry = options.retryFailed && isComplete(plan_.output, header_) && failedGalaxies(plan_.output) > 0;
    if (retry) {
        takeApart(plan_.output);
        found = findParts(plan_.output, true);
    }
    if (found.parts.empty() && !options.overwrite && (options.resume || plan_.shards > 1))
        complete_ = isComplete(plan_.output, header_);
    if (complete_) {
        failedInComplete_ = failedGalaxies(plan_.output);
        release();
        return;
    }
    if (options.resume) {
        for (const std::string& name : found.damaged)
            spdlog::warn("{}/{}: damaged; its galaxies are observed again", parts_, name);
        takeOver(found);
        return;
    }
    std::set<std::int64_t> finished;
    for (const CubePart& part : found.parts)
        for (const GalaxyReport& row : part.rows) finished.insert(row.subhalo);
    if (!finished.empty())
        throw Error(
            fmt::format("output.path {}: an earlier run ended before its time, and {} has {} finished {} of it; "
                        "--resume goes on from there, --overwrite throws them away",
                        plan_.output, parts_, finished.size(), finished.size() == 1 ? "galaxy" : "galaxies"));
}

// Of a galaxy that is in several parts, as after a run that was killed while it was told to end, the first counts.
// Galaxies of which a view failed are tried again.
void RunOutput::takeOver(const FoundParts& found) {
    std::map<std::int64_t, std::size_t> places;
    for (std::size_t i = 0; i < plan_.galaxies.size(); ++i) places.emplace(plan_.galaxies[i].id, i);
    for (const CubePart& part : found.parts) {
        std::string difference = differenceOf(part.header, header_);
        if (difference.empty() && part.header.shard != header_.shard)
            difference = fmt::format("shard {} instead of {}", part.header.shard, header_.shard);
        if (!difference.empty())
            throw Error(
                fmt::format("cannot resume: {}/{} is of another run: {}; --overwrite throws away what that one "
                            "finished",
                            parts_, part.name, difference));
        for (const auto& [id, rows] : rowsOfGalaxies(part)) {
            const auto at = places.find(id);
            if (at == places.end() || done_[at->second] || rows.size() != plan_.observationsOf(at->second).size() ||
                std::any_of(rows.begin(), rows.end(), failed))
                continue;
            done_[at->second] = 1;
            for (const GalaxyReport& row : rows) {
                RowOfRun& taken = rows_.emplace_back();
                taken.place = plan_.observationsOf(at->second)[std::size_t(row.view)].place;
                taken.report = row;
                taken.part = part.name;
            }
        }
    }
    takenOverRows_ = rows_.size();
}

std::size_t RunOutput::takenOver() const {
    return std::size_t(std::count(done_.begin(), done_.end(), 1));
}

// A galaxy of which something could not be written must not come into the journal, whatever waits to be done behind.
std::function<void()> RunOutput::guarded(std::function<void()> write) {
    return [this, write = std::move(write)] {
        try {
            write();
        } catch (const Error& e) {
            writer_->abandon();
            const bool mine = takenOverRows_ > 0 || !writer_->partOfGalaxy().empty();
            const bool kept = mine || !findParts(plan_.output).parts.empty();  // of other ranks
            throw Error(
                kept ? fmt::format("{}; what is finished is kept in {} for --resume", e.what(), parts_) : e.what(),
                e.where());
        } catch (...) {
            writer_->abandon();
            throw;
        }
    };
}

void RunOutput::write(RunIo& io, const Setup& setup, std::shared_ptr<const GalaxyCube> cube) {
    io.behind(guarded([this, &setup, cube = std::move(cube)] {
        writer_->write(*cube);
        if (plan_.config.output.fits)
            writeFits(plan_.fitsPath(cube->report.subhalo, std::size_t(cube->report.view)), *cube,
                      fitsOptions(setup.config));
    }));
}

void RunOutput::endOfGalaxy(RunIo& io, const std::vector<RowOfRun>& rows) {
    std::vector<GalaxyReport> reports;
    for (const RowOfRun& row : rows) reports.push_back(row.report);
    firstRow_.push_back(rows_.size());
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    io.then(guarded([this, reports = std::move(reports)] { writer_->endGalaxy(reports); }));
}

void RunOutput::close(RunIo& io) {
    io.then(guarded([this] { writer_->close(); }));
    io.finish();
    const std::vector<std::string>& parts = writer_->partOfGalaxy();
    expects(parts.size() == firstRow_.size(), "a part for every galaxy that was ended");
    firstRow_.push_back(rows_.size());
    for (std::size_t g = 0; g < parts.size(); ++g)
        for (std::size_t i = firstRow_[g]; i < firstRow_[g + 1]; ++i) rows_[i].part = parts[g];
}

std::vector<RowOfRun> RunOutput::gather() {
    return gatherRows(world_, rows_);
}

void RunOutput::finish(const std::vector<RowOfRun>& rows) {
    if (world_.rank() != 0) lock_.release();
    world_.barrier();
    std::vector<RowOfPart> all;
    for (const RowOfRun& row : rows) all.push_back({row.report, row.part});
    try {
        assemble(world_, plan_.output, header_, all, plan_.config.output);
    } catch (const Error& e) {
        throw Error(fmt::format("{}; all galaxies are finished and kept in {}: --resume puts the file together, with "
                                "output.layout parts in no space to speak of",
                                e.what(), parts_),
                    e.where());
    }
    if (world_.rank() == 0) release();
    ended_ = true;
    world_.barrier();
}

void RunOutput::discard() {
    if (world_.rank() != 0) lock_.release();
    world_.barrier();
    if (world_.rank() == 0) {
        for (const CubePart& part : findParts(plan_.output).parts) fs::remove(fs::path(parts_) / part.name);
        release();
    }
    ended_ = true;
    world_.barrier();
}

void RunOutput::keep() {
    if (world_.rank() != 0) lock_.release();
    world_.barrier();
    if (world_.rank() == 0) release();
    ended_ = true;
    world_.barrier();
}

}  // namespace tessera
