// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_group.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "device_knots.hpp"
#include "device_spectra.hpp"
#include "kernels/maps.hpp"
#include "kernels/moments.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/noise.hpp"
#include "tessera/physics/project.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

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

}  // namespace

void add(ProjectTotal& to, const ProjectTotal& p) {
    to.shiftMin = std::min(to.shiftMin, p.shiftMin);
    to.shiftMax = std::max(to.shiftMax, p.shiftMax);
    to.onGrid += p.onGrid;
    to.kept += p.kept;
    to.inMask += p.inMask;
}

Sky projectStars(const Stream& s, const CubePlan& plan, const SpaxelGrid& field, Doppler doppler,
                 const DeviceStars& stars, const std::vector<ProjectedGalaxy>& galaxies) {
    const StageTimer timer("project");
    const std::size_t n = stars.mass.size(), pad = plan.optics.pad();
    const std::vector<std::uint8_t> use = spaxelUse(plan, field.n, pad);
    std::vector<GalaxyRows> rows;
    std::vector<ProjectGalaxy> seen;
    for (const ProjectedGalaxy& g : galaxies) {
        rows.push_back(g.rows);
        seen.push_back({g.frame.centre, g.frame.velocity, g.frame.rotation, g.boxSize});
    }
    const std::vector<StarBlock> blocks = starBlocks(rows);
    const auto dUse = upload(s, use);
    const auto dSeen = upload(s, seen);
    const auto dBlocks = upload(s, blocks);
    Sky sky{DeviceBuffer<std::uint32_t>(n, s), DeviceBuffer<float>(n, s), {}};
    DeviceBuffer<ProjectTotal> total(blocks.size(), s);
    ProjectArgs a;
    a.block = dBlocks.view();
    a.galaxy = dSeen.view();
    a.position = stars.position.view();
    a.velocity = stars.velocity.view();
    a.grid = field.padded(pad);
    a.doppler = doppler;
    a.use = dUse.view();
    a.spaxel = sky.spaxel.view();
    a.shift = sky.shift.view();
    a.total = total.view();
    gpu::project(s, a);
    std::vector<ProjectTotal> parts(total.size());
    total.download(parts.data());
    s.synchronize();
    sky.totals.assign(galaxies.size(), {INFINITY, -INFINITY, 0, 0, 0});
    for (std::size_t b = 0; b < blocks.size(); ++b) add(sky.totals[blocks[b].galaxy], parts[b]);
    return sky;
}

std::vector<FrameSums> blockSums(const Stream& s, const DeviceStars& stars, const std::vector<std::size_t>& blocks,
                                 const Vec3d& centre, double boxSize, double radius, const Vec3d& velocity) {
    const auto dBlocks = upload(s, blocks);
    DeviceBuffer<FrameSums> partial(blocks.size() - 1, s);
    sumMoments(s, {stars.position.view(), stars.velocity.view(), stars.mass.view(), centre, velocity, boxSize, radius,
                   dBlocks.view(), partial.view()});
    std::vector<FrameSums> parts(partial.size());
    partial.download(parts.data());
    s.synchronize();
    return parts;
}

OrderedStars DeviceGroup::order(const DeviceStars& stars, const Sky& sky, std::span<const Member> members,
                                DeviceTeam& team, const KnotTable& table) const {
    const StageTimer timer("bin");
    const std::size_t side = view_.plan.optics.side();
    TableOrder order(s_, table, members.size() * side * side);
    OrderPlan& p = order.plan;
    for (const Member& m : members) {
        p.galaxies.push_back(m.rows);
        p.keptBefore.push_back(p.kept);
        p.kept += m.total.kept;
    }
    return team.shareStars(p, sortStars(s_, p, stars, sky.spaxel, sky.shift));
}

void DeviceGroup::maps(std::span<const Member> members, const DeviceTeam& team, OrderedParts& stars,
                       Knots& knots) const {
    const StageTimer timer("maps");
    const std::size_t n = view_.field.n, pad = view_.plan.optics.pad();
    const WavelengthGrid& grid = view_.plan.optics.grid();
    if (knots.light.light.empty()) knots.light = bandLightTable({}, knots.table, grid, view_.redshift);
    const auto dLight = upload(s_, knots.light.light);
    const std::vector<std::uint8_t> mine = team.mine(n, pad, view_.plan.mask);
    const auto dMask = upload(s_, mine);
    std::vector<SpaxelSums> host(members.size() * n * n);
    for (std::size_t i = 0; i < stars.size(); ++i) {
        const OrderedStars& part = stars.part(i);
        DeviceBuffer<SpaxelSums> sums(host.size(), s_);
        sumSpaxels(s_, {part.star.view(), part.spaxelStar.view(), n, pad, dMask.view(), knots.light.axes, dLight.view(),
                        limitsOf(knots.table), view_.doppler, sums.view()});
        std::vector<SpaxelSums> found(host.size());
        sums.download(found.data());
        s_.synchronize();
        for (std::size_t p = 0; p < host.size(); ++p)  // a spaxel's stars are in one part
            if (found[p].stars > 0) host[p] = found[p];
    }
    team.collectSums(n, pad, host);
    if (!team.owner()) return;
    for (std::size_t i = 0; i < members.size(); ++i) {
        GalaxyCube& g = all_[members[i].galaxy].cube;
        const auto first = host.begin() + std::ptrdiff_t(i * n * n);
        MapResult m = mapsOfSums({first, first + std::ptrdiff_t(n * n)}, n, view_.plan.mask);
        g.maps = std::move(m.maps);
        reportSums(m.total(), g.report);
    }
}

void DeviceGroup::addNoise(MadeCubes& cubes) const {
    const StageTimer timer("noise");
    const NoiseConfig& c = *view_.noise;
    const WavelengthGrid& grid = view_.plan.optics.grid();
    const std::size_t spaxels = view_.field.n * view_.field.n;
    cubes.gain = electronsPerPixel(c, grid);
    const auto dGain = upload(s_, cubes.gain);
    std::vector<NoiseDraw>& draws = cubes.draws;
    for (const std::size_t i : cubes.galaxies)
        draws.push_back({all_[i].noiseKey.seed, all_[i].cube.report.subhalo, all_[i].noiseKey.view, 0});
    NoiseArgs a;
    if (c.signalToNoise) {
        DeviceBuffer<double> mean(draws.size() * spaxels, s_);
        spaxelMeans(s_, {cubes.flux.view(), grid.size, mean.view()});
        std::vector<double> means(mean.size());
        mean.download(means.data());
        s_.synchronize();
        a.target = true;
        a.signalToNoise = *c.signalToNoise;
        for (std::size_t i = 0; i < draws.size(); ++i) {
            const auto first = means.begin() + std::ptrdiff_t(i * spaxels);
            draws[i].reference = referenceFlux({first, first + std::ptrdiff_t(spaxels)}).value;
        }
    }
    const auto dDraws = upload(s_, draws);
    cubes.variance = DeviceBuffer<float>(cubes.flux.size(), s_);
    a.flux = cubes.flux.view();
    a.variance = cubes.variance.view();
    a.others = dDraws.view();
    a.pixels = grid.size;
    a.gain = dGain.view();
    a.skyFlux = c.sky * sq(view_.field.spaxelArcsec);
    a.readNoise = c.readNoise;
    a.exposures = c.exposures;
    gpu::addNoise(s_, a);
}

MadeCubes DeviceGroup::observe(OrderedParts& stars, std::span<const Member> members, DeviceTeam& team,
                               Knots& knots) const {
    maps(members, team, stars, knots);
    std::vector<GalaxyCube*> galaxies;
    MadeCubes made;
    for (const Member& m : members) {
        made.galaxies.push_back(m.galaxy);
        galaxies.push_back(&all_[m.galaxy].cube);
    }
    {
        const StageTimer timer("spectra");
        made.flux = makeDeviceCubes(s_, view_, team, stars, knots.table, galaxies);
    }
    if (team.owner() && view_.noise) addNoise(made);
    return made;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
