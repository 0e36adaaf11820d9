// Ordered stars on the device: all at once, or part after part where they do not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/ordered_stars.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Each part has all stars of its spaxels; those of one part come before those of the next.
class OrderedParts {
public:
    virtual ~OrderedParts() = default;
    virtual std::size_t size() const = 0;
    // On the host: as OrderedStars::spaxelRun and firstOfRun.
    struct Runs {
        const std::vector<std::uint32_t>&ofSpaxel, &first;
    };
    virtual Runs runs(std::size_t part) const = 0;
    // On the device, until the next call; the host's side is runs().
    virtual const OrderedStars& part(std::size_t) = 0;
};

class WholeStars final : public OrderedParts {
public:
    explicit WholeStars(OrderedStars stars) : stars_(std::move(stars)) {}
    std::size_t size() const override { return 1; }
    Runs runs(std::size_t) const override { return {stars_.spaxelRun, stars_.firstOfRun}; }
    const OrderedStars& part(std::size_t) override { return stars_; }

private:
    OrderedStars stars_;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
