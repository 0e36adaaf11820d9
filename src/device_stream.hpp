// A galaxy whose stars do not fit into the device's memory: they go through it in chunks of rows, which are ordered one by one, and
// come back in parts, each with all stars of some spaxels. A part is merged as the stars of several ranks are (device_team.hpp): what
// enters a sum, and its order, do not depend on the chunks.
//
//   chunk by chunk   project: range of shifts            48 bytes a star to the device
//   chunk by chunk   project, sort, records              48 to the device, 32 back
//   part by part     merge, runs                         32 to the device, 32 and the runs back
//   block of wavelengths by part                         32 and the runs to the device
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "device_group.hpp"
#include "device_parts.hpp"
#include "kernels/copies.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

class StreamedStars final : public OrderedParts {
public:
    // most: stars that are on the device at once; more where a block of rows or a spaxel has more.
    StreamedStars(const Stream& kernels, const Stream& copies, Staging&, const DeviceView&, const DeviceGalaxy&,
                  std::size_t most);

    std::vector<FrameSums> frameSums(const Vec3d& centre, double boxSize, double radius, const Vec3d& velocity);
    // Over all stars.
    ProjectTotal project(const GalaxyFrame&);
    // After that.
    void order(const KnotTable&);

    std::size_t size() const override { return parts_.size(); }
    Runs runs(std::size_t i) const override { return {parts_[i].spaxelRun, parts_[i].firstOfRun}; }
    const OrderedStars& part(std::size_t) override;

private:
    struct Chunk {
        std::size_t firstBlock, endBlock;
        StarRows rows;
        std::vector<StarRecord> star;     // in the field, ordered
        std::vector<std::uint32_t> each;  // of every spaxel
    };
    struct Part {
        std::vector<StarRecord> star;
        std::vector<StarRun> run;
        std::vector<std::uint32_t> spaxelStar, spaxelRun, firstOfRun;
    };
    // Each chunk's stars on the device, while the next arrive.
    template <class Use>
    void forEachChunk(Use use);
    void orderChunk(Chunk&, OrderPlan, DeviceStars&&);
    void makePart(const OrderPlan&, std::size_t firstSpaxel, std::size_t endSpaxel, std::uint64_t before);

    const Stream &s_, &copies_;
    Staging& staging_;
    const DeviceView& view_;
    const DeviceGalaxy& galaxy_;
    std::size_t most_;
    GalaxyFrame frame_;
    int binBits_ = 0;
    std::vector<Chunk> chunks_;
    std::vector<Part> parts_;
    std::optional<std::size_t> resident_;
    OrderedStars onDevice_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
