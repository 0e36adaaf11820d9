// Several processes that hold the stars of one galaxy, each a contiguous part in order, as the stages see them.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace tessera {

class Gather {
public:
    using Values = std::vector<double>;
    Gather() = default;  // alone: one process holds all stars
    explicit Gather(std::function<Values(const Values&)> all) : all_(std::move(all)) {}

    // Everyone's values one after the other, in the order of the parts; the same for everyone. A call of all.
    Values operator()(Values mine) const { return all_ ? all_(mine) : mine; }

private:
    std::function<Values(const Values&)> all_;
};

}  // namespace tessera
