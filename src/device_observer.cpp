// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_observer.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "device_group.hpp"
#include "device_spectra.hpp"
#include "device_stream.hpp"
#include "kernels/copies.hpp"
#include "tessera/core/timing.hpp"

namespace tessera {

namespace gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

TableKey keyOf(const DeviceView& v, const DeviceTeam& team, const ProjectTotal& t) {
    const bool dense = team.alone() && !v.resources.deterministic;
    return tableKeyOf(t.shiftMin, t.shiftMax, dense ? t.onGrid : 0);
}

// While a group is worked on, the stars of the next arrive and the cubes of the one before leave.
class KernelPipeline final : public DeviceObserver {
public:
    std::string device() const override { return deviceName(); }
    void observe(const DeviceView&, std::span<const DeviceGalaxy>, const Done&) override;

private:
    struct Cubes {  // on their way to the host
        std::vector<MadeCubes> made;
        std::vector<std::array<std::size_t, 2>> buffers;  // of flux and variance, among those that leave
        std::optional<Leaving> leaving;
    };
    std::vector<std::size_t> endsOfGroups(const DeviceView&, std::span<const DeviceGalaxy>) const;
    std::vector<Member> members(std::span<const DeviceGalaxy>, std::size_t first, std::size_t end, const DeviceStars&,
                                const Done&) const;
    std::vector<MadeCubes> make(const DeviceView&, std::span<const DeviceGalaxy>, std::size_t first, std::size_t end,
                                DeviceStars, const Done&) const;
    std::vector<MadeCubes> makeStreamed(const DeviceView&, std::span<const DeviceGalaxy>, std::size_t galaxy,
                                        std::size_t most, const Done&);
    std::size_t starsAtOnce(const DeviceView&, const DeviceGalaxy&) const;
    std::unique_ptr<Cubes> send(const DeviceView&, std::vector<MadeCubes>);
    void receive(const DeviceView&, std::span<const DeviceGalaxy>, const std::unique_ptr<Cubes>&, const Done&) const;

    Staging staging_{std::size_t(4) << 20};
    std::array<PinnedBuffer<float>, 2> cubeMemory_;
    std::size_t nextMemory_ = 0;
    Stream stream_, in_, out_;  // done before the memory goes
};

// Galaxies of few stars follow one another in a group as long as their stars, cubes and spectra fill at most a sixteenth of the
// device: two groups' cubes are there at once, and three groups' stars.
std::vector<std::size_t> KernelPipeline::endsOfGroups(const DeviceView& v, std::span<const DeviceGalaxy> all) const {
    constexpr std::size_t most = std::size_t(1) << 30, bytesOfStar = 200;
    const std::size_t room = std::min(most, memoryLeft(v.resources.deviceMemory) / 16);
    const Optics& o = v.plan.optics;
    const std::size_t side = o.side(), wide = o.grid().size + 2 * o.wings();
    std::vector<std::size_t> ends;
    std::size_t filled = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::size_t stars = all[i].stars.size();
        const std::size_t bytes = stars * bytesOfStar +
                                  o.n() * o.n() * o.grid().size * sizeof(float) * (v.noise ? 2 : 1) +
                                  std::min(stars, side * side) * wide * sizeof(float) * 2 + side * side * 16;
        const bool follows = i > 0 && all[i].few && all[i - 1].few && all[i].team.alone() && filled + bytes <= room;
        if (i > 0 && !follows) {
            ends.push_back(i);
            filled = 0;
        }
        filled += bytes;
    }
    ends.push_back(all.size());
    return ends;
}

// Those whose frame was found.
std::vector<Member> KernelPipeline::members(std::span<const DeviceGalaxy> all, std::size_t first, std::size_t end,
                                            const DeviceStars& stars, const Done& done) const {
    std::vector<Member> out;
    std::uint32_t row = 0;
    for (std::size_t i = first; i < end; ++i) {
        const DeviceGalaxy& g = all[i];
        const GalaxyRows rows{row, std::uint32_t(g.stars.size())};
        row += rows.count;
        DeviceGalaxy::FrameParts parts;
        if (!g.few) parts = [&](const auto&... a) { return blockSums(stream_, stars, g.blocks, a...); };
        try {
            out.push_back({i, rows, g.frame(parts)});
        } catch (const Unobservable&) {
            done(i, {false, std::current_exception()});
        }
    }
    return out;
}

// Half of what may be page-locked beside the staging is for each of the two groups whose cubes are there.
std::unique_ptr<KernelPipeline::Cubes> KernelPipeline::send(const DeviceView& v, std::vector<MadeCubes> made) {
    if (made.empty()) return {};
    const std::size_t budget = v.resources.pinnedMemory, staging = staging_.bytes();
    auto cubes = std::make_unique<Cubes>();
    std::vector<DeviceBuffer<float>> buffers;
    for (MadeCubes& m : made) {
        cubes->buffers.push_back({buffers.size(), buffers.size() + 1});
        buffers.push_back(std::move(m.flux));
        buffers.push_back(std::move(m.variance));
    }
    cubes->made = std::move(made);
    cubes->leaving.emplace(stream_, out_, cubeMemory_[nextMemory_++ % 2], budget > staging ? (budget - staging) / 2 : 0,
                           std::move(buffers));
    return cubes;
}

void KernelPipeline::receive(const DeviceView& v, std::span<const DeviceGalaxy> all, const std::unique_ptr<Cubes>& here,
                             const Done& done) const {
    if (!here) return;
    const std::size_t voxels = v.field.n * v.field.n * v.plan.optics.grid().size;
    for (std::size_t m = 0; m < here->made.size(); ++m)
        for (std::size_t k = 0; k < here->made[m].galaxies.size(); ++k) {
            const std::size_t galaxy = here->made[m].galaxies[k];
            GalaxyCube& g = all[galaxy].cube;
            {
                const StageTimer timer("download");
                g.flux = v.newCube();
                here->leaving->get(here->buffers[m][0], k * voxels, g.flux.data.view());
                if (v.noise) {
                    g.variance = v.newCube();
                    here->leaving->get(here->buffers[m][1], k * voxels, g.variance.data.view());
                }
            }
            done(galaxy, {});
        }
}

// Of one group, on the kernels' stream.
std::vector<MadeCubes> KernelPipeline::make(const DeviceView& v, std::span<const DeviceGalaxy> all, std::size_t first,
                                            std::size_t end, DeviceStars stars, const Done& done) const {
    // Several galaxies are each one rank's own.
    DeviceTeam team(stream_, all[first].team, v.resources);
    std::vector<Member> group = members(all, first, end, stars, done);
    std::vector<ProjectedGalaxy> seen;
    for (const Member& m : group) seen.push_back({m.rows, m.frame, all[m.galaxy].boxSize});
    Sky sky = projectStars(stream_, v.plan, v.field, v.doppler, stars, seen);
    std::vector<std::pair<TableKey, std::vector<Member>>> alike;  // of one table of knots
    for (std::size_t i = 0; i < group.size(); ++i) {
        Member& m = group[i];
        m.total = sky.totals[i];
        team.combine(m.total);
        if (m.total.inMask == 0) {
            done(m.galaxy, {true, {}});
            continue;
        }
        const TableKey key = keyOf(v, team, m.total);
        auto known = std::find_if(alike.begin(), alike.end(), [&](const auto& a) { return a.first == key; });
        if (known == alike.end()) known = alike.insert(alike.end(), {key, {}});
        known->second.push_back(m);
    }
    const DeviceGroup work(stream_, v, all);
    std::vector<MadeCubes> made;
    for (std::size_t k = 0; k < alike.size(); ++k) {
        const auto& [key, some] = alike[k];
        Knots& knots = v.knots(key, all[first].team);
        WholeStars ordered(work.order(stars, sky, some, team, knots.table));
        if (k + 1 == alike.size()) {  // their memory is wanted below
            stars = {};
            sky = {};
        }
        MadeCubes cubes = work.observe(ordered, some, team, knots);
        if (team.owner())
            made.push_back(std::move(cubes));
        else
            done(some.front().galaxy, {});
    }
    return made;
}

// Of a galaxy whose stars are too many for the device.
std::vector<MadeCubes> KernelPipeline::makeStreamed(const DeviceView& v, std::span<const DeviceGalaxy> all,
                                                    std::size_t galaxy, std::size_t most, const Done& done) {
    const DeviceGalaxy& g = all[galaxy];
    StreamedStars stars(stream_, in_, staging_, v, g, most);
    DeviceGalaxy::FrameParts parts;
    if (!g.few) parts = [&](const auto&... a) { return stars.frameSums(a...); };
    Member m{galaxy, {}, {}};
    try {
        m.frame = g.frame(parts);
    } catch (const Unobservable&) {
        done(galaxy, {false, std::current_exception()});
        return {};
    }
    m.total = stars.project(m.frame);
    if (m.total.inMask == 0) {
        done(galaxy, {true, {}});
        return {};
    }
    DeviceTeam team(stream_, g.team, v.resources);
    Knots& knots = v.knots(keyOf(v, team, m.total), g.team);
    stars.order(knots.table);
    std::vector<MadeCubes> made;
    made.push_back(DeviceGroup(stream_, v, all).observe(stars, {&m, 1}, team, knots));
    return made;
}

// Stars of one galaxy that the device may hold while they are ordered; 0: all of them.
std::size_t KernelPipeline::starsAtOnce(const DeviceView& v, const DeviceGalaxy& g) const {
    constexpr std::size_t bytesOfStar = 160, least = 256;
    const std::size_t most = std::max(least, memoryLeft(v.resources.deviceMemory) / 4 / bytesOfStar);
    return g.team.alone() && g.stars.size() > most ? most : 0;
}

void KernelPipeline::observe(const DeviceView& v, std::span<const DeviceGalaxy> all, const Done& done) {
    const std::vector<std::size_t> ends = endsOfGroups(v, all);
    const auto begin = [&](std::size_t group) { return group > 0 ? ends[group - 1] : 0; };
    const auto arrive = [&](std::size_t group) {
        const StageTimer timer("upload");
        std::vector<StarRows> rows;
        for (std::size_t i = begin(group); i < ends[group]; ++i)
            rows.push_back({&all[i].stars, 0, all[i].stars.size()});
        return std::make_unique<Arriving>(stream_, in_, staging_, rows);
    };
    std::unique_ptr<Arriving> arriving;
    std::unique_ptr<Cubes> leaving;
    for (std::size_t group = 0; group < ends.size(); ++group) {
        const std::size_t first = begin(group), end = ends[group];
        const std::size_t most = arriving || end > first + 1 ? 0 : starsAtOnce(v, all[first]);
        std::vector<MadeCubes> made;
        if (most > 0) {
            made = makeStreamed(v, all, first, most, done);
        } else {
            if (!arriving) arriving = arrive(group);
            DeviceStars stars = std::exchange(arriving, nullptr)->take(stream_);
            // Large galaxies come when the one before has gone.
            if (end < all.size() && all[end].few && starsAtOnce(v, all[end]) == 0) arriving = arrive(group + 1);
            made = make(v, all, first, end, std::move(stars), done);
        }
        std::unique_ptr<Cubes> cubes = send(v, std::move(made));
        receive(v, all, leaving, done);
        leaving = std::move(cubes);
    }
    receive(v, all, leaving, done);
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
