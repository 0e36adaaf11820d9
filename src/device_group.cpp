// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_group.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "device_spectra.hpp"
#include "kernels/maps.hpp"
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

template <class Stage>
auto timed(const char* name, Stage stage) {
    const StageTimer timer(name);
    return stage();
}

}  // namespace

void DeviceGroup::project(const DeviceStars& stars, std::span<Member> members) {
    const StageTimer timer("project");
    const std::size_t n = stars.mass.size(), pad = view_.plan.optics.pad();
    const std::vector<std::uint8_t> use = spaxelUse(view_.plan, view_.field.n, pad);
    std::vector<GalaxyRows> rows;
    std::vector<ProjectGalaxy> galaxies;
    for (const Member& m : members) {
        rows.push_back(m.rows);
        galaxies.push_back({m.frame.centre, m.frame.velocity, m.frame.rotation, all_[m.galaxy].boxSize});
    }
    const std::vector<StarBlock> blocks = starBlocks(rows);
    const auto dUse = upload(s_, use);
    const auto dGalaxies = upload(s_, galaxies);
    const auto dBlocks = upload(s_, blocks);
    spaxel_ = DeviceBuffer<std::uint32_t>(n, s_);
    shift_ = DeviceBuffer<float>(n, s_);
    DeviceBuffer<ProjectTotal> total(blocks.size(), s_);
    ProjectArgs a;
    a.block = dBlocks.view();
    a.galaxy = dGalaxies.view();
    a.position = stars.position.view();
    a.velocity = stars.velocity.view();
    a.grid = view_.field.padded(pad);
    a.doppler = view_.doppler;
    a.use = dUse.view();
    a.spaxel = spaxel_.view();
    a.shift = shift_.view();
    a.total = total.view();
    gpu::project(s_, a);
    std::vector<ProjectTotal> parts(total.size());
    total.download(parts.data());
    s_.synchronize();
    for (Member& m : members) m.total = {INFINITY, -INFINITY, 0, 0, 0};
    for (std::size_t b = 0; b < blocks.size(); ++b) {
        ProjectTotal& sum = members[blocks[b].galaxy].total;
        sum.shiftMin = std::min(sum.shiftMin, parts[b].shiftMin);
        sum.shiftMax = std::max(sum.shiftMax, parts[b].shiftMax);
        sum.onGrid += parts[b].onGrid;
        sum.kept += parts[b].kept;
        sum.inMask += parts[b].inMask;
    }
}

OrderedStars DeviceGroup::order(const DeviceStars& stars, std::span<const Member> members, DeviceTeam& team,
                                const KnotTable& table) const {
    const std::size_t side = view_.plan.optics.side();
    const auto ages = upload(s_, table.logAgeGyr), z = upload(s_, table.zAxis);
    OrderPlan p;
    p.spaxels = members.size() * side * side;
    for (const Member& m : members) {
        p.galaxies.push_back(m.rows);
        p.keptBefore.push_back(p.kept);
        p.kept += m.total.kept;
    }
    p.shiftMin = table.shiftMin;
    p.shiftMax = table.shiftMax;
    p.shiftStep = float(table.shiftStep);
    p.logAgeGyr = ages.view();
    p.zAxis = z.view();
    p.rubix = table.rubix;
    return team.shareStars(p, sortStars(s_, p, stars, spaxel_, shift_));
}

void DeviceGroup::maps(std::span<const Member> members, const DeviceTeam& team, const OrderedStars& stars,
                       Knots& knots) const {
    const std::size_t n = view_.field.n, pad = view_.plan.optics.pad();
    const WavelengthGrid& grid = view_.plan.optics.grid();
    if (knots.light.light.empty()) knots.light = bandLightTable({}, knots.table, grid, view_.redshift);
    const auto dLight = upload(s_, knots.light.light);
    const std::vector<std::uint8_t> mine = team.mine(n, pad, view_.plan.mask);
    const auto dMask = upload(s_, mine);
    DeviceBuffer<SpaxelSums> sums(members.size() * n * n, s_);
    sumSpaxels(s_, {stars.star.view(), stars.spaxelStar.view(), n, pad, dMask.view(), knots.light.axes, dLight.view(),
                    limitsOf(knots.table), view_.doppler, sums.view()});
    std::vector<SpaxelSums> host(sums.size());
    sums.download(host.data());
    s_.synchronize();
    team.collectSums(n, pad, host);
    if (!team.owner()) return;
    for (std::size_t i = 0; i < members.size(); ++i) {
        GalaxyCube& g = all_[members[i].galaxy].cube;
        const auto first = host.begin() + std::ptrdiff_t(i * n * n);
        MapResult m = mapsOfSums({first, first + std::ptrdiff_t(n * n)}, n, view_.plan.mask);
        g.maps = std::move(m.maps);
        const SpaxelSums all = m.total();
        g.report.nStarsInField = all.stars;
        g.report.massInField = all.mass;
        g.report.luminosityInBand = all.light;
        g.report.nClampedAge = all.clampedAge;
        g.report.nClampedMetallicity = all.clampedMetallicity;
        g.report.massClamped = all.clampedMass;
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

MadeCubes DeviceGroup::observe(DeviceStars& stars, std::span<const Member> members, DeviceTeam& team, Knots& knots,
                               bool last) {
    WholeStars ordered(timed("bin", [&] { return order(stars, members, team, knots.table); }));
    if (last) {
        stars = {};
        spaxel_ = {};
        shift_ = {};
    }
    timed("maps", [&] { maps(members, team, ordered.part(0), knots); });
    std::vector<GalaxyCube*> galaxies;
    MadeCubes made;
    for (const Member& m : members) {
        made.galaxies.push_back(m.galaxy);
        galaxies.push_back(&all_[m.galaxy].cube);
    }
    made.flux = timed("spectra", [&] { return makeDeviceCubes(s_, view_, team, ordered, knots.table, galaxies); });
    if (team.owner() && view_.noise) addNoise(made);
    return made;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
