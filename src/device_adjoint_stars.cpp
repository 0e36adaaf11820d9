// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_adjoint_stars.hpp"

#include <algorithm>
#include <utility>

#include "device_knots.hpp"
#include "device_spectra.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/timing.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

void AdjointStars::take(const Stars& stars) {
    const StageTimer timer("upload");
    Staging staging(std::clamp<std::size_t>(stars.size() * sizeof(Vec3d), 1, std::size_t(4) << 20));
    const StarRows rows{&stars, 0, stars.size()};
    const Stream copies;
    stars_ = Arriving(s_, copies, staging, {&rows, 1}).take(s_);
    copies.synchronize();  // before the staging goes
}

std::vector<FrameSums> AdjointStars::frameSums(const std::vector<std::size_t>& blocks, const Vec3d& centre,
                                               double boxSize, double radius, const Vec3d& velocity) const {
    return blockSums(s_, stars_, blocks, centre, boxSize, radius, velocity);
}

StarsInView AdjointStars::project(const CubePlan& plan, const SpaxelGrid& field, const GalaxyFrame& frame,
                                  double boxSize, Doppler doppler) {
    const GalaxyRows all{0, narrow<std::uint32_t>(stars_.mass.size())};
    sky_ = projectStars(s_, plan, field, doppler, stars_, {{all, frame, boxSize}});
    stars_.position = {};
    stars_.velocity = {};
    const ProjectTotal& t = sky_.totals[0];
    return {t.shiftMin, t.shiftMax, t.kept, t.inMask > 0};
}

void AdjointStars::order(const KnotTable& table, std::size_t spaxels) {
    const StageTimer timer("bin");
    TableOrder order(s_, table, spaxels);
    order.plan.kept = sky_.totals[0].kept;
    keep(orderStars(s_, order.plan, stars_, sky_.spaxel, sky_.shift));
}

void AdjointStars::order(const BinnedStars& b, const KnotTable& table, std::size_t spaxels, std::uint64_t before) {
    const StageTimer timer("upload");
    TableOrder order(s_, table, spaxels);
    const OrderPlan& plan = order.plan;
    order.plan.kept = b.stars.size();
    std::vector<std::uint32_t> each(spaxels, 0);
    for (std::size_t k = 0; k < b.spaxel.size(); ++k)
        each[b.spaxel[k]] = narrow<std::uint32_t>(b.start[k + 1] - b.start[k]);
    keep(describeStars(
        s_, plan, mergeStars(s_, plan, upload(s_, b.stars), each, std::uint32_t(spaxels), 0, binBits(plan)), before));
}

// What they were made of is not wanted any more.
void AdjointStars::keep(OrderedStars stars) {
    ordered_ = std::move(stars);
    stars_ = {};
    sky_ = {};
    lit_.clear();
    for (std::size_t p = 0; p + 1 < ordered_.spaxelRun.size(); ++p)
        if (ordered_.spaxelRun[p + 1] > ordered_.spaxelRun[p]) lit_.push_back(std::uint32_t(p));
}

std::vector<std::uint32_t> AdjointStars::firstOfLit() const {
    std::vector<std::uint32_t> first;
    for (const std::uint32_t p : lit_) first.push_back(ordered_.firstOfRun[ordered_.spaxelRun[p]]);
    first.push_back(std::uint32_t(ordered_.star.size()));
    return first;
}

BinnedStars AdjointStars::binned() const {
    const StageTimer timer("download");
    BinnedStars b;
    b.stars = Buffer<StarRecord>(ordered_.star.size());
    ordered_.star.download(b.stars.data());
    b.start = Buffer<std::uint64_t>(ordered_.spaxelRun.size());
    for (std::size_t p = 0; p < b.start.size(); ++p) b.start[p] = ordered_.firstOfRun[ordered_.spaxelRun[p]];
    s_.synchronize();
    return b;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
