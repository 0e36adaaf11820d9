// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_team.hpp"

#include <limits>
#include <string>

#include "kernels/merge.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/timing.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

DeviceTeam::DeviceTeam(const Stream& s, Team& team, const ResourcesConfig& c) : stream_(s), team_(team) {
    if (!team.alone()) exchange_.emplace(team.comm(), c.exchange, c.exchangeTimeout, c.pinnedMemory);
}

void DeviceTeam::combine(ProjectTotal& t) const {
    if (team_.alone()) return;
    const auto [low, high] = team_.range(t.shiftMin, t.shiftMax);
    t.shiftMin = low;
    t.shiftMax = high;
    t.inMask = team_.any(t.inMask > 0);
}

OrderedStars DeviceTeam::shareStars(OrderPlan p, SortedStars&& mine) {
    if (team_.alone()) return describeStars(stream_, p, std::move(mine));
    const StageTimer timer("exchange");
    const std::size_t ranks = std::size_t(team_.comm().size());
    std::vector<std::uint32_t> own(p.spaxels);
    {
        DeviceBuffer<std::uint32_t> count(p.spaxels, stream_);
        const View<const std::uint64_t> keys = View<const std::uint64_t>(mine.key.view()).part(0, p.kept);
        countStars(stream_, {keys, mine.binBits, count.view()});
        count.download(own.data());
        stream_.synchronize();
    }
    const StarMoves moves = team_.moves(own);
    std::uint64_t all = 0;
    for (const std::uint64_t n : moves.receive) all += n;
    if (all >= std::numeric_limits<std::uint32_t>::max())
        throw Error(std::to_string(all) +
                    " stars of a part of a galaxy on one device: at most 4294967294 are supported");

    DeviceBuffer<StarRecord> arrived(all, stream_);
    std::vector<Outgoing> out;
    std::vector<Incoming> in;
    std::size_t from = 0, to = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
        if (moves.send[r] > 0) out.push_back(outgoing(mine.star, from, moves.send[r], int(r)));
        if (moves.receive[r] > 0) in.push_back(incoming(arrived, to, moves.receive[r], int(r)));
        from += moves.send[r];
        to += moves.receive[r];
    }
    (*exchange_)(stream_, out, in);

    const int binBits = mine.binBits;
    mine = {};
    SortedStars merged = mergeStars(stream_, p, std::move(arrived), {moves.each.data(), moves.each.size()},
                                    std::uint32_t(moves.mySpaxels), std::uint32_t(moves.firstSpaxel), binBits);
    std::uint64_t before = 0;
    for (std::size_t s = 0; s < moves.firstSpaxel; ++s) before += moves.total[s];
    p.kept = all;
    return describeStars(stream_, p, std::move(merged), before);
}

std::vector<std::uint8_t> DeviceTeam::mine(std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask) const {
    return team_.mine(n, pad, mask);
}

void DeviceTeam::collectSums(std::size_t n, std::size_t pad, std::vector<SpaxelSums>& sums) const {
    team_.collectSums(n, pad, sums);
}

std::vector<std::uint32_t> DeviceTeam::collectLit(AccumulatePlan& plan) {
    if (team_.alone()) return plan.lit;
    std::vector<std::uint32_t> all = team_.collectLit(plan.lit);
    if (!owner()) return all;
    const auto own = std::uint32_t(plan.lit.size()), others = std::uint32_t(all.size()) - own;
    for (AccumulateItem& item : plan.items)
        if (item.row >= own) item.row += others;
    for (PartList& p : plan.parts) p.firstPart += others;
    plan.rows += others;
    return all;
}

void DeviceTeam::collectSpectra(DeviceBuffer<float>& spectra, std::size_t stride) const {
    if (team_.alone()) return;
    const StageTimer timer("exchange");
    const std::vector<std::uint64_t>& lit = team_.litOfRanks();
    std::vector<Outgoing> out;
    std::vector<Incoming> in;
    if (!owner()) {
        const std::uint64_t rows = lit[std::size_t(team_.comm().rank())];
        if (rows > 0) out.push_back(outgoing(spectra, 0, rows * stride, 0));
    } else {
        std::uint64_t row = lit[0];
        for (std::size_t r = 1; r < lit.size(); ++r) {
            if (lit[r] > 0) in.push_back(incoming(spectra, row * stride, lit[r] * stride, int(r)));
            row += lit[r];
        }
    }
    (*exchange_)(stream_, out, in);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
