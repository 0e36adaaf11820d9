// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_observer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "device_spectra.hpp"
#include "device_team.hpp"
#include "kernels/convolve.hpp"
#include "kernels/maps.hpp"
#include "kernels/moments.hpp"
#include "kernels/noise.hpp"
#include "kernels/ordered_stars.hpp"
#include "kernels/project.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/noise.hpp"
#include "tessera/physics/project.hpp"

namespace tessera {

namespace gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

class KernelPipeline final : public DeviceObserver {
public:
    void load(const Stars&, const std::vector<std::size_t>& blocks) override;
    std::vector<FrameSums> frameSums(const Vec3d& centre, double boxSize, double radius,
                                     const Vec3d& velocity) override;
    std::string device() const override { return deviceName(); }
    bool observe(const DeviceTask&, GalaxyCube&) override;

private:
    struct Sky {
        DeviceBuffer<std::uint32_t> spaxel;
        DeviceBuffer<float> shift;
        ProjectTotal total{};
    };
    Sky project(const DeviceTask&) const;
    OrderedStars order(const DeviceTask&, DeviceTeam&, const Sky&, const KnotTable&) const;
    void maps(const DeviceTask&, const DeviceTeam&, const OrderedStars&, const KnotTable&, GalaxyCube&) const;
    void addNoise(const DeviceTask&, DeviceBuffer<float>& flux, GalaxyCube&) const;

    Stream stream_;
    DeviceStars stars_;
    DeviceBuffer<std::size_t> blocks_;  // of rows, see stages/blocks
};

// What the field keeps of the padded grid's spaxels.
std::vector<std::uint8_t> spaxelUse(const CubePlan& plan, std::size_t n, std::size_t pad) {
    const std::size_t side = n + 2 * pad;
    const bool padded = !plan.optics.psf() || plan.optics.psf()->padded;
    std::vector<std::uint8_t> use(side * side, padded ? shines : unused);
    for (std::size_t y = 0; y < n; ++y)
        for (std::size_t x = 0; x < n; ++x)
            use[(y + pad) * side + x + pad] = plan.mask[y * n + x] ? insideMask : shines;
    return use;
}

KernelPipeline::Sky KernelPipeline::project(const DeviceTask& t) const {
    const std::size_t n = stars_.mass.size(), pad = t.plan.optics.pad();
    const std::vector<std::uint8_t> use = spaxelUse(t.plan, t.field.n, pad);
    const auto dUse = upload(stream_, use);
    Sky sky{DeviceBuffer<std::uint32_t>(n, stream_), DeviceBuffer<float>(n, stream_), {}};
    DeviceBuffer<ProjectTotal> total(projectBlocks(n), stream_);
    ProjectArgs a;
    a.position = stars_.position.view();
    a.velocity = stars_.velocity.view();
    a.centre = t.frame.centre;
    a.meanVelocity = t.frame.velocity;
    a.rotation = t.frame.rotation;
    a.boxSize = t.boxSize;
    a.grid = t.field.padded(pad);
    a.doppler = t.doppler;
    a.use = dUse.view();
    a.spaxel = sky.spaxel.view();
    a.shift = sky.shift.view();
    a.total = total.view();
    gpu::project(stream_, a);
    std::vector<ProjectTotal> parts(total.size());
    total.download(parts.data());
    stream_.synchronize();
    ProjectTotal& sum = sky.total;
    sum = {INFINITY, -INFINITY, 0, 0, 0};
    for (const ProjectTotal& p : parts) {
        sum.shiftMin = std::min(sum.shiftMin, p.shiftMin);
        sum.shiftMax = std::max(sum.shiftMax, p.shiftMax);
        sum.onGrid += p.onGrid;
        sum.kept += p.kept;
        sum.inMask += p.inMask;
    }
    return sky;
}

OrderedStars KernelPipeline::order(const DeviceTask& t, DeviceTeam& team, const Sky& sky,
                                   const KnotTable& table) const {
    const std::size_t side = t.field.n + 2 * t.plan.optics.pad();
    const auto ages = upload(stream_, table.logAgeGyr), z = upload(stream_, table.zAxis);
    OrderPlan p;
    p.spaxels = side * side;
    p.kept = sky.total.kept;
    p.shiftMin = table.shiftMin;
    p.shiftMax = table.shiftMax;
    p.shiftStep = float(table.shiftStep);
    p.logAgeGyr = ages.view();
    p.zAxis = z.view();
    p.rubix = table.rubix;
    return team.shareStars(p, sortStars(stream_, p, stars_, sky.spaxel, sky.shift));
}

void KernelPipeline::maps(const DeviceTask& t, const DeviceTeam& team, const OrderedStars& stars,
                          const KnotTable& table, GalaxyCube& g) const {
    const std::size_t n = t.field.n;
    const BandLightTable light = bandLightTable({}, table, g.wavelength, t.redshift);
    const auto dLight = upload(stream_, light.light);
    const std::vector<std::uint8_t> mine = team.mine(n, t.plan.optics.pad(), t.plan.mask);
    const auto dMask = upload(stream_, mine);
    DeviceBuffer<SpaxelSums> sums(n * n, stream_);
    sumSpaxels(stream_, {stars.star.view(), stars.spaxelStar.view(), n, t.plan.optics.pad(), dMask.view(), light.axes,
                         dLight.view(), limitsOf(table), t.doppler, sums.view()});
    std::vector<SpaxelSums> host(n * n);
    sums.download(host.data());
    stream_.synchronize();
    team.collectSums(n, t.plan.optics.pad(), host);
    if (!team.owner()) return;
    MapResult m = mapsOfSums(std::move(host), n, t.plan.mask);
    g.maps = std::move(m.maps);
    const SpaxelSums all = m.total();
    g.report.nStarsInField = all.stars;
    g.report.massInField = all.mass;
    g.report.luminosityInBand = all.light;
    g.report.nClampedAge = all.clampedAge;
    g.report.nClampedMetallicity = all.clampedMetallicity;
    g.report.massClamped = all.clampedMass;
}

void KernelPipeline::addNoise(const DeviceTask& t, DeviceBuffer<float>& flux, GalaxyCube& g) const {
    const NoiseConfig& c = *t.noise;
    const std::size_t pixels = g.wavelength.size;
    const std::vector<double> gain = electronsPerPixel(c, g.wavelength);
    const auto dGain = upload(stream_, gain);
    NoiseArgs a;
    if (c.signalToNoise) {
        DeviceBuffer<double> mean(t.field.n * t.field.n, stream_);
        spaxelMeans(stream_, {flux.view(), pixels, mean.view()});
        std::vector<double> means(mean.size());
        mean.download(means.data());
        stream_.synchronize();
        a.target = true;
        a.reference = referenceFlux(means).value;
        a.signalToNoise = *c.signalToNoise;
    }
    DeviceBuffer<float> variance(flux.size(), stream_);
    a.flux = flux.view();
    a.variance = variance.view();
    a.pixels = pixels;
    a.seed = t.noiseKey.seed;
    a.galaxy = g.report.subhalo;
    a.view = t.noiseKey.view;
    a.gain = dGain.view();
    a.skyFlux = c.sky * sq(t.field.spaxelArcsec);
    a.readNoise = c.readNoise;
    a.exposures = c.exposures;
    gpu::addNoise(stream_, a);
    g.variance = t.newCube();
    variance.download(g.variance.data.data());
    stream_.synchronize();
}

void KernelPipeline::load(const Stars& stars, const std::vector<std::size_t>& blocks) {
    const StageTimer timer("upload");
    stars_ = {};
    stars_.position = upload(stream_, stars.position);
    stars_.velocity = upload(stream_, stars.velocity);
    stars_.mass = upload(stream_, stars.mass);
    stars_.age = upload(stream_, stars.age);
    stars_.metallicity = upload(stream_, stars.metallicity);
    blocks_ = upload(stream_, blocks);
    stream_.synchronize();
}

std::vector<FrameSums> KernelPipeline::frameSums(const Vec3d& centre, double boxSize, double radius,
                                                 const Vec3d& velocity) {
    DeviceBuffer<FrameSums> partial(blocks_.size() - 1, stream_);
    sumMoments(stream_, {stars_.position.view(), stars_.velocity.view(), stars_.mass.view(), centre, velocity, boxSize,
                         radius, blocks_.view(), partial.view()});
    std::vector<FrameSums> parts(partial.size());
    partial.download(parts.data());
    stream_.synchronize();
    return parts;
}

bool KernelPipeline::observe(const DeviceTask& t, GalaxyCube& g) {
    const auto timed = [](const char* name, auto stage) {
        const StageTimer timer(name);
        return stage();
    };
    DeviceTeam team(stream_, t.team, t.resources);
    Sky sky = timed("project", [&] { return project(t); });
    team.combine(sky.total);
    if (sky.total.inMask == 0) return false;
    const bool dense = t.team.alone() && !t.resources.deterministic;
    const KnotTable& table = t.knots(sky.total.shiftMin, sky.total.shiftMax, dense ? sky.total.onGrid : 0);
    const OrderedStars ordered = timed("bin", [&] { return order(t, team, sky, table); });
    stars_ = {};
    sky = {};
    timed("maps", [&] { maps(t, team, ordered, table, g); });
    DeviceBuffer<float> flux = timed("spectra", [&] { return makeDeviceCube(stream_, t, team, ordered, table, g); });
    if (!team.owner()) return true;
    if (t.noise) timed("noise", [&] { addNoise(t, flux, g); });
    const StageTimer timer("download");
    g.flux = t.newCube();
    flux.download(g.flux.data.data());
    stream_.synchronize();
    return true;
}

}  // namespace

std::unique_ptr<DeviceObserver> makeObserver(int nodeRank) {
    chooseDevice(nodeRank);
    return std::make_unique<KernelPipeline>();
}

bool deviceIsThere() {
    return deviceFound();
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace gpu

}  // namespace tessera
