#include "kernels/ordered_stars.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "kernels/merge.hpp"
#include "tessera/gpu/sort.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

int binBits(const OrderPlan& p) {
    return int(std::bit_width(std::uint32_t((p.shiftMax - p.shiftMin) / p.shiftStep)));
}

SortedStars sortStars(const Stream& s, const OrderPlan& p, const DeviceStars& stars,
                      const DeviceBuffer<std::uint32_t>& spaxel, const DeviceBuffer<float>& shift) {
    const GalaxyRows all{0, std::uint32_t(spaxel.size())};
    const std::span<const GalaxyRows> galaxies = p.galaxies.empty() ? std::span(&all, 1) : std::span(p.galaxies);
    std::size_t n = 0;
    for (const GalaxyRows& g : galaxies) n += g.count;
    if (std::max(n, spaxel.size()) >= countedElsewhere)
        throw Error("a galaxy of " + std::to_string(n) + " stars on one device: at most 2147483647 are supported");
    const int bits = binBits(p);
    DeviceBuffer<std::uint64_t> key(n, s);
    DeviceBuffer<std::uint32_t> order(n, s);
    std::vector<StarBlock> blocks = starBlocks(galaxies);
    DeviceBuffer<StarBlock> dBlocks(blocks.size(), s);
    dBlocks.upload(blocks.data());
    orderKeys(s, {dBlocks.view(), std::uint32_t(p.spaxels / galaxies.size()), spaxel.view(), shift.view(), p.shiftMin,
                  p.shiftStep, bits, key.view(), order.view()});
    // A key of ones stays behind all others: there is no spaxel of that number.
    if (n > 0) sortPairs(s, key, order, bits + int(std::bit_width(p.spaxels)));

    DeviceBuffer<StarRecord> star(p.kept, s);
    makeRecords(s, {order.view(), stars.age.view(), stars.metallicity.view(), stars.mass.view(), shift.view(),
                    p.logAgeGyr, p.zAxis, p.rubix, star.view()});
    return {std::move(star), std::move(key), bits, std::move(blocks), {}};
}

SortedStars mergeStars(const Stream& s, const OrderPlan& p, DeviceBuffer<StarRecord>&& arrived,
                       std::span<const std::uint32_t> each, std::uint32_t spaxels, std::uint32_t firstSpaxel,
                       int binBits) {
    const std::size_t all = arrived.size();
    SortedStars merged;
    merged.binBits = binBits;
    merged.firsts.reserve(each.size());
    std::uint32_t place = 0;
    for (const std::uint32_t n : each) {
        merged.firsts.push_back(place);
        place += n;
    }
    DeviceBuffer<std::uint32_t> order(all, s), first(each.size(), s);
    first.upload(merged.firsts.data());
    merged.key = DeviceBuffer<std::uint64_t>(all, s);
    merged.star = DeviceBuffer<StarRecord>(all, s);
    mergeKeys(s, {arrived.view(), first.view(), spaxels, firstSpaxel, p.shiftMin, p.shiftStep, binBits,
                  merged.key.view(), order.view()});
    // Stable: stars of one spaxel and bin stay in the order of their parts, which is the order of the file.
    if (all > 0) sortPairs(s, merged.key, order, binBits + int(std::bit_width(p.spaxels)));
    gatherStars(s, {arrived.view(), order.view(), merged.star.view()});
    return merged;
}

OrderedStars describeStars(const Stream& s, const OrderPlan& p, SortedStars&& sorted, std::uint64_t before) {
    OrderedStars o;
    o.star = std::move(sorted.star);
    const View<const std::uint64_t> keys = View<const std::uint64_t>(sorted.key.view()).part(0, p.kept);
    DeviceBuffer<std::uint32_t> head(p.kept + 1, s), place(p.kept + 1, s);
    const std::vector<std::uint64_t> one{0};
    const std::vector<std::uint64_t>& firsts = p.keptBefore.empty() ? one : p.keptBefore;
    DeviceBuffer<std::uint64_t> galaxyFirst(firsts.size(), s);
    galaxyFirst.upload(firsts.data());
    markRuns(s, {keys, sorted.binBits, before, p.spaxels / firsts.size(), galaxyFirst.view(), head.view()});
    exclusiveSum(s, head, place);
    std::uint32_t runs = 0;
    place.download(&runs, p.kept, 1);
    s.synchronize();

    DeviceBuffer<std::uint32_t> first(runs + 1, s), spaxelRun(p.spaxels + 1, s);
    o.run = DeviceBuffer<StarRun>(runs, s);
    o.spaxelStar = DeviceBuffer<std::uint32_t>(p.spaxels + 1, s);
    placeRuns(s, {head.view(), place.view(), first.view()});
    describeRuns(s, {o.star.view(), first.view(), o.run.view()});
    findSpaxels(s, {keys, first.view(), sorted.binBits, o.spaxelStar.view(), spaxelRun.view()});
    o.firstOfRun.resize(runs + 1);
    o.spaxelRun.resize(p.spaxels + 1);
    first.download(o.firstOfRun.data());
    spaxelRun.download(o.spaxelRun.data());
    s.synchronize();
    return o;
}

OrderedStars orderStars(const Stream& s, const OrderPlan& p, const DeviceStars& stars,
                        const DeviceBuffer<std::uint32_t>& spaxel, const DeviceBuffer<float>& shift) {
    return describeStars(s, p, sortStars(s, p, stars, spaxel, shift));
}

AccumulatePlan planAccumulate(std::span<const std::uint32_t> spaxelRun, std::span<const std::uint32_t> firstOfRun,
                              std::span<const DenseRuns> dense) {
    // A run costs the placing of its kinks, about as much as so many stars.
    constexpr std::uint32_t starsOfRun = 32, mostStars = 8192;
    AccumulatePlan p;
    for (std::size_t s = 0; s + 1 < spaxelRun.size(); ++s)
        if (spaxelRun[s + 1] > spaxelRun[s]) p.lit.push_back(std::uint32_t(s));
    p.rows = p.lit.size();
    for (std::size_t k = 0; k < p.lit.size(); ++k) {
        const bool isDense = !dense.empty() && dense.front().spaxel == p.lit[k];
        const std::uint32_t begin = isDense ? dense.front().firstRun : spaxelRun[p.lit[k]],
                            end = isDense ? begin + dense.front().runs : spaxelRun[p.lit[k] + 1];
        if (isDense) dense = dense.subspan(1);
        PartList parts{std::uint32_t(k), std::uint32_t(p.rows), 0};
        for (std::uint32_t r = begin; r < end;) {
            const std::uint32_t first = r;
            std::uint32_t cost = 0;
            do {
                cost += (isDense ? 0 : firstOfRun[r + 1] - firstOfRun[r]) + starsOfRun;
                ++r;
            } while (r < end && cost < mostStars);
            const bool ownRow = first == begin;
            p.items.push_back({first, r - first, ownRow ? std::uint32_t(k) : std::uint32_t(p.rows)});
            if (ownRow) continue;
            ++p.rows;
            ++parts.parts;
        }
        if (parts.parts > 0) p.parts.push_back(parts);
    }
    return p;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
