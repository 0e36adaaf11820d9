// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_stream.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "device_knots.hpp"
#include "device_spectra.hpp"
#include "kernels/merge.hpp"
#include "kernels/moments.hpp"
#include "tessera/core/timing.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

template <class T>
std::vector<T> onHost(const DeviceBuffer<T>& b) {
    std::vector<T> v(b.size());
    b.download(v.data());
    return v;  // the same memory, once the stream is synchronised
}

}  // namespace

StreamedStars::StreamedStars(const Stream& kernels, const Stream& copies, Staging& staging, const DeviceView& view,
                             const DeviceGalaxy& galaxy, std::size_t most)
    : s_(kernels), copies_(copies), staging_(staging), view_(view), galaxy_(galaxy), most_(most) {
    const std::vector<std::size_t>& block = galaxy.blocks;
    for (std::size_t b = 0; b + 1 < block.size();) {
        std::size_t end = b + 1;
        while (end + 1 < block.size() && block[end + 1] - block[b] <= most) ++end;
        chunks_.push_back({b, end, {&galaxy.stars, block[b], block[end] - block[b]}, {}, {}});
        b = end;
    }
}

template <class Use>
void StreamedStars::forEachChunk(Use use) {
    const auto arrive = [&](std::size_t i) {
        return std::make_unique<Arriving>(s_, copies_, staging_, std::span(&chunks_[i].rows, 1));
    };
    std::unique_ptr<Arriving> next = arrive(0);
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        DeviceStars stars = next->take(s_);
        if (i + 1 < chunks_.size()) next = arrive(i + 1);
        use(chunks_[i], std::move(stars));
    }
}

std::vector<FrameSums> StreamedStars::frameSums(const Vec3d& centre, double boxSize, double radius,
                                                const Vec3d& velocity) {
    std::vector<FrameSums> all;
    forEachChunk([&](const Chunk& c, DeviceStars&& stars) {
        std::vector<std::size_t> blocks(galaxy_.blocks.begin() + std::ptrdiff_t(c.firstBlock),
                                        galaxy_.blocks.begin() + std::ptrdiff_t(c.endBlock) + 1);
        for (std::size_t& b : blocks) b -= c.rows.first;
        const std::vector<FrameSums> sums = blockSums(s_, stars, blocks, centre, boxSize, radius, velocity);
        all.insert(all.end(), sums.begin(), sums.end());
    });
    return all;
}

ProjectTotal StreamedStars::project(const GalaxyFrame& frame) {
    frame_ = frame;
    ProjectTotal sum{INFINITY, -INFINITY, 0, 0, 0};
    forEachChunk([&](const Chunk& c, DeviceStars&& stars) {
        Sky sky = projectStars(s_, view_.plan, view_.field, view_.doppler, stars,
                               {{{0, std::uint32_t(c.rows.count)}, frame_, galaxy_.boxSize}});
        add(sum, sky.totals[0]);
    });
    return sum;
}

void StreamedStars::order(const KnotTable& table) {
    const StageTimer timer("bin");
    const std::size_t side = view_.plan.optics.side();
    const TableOrder order(s_, table, side * side);
    const OrderPlan& p = order.plan;
    forEachChunk([&](Chunk& c, DeviceStars&& stars) { orderChunk(c, p, std::move(stars)); });

    std::uint64_t before = 0;
    for (std::size_t first = 0; first < p.spaxels;) {
        std::uint64_t stars = 0;
        std::size_t end = first;
        for (; end < p.spaxels; ++end) {
            std::uint64_t here = 0;
            for (const Chunk& c : chunks_) here += c.each[end];
            if (stars > 0 && stars + here > most_) break;
            stars += here;
        }
        if (stars > 0) makePart(p, first, end, before);
        before += stars;
        first = end;
    }
    chunks_.clear();
}

void StreamedStars::orderChunk(Chunk& c, OrderPlan p, DeviceStars&& stars) {
    const Sky sky = projectStars(s_, view_.plan, view_.field, view_.doppler, stars,
                                 {{{0, std::uint32_t(c.rows.count)}, frame_, galaxy_.boxSize}});
    p.kept = sky.totals[0].kept;
    const SortedStars sorted = sortStars(s_, p, stars, sky.spaxel, sky.shift);
    binBits_ = sorted.binBits;
    DeviceBuffer<std::uint32_t> count(p.spaxels, s_);
    countStars(s_, {View<const std::uint64_t>(sorted.key.view()).part(0, p.kept), sorted.binBits, count.view()});
    c.star = onHost(sorted.star);
    c.each = onHost(count);
    s_.synchronize();
}

// The stars of spaxels [firstSpaxel, endSpaxel) of all chunks. before: stars of the spaxels before.
void StreamedStars::makePart(const OrderPlan& plan, std::size_t firstSpaxel, std::size_t endSpaxel,
                             std::uint64_t before) {
    OrderPlan p = plan;
    std::vector<std::uint32_t> each;  // of each chunk in each of the spaxels
    std::vector<std::span<const std::byte>> from;
    for (const Chunk& c : chunks_) {
        const auto begin = c.each.begin(), here = begin + std::ptrdiff_t(firstSpaxel),
                   end = begin + std::ptrdiff_t(endSpaxel);
        const std::size_t skip = std::accumulate(begin, here, std::size_t(0)),
                          count = std::accumulate(here, end, std::size_t(0));
        each.insert(each.end(), here, end);
        from.push_back(std::as_bytes(std::span(c.star).subspan(skip, count)));
        p.kept += count;
    }
    DeviceBuffer<StarRecord> arrived(p.kept, s_);
    arriveBehind(s_, copies_, [&] { staging_.upload(copies_, arrived.data(), from); });
    OrderedStars o = describeStars(s_, p,
                                   mergeStars(s_, p, std::move(arrived), each, std::uint32_t(endSpaxel - firstSpaxel),
                                              std::uint32_t(firstSpaxel), binBits_),
                                   before);
    Part& part = parts_.emplace_back();
    part.star = onHost(o.star);
    part.run = onHost(o.run);
    part.spaxelStar = onHost(o.spaxelStar);
    part.spaxelRun = std::move(o.spaxelRun);
    part.firstOfRun = std::move(o.firstOfRun);
    s_.synchronize();
    resident_ = parts_.size() - 1;
    onDevice_ = std::move(o);
}

const OrderedStars& StreamedStars::part(std::size_t i) {
    if (resident_ == i) return onDevice_;
    const StageTimer timer("upload");
    onDevice_ = {};  // first, so that two are not there at once
    const Part& p = parts_[i];
    onDevice_.star = DeviceBuffer<StarRecord>(p.star.size(), s_);
    onDevice_.run = DeviceBuffer<StarRun>(p.run.size(), s_);
    onDevice_.spaxelStar = DeviceBuffer<std::uint32_t>(p.spaxelStar.size(), s_);
    arriveBehind(s_, copies_, [&] {
        const auto send = [&](auto& to, const auto& values) {
            const std::span<const std::byte> bytes = std::as_bytes(std::span(values));
            staging_.upload(copies_, to.data(), {&bytes, 1});
        };
        send(onDevice_.star, p.star);
        send(onDevice_.run, p.run);
        send(onDevice_.spaxelStar, p.spaxelStar);
    });
    resident_ = i;
    return onDevice_;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
