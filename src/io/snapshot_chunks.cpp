#include "io/snapshot_chunks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tessera/core/error.hpp"

namespace tessera::snapshots {

Chunks::Chunks(std::vector<std::int64_t> starts, std::int64_t total, const std::string& where)
    : starts_(std::move(starts)), total_(total) {
    std::int64_t last = 0;
    for (std::size_t c = 0; c < starts_.size(); ++c) {
        const std::int64_t s = starts_[c];
        if ((c == 0 && s != 0) || s < last || s > total_)
            throw Error(fmt::format("{}: chunk {} starts at row {}, after {} of {} rows", where, c, s, last, total_));
        last = s;
    }
    if (starts_.empty() && total_ != 0) throw Error(fmt::format("{}: no chunk holds the {} rows", where, total_));
}

std::size_t Chunks::holding(std::int64_t row) const {
    expects(row >= 0 && row < total_, "a row of the chunks");
    return std::size_t(std::upper_bound(starts_.begin(), starts_.end(), row) - starts_.begin()) - 1;
}

std::int64_t perType(const h5::Group& header, const std::string& name, std::size_t type) {
    const auto values = header.attributeArray<std::int64_t>(name);
    if (!values) throw Error(header.where() + ": has no attribute " + name);
    if (values->size() <= type)
        throw Error(fmt::format("{} attribute {}: has {} values, expected one for each of 6 particle types",
                                header.where(), name, values->size()));
    const std::int64_t n = (*values)[type];
    // 2^55 rows: nothing of that size exists, and sums of it do not overflow.
    if (n < 0 || n > (std::int64_t(1) << 55))
        throw Error(fmt::format("{} attribute {}: is {} for type {}", header.where(), name, n, type));
    return n;
}

std::int64_t totalParticles(const h5::Group& header, std::size_t type) {
    const std::int64_t low = perType(header, "NumPart_Total", type);
    constexpr std::int64_t word = std::int64_t(1) << 32;
    if (low >= word || !header.hasAttribute("NumPart_Total_HighWord")) return low;
    const std::int64_t high = perType(header, "NumPart_Total_HighWord", type);
    if (high >= (1 << 20))
        throw Error(fmt::format("{} attribute NumPart_Total_HighWord: is {} for type {}", header.where(), high, type));
    return low + high * word;
}

std::int64_t countOf(const h5::Group& header, const std::string& name, const std::string& other) {
    auto n = header.attribute<std::int64_t>(name);
    if (!n) n = header.attribute<std::int64_t>(other);
    if (!n) throw Error(header.where() + ": has no attribute " + name);
    if (*n < 0 || *n > (std::int64_t(1) << 40))
        throw Error(fmt::format("{} attribute {}: is {}", header.where(), name, *n));
    return *n;
}

}  // namespace tessera::snapshots
