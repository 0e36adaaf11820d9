// Parallel loops whose result does not depend on the number of threads, nor on how many processes share the stars.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include "tessera/core/exec.hpp"
#include "tessera/core/gather.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

inline int threadsOf(Host exec) {
    return exec.threads > 0 ? exec.threads : omp_get_max_threads();
}

// Zeros, each page of which is touched first by the thread that will work on it.
template <class T>
void setZero(Host exec, Buffer<T>& out, std::size_t n) {
    out.reshape(n);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t i = 0; i < n; ++i) out[i] = T{};
}
template <class T>
Buffer<T> zeros(Host exec, std::size_t n) {
    Buffer<T> out;
    setZero(exec, out, n);
    return out;
}

// First star of every block of blockRows rows of the file, and the end. Wind particles count as rows: a galaxy that is cut
// at multiples of blockRows has the same blocks as when it is whole.
inline std::vector<std::size_t> rowBlocks(const Stars& stars) {
    const std::uint64_t rows = stars.size() + stars.windRows.size();
    std::vector<std::size_t> starts;
    auto wind = stars.windRows.begin();
    for (std::uint64_t row = 0; row < rows; row += blockRows) {
        wind = std::lower_bound(wind, stars.windRows.end(), row);
        starts.push_back(std::size_t(row) - std::size_t(wind - stars.windRows.begin()));
    }
    starts.push_back(stars.size());
    return starts;
}

// A single number to be summed.
struct Amount {
    double value = 0;
    Amount& operator+=(const Amount& o) {
        value += o.value;
        return *this;
    }
};

// The sum of everyone's partial sums, in order. T: doubles alone.
template <class T>
T sumInOrder(const std::vector<T>& partial, const Gather& gather) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(double) == 0);
    constexpr std::size_t width = sizeof(T) / sizeof(double);
    std::vector<double> values(partial.size() * width);
    if (!partial.empty()) std::memcpy(values.data(), partial.data(), values.size() * sizeof(double));
    values = gather(std::move(values));
    T total{};
    for (std::size_t i = 0; i < values.size(); i += width) {
        T one;
        std::memcpy(static_cast<void*>(&one), values.data() + i, sizeof(T));
        total += one;
    }
    return total;
}

// Sum of part(begin, end) over all blocks of starts (see rowBlocks), in order over all processes.
template <class T, class Part>
T sumParts(Host exec, const std::vector<std::size_t>& starts, const Gather& gather, Part part) {
    std::vector<T> partial(starts.size() - 1);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t b = 0; b < partial.size(); ++b) partial[b] = part(starts[b], starts[b + 1]);
    return sumInOrder(partial, gather);
}

// The same of term(i) over all stars.
template <class T, class Term>
T sumBlocks(Host exec, const std::vector<std::size_t>& starts, const Gather& gather, Term term) {
    return sumParts<T>(exec, starts, gather, [&](std::size_t begin, std::size_t end) {
        T sum{};
        for (std::size_t i = begin; i < end; ++i) sum += term(i);
        return sum;
    });
}

}  // namespace tessera
