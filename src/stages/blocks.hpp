// Parallel loops whose result does not depend on the number of threads.
#pragma once

#include <omp.h>

#include <cstddef>
#include <vector>

#include "tessera/core/exec.hpp"

namespace tessera {

inline int threadsOf(Host exec) {
    return exec.threads > 0 ? exec.threads : omp_get_max_threads();
}

// sum of term(i) over i < n: blocks of fixed length are summed each on its own, then in order.
template <class T, class Term>
T sumBlocks(Host exec, std::size_t n, Term term) {
    constexpr std::size_t length = 4096;
    const std::size_t blocks = (n + length - 1) / length;
    std::vector<T> partial(blocks);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t b = 0; b < blocks; ++b) {
        T sum{};
        const std::size_t end = (b + 1) * length < n ? (b + 1) * length : n;
        for (std::size_t i = b * length; i < end; ++i) sum += term(i);
        partial[b] = sum;
    }
    T total{};
    for (const T& p : partial) total += p;
    return total;
}

}  // namespace tessera
