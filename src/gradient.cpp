// writeGradients(): read, linearise, write, for every galaxy and view of a configuration.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cmath>
#include <optional>

#include "run_galaxy.hpp"
#include "run_plan.hpp"
#include "stages/noise_adjoint.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/io/gradient_file.hpp"

namespace tessera {

namespace {

// d chi^2 / d cube = 2 (F - T) / V of a target T with variance V (1 where it has none), and chi^2. Voxels that either
// leaves blank do not count, nor those of variance 0.
Cube residuals(const GalaxyCube& model, const GalaxyCube& target, double& chi2) {
    const Cube &f = model.flux, &t = target.flux;
    if (f.nx != t.nx || f.ny != t.ny || f.nLambda != t.nLambda)
        throw Error(fmt::format("the target is {} x {} x {}, but the cube {} x {} x {} ([ny][nx][wavelength])", t.ny,
                                t.nx, t.nLambda, f.ny, f.nx, f.nLambda));
    if (target.unit != model.unit)
        throw Error(fmt::format("the target is in {}, but the cube in {}", target.unit, model.unit));
    Cube bar(f.ny, f.nx, f.nLambda);
    chi2 = 0;
    for (std::size_t i = 0; i < f.data.size(); ++i) {
        const double difference = double(f.data[i]) - double(t.data[i]);
        const double variance = target.variance.data.empty() ? 1 : double(target.variance.data[i]);
        const bool counts = std::isfinite(difference) && variance > 0;
        bar.data[i] = counts ? float(2 * difference / variance) : 0;
        chi2 += counts ? difference * difference / variance : 0;
    }
    return bar;
}

std::vector<double> three(const Vec3d& v) {
    return {v.x, v.y, v.z};
}

// Names and values of all scalars that the configuration has.
void putScalars(const Config& c, const ViewConfig& view, const Linearisation& at, const InputsBar& g,
                const GradientOptions& options, GradientFields& out) {
    auto& s = out.scalars;
    s.push_back({"systemic_velocity", three(g.systemicVelocity)});
    s.push_back({"redshift", {g.redshiftShift + g.redshiftDistance}});
    s.push_back({"redshift_shift", {g.redshiftShift}});
    s.push_back({"redshift_distance", {g.redshiftDistance}});
    s.push_back({"inclination", {g.inclination}});
    s.push_back({"position_angle", {g.positionAngle}});
    s.push_back({"twist", {g.twist}});
    if (view.orientation == Orientation::euler) s.push_back({"euler_deg", three(g.eulerDeg)});
    if (!options.instrument) return;
    if (c.psf && c.psf->sigmaSpaxels > 0)
        s.push_back({"psf_sigma_spaxels", {g.psfSigmaSpaxels}});
    else if (c.psf && c.psf->kind != PsfKind::fits)
        s.push_back({"psf_fwhm", {g.psfFwhm}});
    if (c.psf && c.psf->kind == PsfKind::moffat) s.push_back({"psf_beta", {g.psfBeta}});
    const std::vector<std::string> names = at.lsfNames();
    for (std::size_t k = 0; k < names.size(); ++k) s.push_back({"lsf_" + names[k], {g.lsf[k]}});
}

class Job {
public:
    Job(const Config& c, const GradientRun& run)
        : run_(run), noise_(run.target.empty() ? c.noise : std::nullopt), plan_(makePlan(withoutNoise(c, run), {})) {
        exec_.threads = plan_.config.resources.threads;
    }
    const RunPlan& plan() const { return plan_; }

    // Whether there is something to differentiate for this galaxy in this view.
    bool wanted(std::int64_t subhalo, int view) const {
        if (!run_.target.empty() || plan_.named) return true;
        return hasCotangent(run_.cotangent, subhalo, view);
    }

    // Empty where the galaxy is not observed.
    std::optional<GradientFields> differentiate(const Galaxy& g, std::size_t view) const {
        const std::int64_t id = g.input.subhalo.id;
        if (!g.skipped.empty()) {
            if (plan_.named) throw Error(fmt::format("subhalo {}: {}", id, g.skipped));
            return {};
        }
        try {
            GradientFields out;
            out.subhalo = id;
            out.view = int(view);
            const Cube bar = cotangentOf(g, view, out);
            const Linearisation at(exec_, g.stars, g.input, plan_.config, view, plan_.library, plan_.cosmology,
                                   plan_.tables);
            InputsBar inputs = at.vjp(bar, run_.options);
            putScalars(plan_.config, plan_.config.views[view], at, inputs, run_.options, out);
            out.stars = std::move(inputs.stars);
            out.windRows = g.stars.windRows;
            out.templates = std::move(inputs.templates);
            out.nZ = plan_.library.nZ();
            out.nAge = plan_.library.nAge();
            out.nLambda = plan_.library.nLambda();
            return out;
        } catch (const EmptyField&) {
            if (plan_.named) throw;
            return {};
        } catch (const Error& e) {
            throw Error(fmt::format("subhalo {}, view {}: {}", id, view, e.what()), e.where());
        }
    }

private:
    static Config withoutNoise(Config c, const GradientRun& run) {
        c.noise.reset();
        c.output.path = run.output;
        return c;
    }
    Cube cotangentOf(const Galaxy& g, std::size_t view, GradientFields& out) const {
        const std::int64_t id = g.input.subhalo.id;
        Cube given;
        if (run_.target.empty()) {
            given = readCotangent(run_.cotangent, id, int(view));
            if (!noise_) return given;
        }
        const GalaxyCube model =
            observe(exec_, g.stars, g.input, plan_.config, view, plan_.library, plan_.cosmology, plan_.tables);
        if (noise_) {
            if (given.data.size() != model.flux.data.size()) return given;  // vjp() says what is wrong
            return noiseAdjoint(exec_, *noise_, model.wavelength, model.grid, id, std::uint32_t(view), model.flux,
                                given, nullptr);
        }
        double chi2 = 0;
        Cube bar = residuals(model, readGalaxyCube(run_.target, id, int(view)), chi2);
        out.scalars.push_back({"chi2", {chi2}});
        return bar;
    }

    const GradientRun& run_;
    std::optional<NoiseConfig> noise_;  // of the cubes that the cotangents are of
    RunPlan plan_;
    Host exec_;
};

}  // namespace

ExitCode writeGradients(const Config& config, const GradientRun& run) {
    const Comm world = Comm::world();
    const Job job(config, run);
    const RunPlan& plan = job.plan();
    const std::string& source = run.target.empty() ? run.cotangent : run.target;
    std::optional<GradientFileWriter> file;
    if (world.rank() == 0) file.emplace(run.output, headerOf(plan, world.size()), source);
    std::uint64_t pid = world.rank() == 0 ? std::uint64_t(getpid()) : 0;
    world.sum(&pid, 1);
    if (world.rank() != 0)
        file.emplace(GradientFileWriter::join(run.output, long(pid)));
    else if (world.size() > 1)
        file->suspend();

    const std::size_t views = plan.config.views.size(), ranks = std::size_t(world.size());
    std::uint64_t written = 0;
    for (std::size_t round = 0; round < plan.galaxies.size(); round += ranks) {
        const std::size_t mine = round + std::size_t(world.rank());
        std::vector<GradientFields> fields;
        if (mine < plan.galaxies.size()) {
            const std::int64_t id = plan.galaxies[mine].id;
            std::optional<Galaxy> galaxy;
            for (std::size_t view = 0; view < views; ++view) {
                if (!job.wanted(id, int(view))) continue;
                if (!galaxy) galaxy = readGalaxy(plan, plan.galaxies[mine]);
                if (auto g = job.differentiate(*galaxy, view)) fields.push_back(std::move(*g));
            }
        }
        // Ranks take turns at the file.
        for (std::size_t turn = 0; turn < ranks; ++turn) {
            if (turn == std::size_t(world.rank()) && !fields.empty()) {
                file->resume();
                for (const GradientFields& g : fields) file->write(g);
                written += fields.size();
                if (ranks > 1) file->suspend();
            }
            world.barrier();
        }
    }
    world.sum(&written, 1);
    if (written == 0)
        throw Error(fmt::format("{}: has none of the {} galaxies of the configuration, or none of them can be observed",
                                source, plan.galaxies.size()));
    if (world.rank() == 0) {
        file->resume();
        file->finish();
        if (!run.quiet) fmt::print("{}: gradients of {} cubes\n", run.output, written);
    }
    world.barrier();
    return ExitCode::ok;
}

}  // namespace tessera
