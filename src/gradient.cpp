// writeGradients(): read, linearise, write, for every galaxy and view of a configuration.
#include <fmt/format.h>

#include <array>
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
    if (c.projection.footprint != FootprintKind::nearest) s.push_back({"centre", three(g.centre)});
    if (c.projection.smoothing) s.push_back({"smoothing", {g.smoothing}});
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

    // Of this rank's rows; a call of all ranks that share it. Empty where the galaxy is not observed.
    std::optional<GradientFields> differentiate(const Galaxy& g, const Share& share, const Observation& o,
                                                const Comm& comm) const {
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
            out.firstRow = share.rows.first;
            out.rows = g.input.subhalo.stars.count;
            const Cotangent bar = cotangentOf(g, c, o, comm, out);
            const Linearisation at(exec_, g.stars, g.input, c, o.view, *setup.library, setup.cosmology, *setup.tables,
                                   comm, nullptr, &memory_);
            InputsBar inputs = at.vjp(bar.flux, bar.maps, run_.options);
            if (comm.rank() == 0) putScalars(c, c.views[o.view], at, inputs, run_.options, out);
            out.withPositions = c.projection.footprint != FootprintKind::nearest;
            out.withSmoothing = c.projection.footprint == FootprintKind::sph;
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
    // c: without noise. The owner's model, the same cotangent for all.
    Cotangent cotangentOf(const Galaxy& g, const Config& c, const Observation& o, const Comm& comm,
                          GradientFields& out) const {
        const std::int64_t id = g.input.subhalo.id;
        const Setup& setup = plan_.setupOf(o);
        std::optional<NoiseConfig> noise = setup.config.noise;  // of the cubes that the cotangents are of
        if (noise) noise->seed = o.noise.seed;
        Cotangent given;
        if (run_.target.empty()) {
            given = readCotangent(run_.cotangent, id, int(o.noise.view));
            if (!noise || given.flux.data.empty()) return given;
        }
        Observer observer(exec_, c, *setup.library, setup.cosmology, *setup.tables);
        const GalaxyCube model = observer.observe(g.stars, g.input, o.view, comm);
        Cube bar;
        if (comm.rank() == 0) {
            if (!run_.target.empty()) {
                double chi2 = 0;
                bar = residuals(model, readGalaxyCube(run_.target, id, int(o.noise.view)), chi2);
                out.scalars.push_back({"chi2", {chi2}});
            } else if (given.flux.data.size() != model.flux.data.size()) {
                bar = std::move(given.flux);  // vjp() says what is wrong
            } else if (const auto device = makeDeviceAdjoint(c.resources.backend, nodeRank())) {
                bar = device->noise({*noise, model.wavelength, model.grid, id, o.noise.view}, model.flux, given.flux);
            } else {
                bar = noiseAdjoint(exec_, *noise, model.wavelength, model.grid, id, o.noise.view, model.flux,
                                   given.flux, nullptr);
            }
        }
        std::array<std::uint64_t, 3> shape{bar.ny, bar.nx, bar.nLambda};
        comm.broadcast(shape.data(), shape.size());
        if (comm.rank() != 0) bar = Cube(shape[0], shape[1], shape[2]);
        comm.broadcast(bar.data.data(), bar.data.size());
        given.flux = std::move(bar);
        return given;
    }

    const GradientRun& run_;
    RunPlan plan_;
    Host exec_;
    mutable LinearisationMemory memory_;  // of one galaxy after the other
};

// What this rank has of the galaxies. With the templates' gradients galaxies stay whole: those are sums of single precision in the
// order of the stars.
std::vector<Share> sharesOf(const RunPlan& plan, const GradientOptions& options, const Comm& world) {
    std::vector<DealtGalaxy> galaxies;
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) galaxies.push_back(plan.dealt(g));
    const std::uint64_t splitFrom =
        options.templates ? std::numeric_limits<std::uint64_t>::max() : plan.config.resources.splitFrom;
    return deal(galaxies, world.size(), splitFrom)[std::size_t(world.rank())];
}

std::string ofRank(const std::string& path, int rank) {
    return fmt::format("{}.rank{}", path, rank);
}

}  // namespace

ExitCode writeGradients(const Config& config, const GradientRun& run) {
    const Comm world = Comm::world();
    requireDevice(config.resources.backend, world);
    const Job job(config, run);
    const RunPlan& plan = job.plan();
    if (plan.config.galaxies.particles == "field")
        throw ConfigError(
            "gradient: galaxies.particles \"field\": derivatives are those of a galaxy's own rows; allowed: "
            "\"subhalo\", \"group\"");
    const std::string& source = run.target.empty() ? run.cotangent : run.target;
    const CubeFileHeader header = headerOf(plan, world.size());
    const std::string mine = world.rank() == 0 ? run.output : ofRank(run.output, world.rank());
    GradientFileWriter file(mine, header, source);

    const std::vector<Share> shares = sharesOf(plan, run.options, world);
    GalaxyReader reader(plan, shares, plan.named);
    std::uint64_t written = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const std::int64_t id = plan.galaxies[shares[i].galaxy].id;
        const Comm comm = world.range(shares[i].firstRank, shares[i].lastRank);
        std::optional<Galaxy> galaxy;
        for (const Observation& o : plan.observationsOf(shares[i].galaxy)) {
            if (!job.wanted(id, o)) continue;
            if (!galaxy) {
                galaxy = reader.read(i);
                completeGalaxy(*galaxy, plan, comm, plan.named);
            }
            if (const auto fields = job.differentiate(*galaxy, shares[i], o, comm)) {
                file.write(*fields);
                written += comm.rank() == 0;
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
