// The stars of an adjoint on the device, from those that were read to those in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device_adjoint.hpp"
#include "device_group.hpp"
#include "kernels/copies.hpp"
#include "kernels/ordered_stars.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// The calls of DeviceAdjoint that have these names.
class AdjointStars {
public:
    explicit AdjointStars(const Stream& s) : s_(s) {}

    void take(const Stars&);
    std::vector<FrameSums> frameSums(const std::vector<std::size_t>& blocks, const Vec3d& centre, double boxSize,
                                     double radius, const Vec3d& velocity) const;
    StarsInView project(const CubePlan&, const SpaxelGrid& field, const GalaxyFrame&, double boxSize, Doppler);
    void order(const KnotTable&, std::size_t spaxels);
    void order(const BinnedStars&, const KnotTable&, std::size_t spaxels, std::uint64_t before);
    const std::vector<std::uint32_t>& lit() const { return lit_; }
    BinnedStars binned() const;

    const OrderedStars& ordered() const { return ordered_; }
    // [lit + 1] first star of each lit spaxel, and the end.
    std::vector<std::uint32_t> firstOfLit() const;

private:
    void keep(OrderedStars);

    const Stream& s_;
    DeviceStars stars_;
    Sky sky_;
    OrderedStars ordered_;
    std::vector<std::uint32_t> lit_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
