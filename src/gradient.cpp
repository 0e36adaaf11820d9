// writeGradients(): read, linearise, write, for every galaxy and view of a configuration.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "deal.hpp"
#include "device_adjoint.hpp"
#include "device_observer.hpp"
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
    Job(const Config& c, const GradientRun& run) : run_(run), plan_(makePlan(writingTo(c, run.output), {})) {
        exec_.threads = plan_.config.resources.threads;
    }
    const RunPlan& plan() const { return plan_; }

    // Whether there is something to differentiate in this cube of the galaxy.
    bool wanted(std::int64_t subhalo, const Observation& o) const {
        if (!run_.target.empty() || plan_.named) return true;
        return hasCotangent(run_.cotangent, subhalo, int(o.noise.view));
    }

    // Empty where the galaxy is not observed.
    std::optional<GradientFields> differentiate(const Galaxy& g, const Observation& o) const {
        const std::int64_t id = g.input.subhalo.id;
        if (!g.skipped.empty()) {
            if (plan_.named) throw Error(fmt::format("subhalo {}: {}", id, g.skipped));
            return {};
        }
        const Setup& setup = plan_.setupOf(o);
        Config c = setup.config;
        c.noise.reset();
        try {
            GradientFields out;
            out.subhalo = id;
            out.view = int(o.noise.view);
            const Cube bar = cotangentOf(g, c, o, out);
            const Linearisation at(exec_, g.stars, g.input, c, o.view, *setup.library, setup.cosmology, *setup.tables);
            InputsBar inputs = at.vjp(bar, run_.options);
            putScalars(c, c.views[o.view], at, inputs, run_.options, out);
            out.stars = std::move(inputs.stars);
            out.windRows = g.stars.windRows;
            out.templates = std::move(inputs.templates);
            out.nZ = setup.library->nZ();
            out.nAge = setup.library->nAge();
            out.nLambda = setup.library->nLambda();
            return out;
        } catch (const EmptyField&) {
            if (plan_.named) throw;
            return {};
        } catch (const Error& e) {
            throw Error(fmt::format("subhalo {}, view {}: {}", id, o.noise.view, e.what()), e.where());
        }
    }

private:
    static Config writingTo(Config c, const std::string& path) {
        c.output.path = path;
        return c;
    }
    // c: without noise.
    Cube cotangentOf(const Galaxy& g, const Config& c, const Observation& o, GradientFields& out) const {
        const std::int64_t id = g.input.subhalo.id;
        const Setup& setup = plan_.setupOf(o);
        std::optional<NoiseConfig> noise = setup.config.noise;  // of the cubes that the cotangents are of
        if (noise) noise->seed = o.noise.seed;
        Cube given;
        if (run_.target.empty()) {
            given = readCotangent(run_.cotangent, id, int(o.noise.view));
            if (!noise) return given;
        }
        const GalaxyCube model =
            observe(exec_, g.stars, g.input, c, o.view, *setup.library, setup.cosmology, *setup.tables);
        if (run_.target.empty()) {
            if (given.data.size() != model.flux.data.size()) return given;  // vjp() says what is wrong
            if (const auto device = makeDeviceAdjoint(c.resources.backend, nodeRank()))
                return device->noise({*noise, model.wavelength, model.grid, id, o.noise.view}, model.flux, given);
            return noiseAdjoint(exec_, *noise, model.wavelength, model.grid, id, o.noise.view, model.flux, given,
                                nullptr);
        }
        double chi2 = 0;
        Cube bar = residuals(model, readGalaxyCube(run_.target, id, int(o.noise.view)), chi2);
        out.scalars.push_back({"chi2", {chi2}});
        return bar;
    }

    const GradientRun& run_;
    RunPlan plan_;
    Host exec_;
};

// This rank's galaxies, whole.
std::vector<Share> sharesOf(const RunPlan& plan, const Comm& world) {
    std::vector<DealtGalaxy> galaxies;
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) galaxies.push_back(plan.dealt(g));
    return deal(galaxies, world.size(), std::numeric_limits<std::uint64_t>::max())[std::size_t(world.rank())];
}

std::string ofRank(const std::string& path, int rank) {
    return fmt::format("{}.rank{}", path, rank);
}

}  // namespace

ExitCode writeGradients(const Config& config, const GradientRun& run) {
    requireDevice(config.resources.backend, nodeRank());
    const Comm world = Comm::world();
    const Job job(config, run);
    const RunPlan& plan = job.plan();
    const std::string& source = run.target.empty() ? run.cotangent : run.target;
    const CubeFileHeader header = headerOf(plan, world.size());
    const std::string mine = world.rank() == 0 ? run.output : ofRank(run.output, world.rank());
    GradientFileWriter file(mine, header, source);

    const std::vector<Share> shares = sharesOf(plan, world);
    GalaxyReader reader(plan, shares, plan.named);
    std::uint64_t written = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const std::int64_t id = plan.galaxies[shares[i].galaxy].id;
        std::optional<Galaxy> galaxy;
        for (const Observation& o : plan.observationsOf(shares[i].galaxy)) {
            if (!job.wanted(id, o)) continue;
            if (!galaxy) {
                galaxy = reader.read(i);
                completeGalaxy(*galaxy, plan, Comm::self(), plan.named);
            }
            if (const auto fields = job.differentiate(*galaxy, o)) {
                file.write(*fields);
                ++written;
            }
        }
    }
    if (world.rank() != 0) file.finish();
    world.sum(&written, 1);  // all are done
    if (world.rank() == 0) {
        std::error_code code;
        const auto removeOthers = [&] {
            for (int r = 1; r < world.size(); ++r) std::filesystem::remove(ofRank(run.output, r), code);
        };
        try {
            if (written == 0)
                throw Error(
                    fmt::format("{}: has none of the {} galaxies of the configuration, or none of them can be observed",
                                source, plan.galaxies.size()));
            for (int r = 1; r < world.size(); ++r) file.append(ofRank(run.output, r));
            file.finish();
        } catch (...) {
            removeOthers();
            throw;
        }
        removeOthers();
        if (!run.quiet) fmt::print("{}: gradients of {} cubes\n", run.output, written);
    }
    world.barrier();
    return ExitCode::ok;
}

}  // namespace tessera
