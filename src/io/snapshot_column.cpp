#include "io/snapshot_column.hpp"

#include <fmt/format.h>

#include <type_traits>
#include <utility>

#include "simd/kernels.hpp"
#include "tessera/core/error.hpp"

namespace tessera::snapshots {

Column::Column(const h5::Group& g, const std::string& name, std::size_t width, std::uint64_t rows, Limits limits)
    : data_(g.dataset(name)), width_(width), limits_(limits) {
    const auto& shape = data_.shape();
    const bool fits =
        width == 1 ? shape.size() == 1 || (shape.size() == 2 && shape[1] == 1) : shape.size() == 2 && shape[1] == width;
    const std::string expected = width == 1 ? fmt::format("[{}]", rows) : fmt::format("[{}, {}]", rows, width);
    if (!fits || shape[0] != rows)
        throw Error(fmt::format("{}: has shape [{}], expected {}", data_.where(), fmt::join(shape, ", "), expected));
    data_.checkPlausible();
}

Column Column::in(const Units& units, Quantity q) && {
    factor_ = units.factor(q, data_);
    return std::move(*this);
}

Column Column::scaledBy(double factor) && {
    factor_ = factor;
    return std::move(*this);
}

template <class T>
void Column::convert(std::uint64_t first, std::uint64_t count, std::size_t width, T* out) const {
    const std::size_t n = count * width;
    const double low = limits_.low, high = limits_.high, factor = factor_;
    const auto& simd = simd::kernels();
    if constexpr (std::is_same_v<T, float>) {
        if (simd.scaleFloats(out, n, factor, low, high)) return;
    } else {
        if (simd.scaleDoubles(out, n, factor, low, high)) return;
    }
    for (std::size_t i = 0; i < n; ++i) {
        const double v = double(out[i]);
        if (v >= low && v <= high) continue;
        std::string allowed = "a finite number";
        if (low == 0) allowed += ", not negative";
        if (high < std::numeric_limits<float>::max())
            allowed += fmt::format(", {:g} to {:g} in the file's unit", low / factor, high / factor);
        throw Error(fmt::format("{}: row {}{} is {:g}; allowed: {}", data_.where(), first + i / width,
                                width > 1 ? fmt::format(" column {}", i % width) : "", v / factor, allowed));
    }
    // Only the rounding to T hides it: the value lies at the limit.
}

template <class T>
void Column::fetch(std::uint64_t first, std::uint64_t count, T* out) const {
    plain_ = data_.isPlain<T>();
    if (!plain_) data_.readRows(first, count, out);
}

template <class T>
void Column::convert(std::uint64_t first, std::uint64_t count, T* out) const {
    if (plain_) data_.readPlain(first, count, out);
    convert(first, count, width_, out);
}

template <class T>
void Column::read(std::uint64_t first, std::uint64_t count, T* out) const {
    fetch(first, count, out);
    convert(first, count, out);
}

template <class T>
void Column::readComponent(std::size_t k, std::uint64_t first, std::uint64_t count, T* out) const {
    expects(k < width_ && width_ > 1, "a column of the dataset");
    const hsize_t start[] = {first, k}, counts[] = {count, 1};
    data_.readSlab<T>(start, counts, out);
    convert(first, count, 1, out);
}

template void Column::read<float>(std::uint64_t, std::uint64_t, float*) const;
template void Column::fetch<float>(std::uint64_t, std::uint64_t, float*) const;
template void Column::convert<float>(std::uint64_t, std::uint64_t, float*) const;
template void Column::read<double>(std::uint64_t, std::uint64_t, double*) const;
template void Column::fetch<double>(std::uint64_t, std::uint64_t, double*) const;
template void Column::convert<double>(std::uint64_t, std::uint64_t, double*) const;
template void Column::readComponent<float>(std::size_t, std::uint64_t, std::uint64_t, float*) const;

std::uint64_t rowsOf(const h5::Group& g, const std::string& dataset) {
    const auto d = g.dataset(dataset);
    if (d.shape().empty()) throw Error(d.where() + ": holds a single value where one row a particle is expected");
    d.checkPlausible();
    return d.rows();
}

}  // namespace tessera::snapshots
