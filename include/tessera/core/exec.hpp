// Where a stage runs. The tag comes first in every stage's call and selects the overload.
#pragma once

#include <concepts>

namespace tessera {

// The CPU: OpenMP threads and SIMD. threads = 0 takes what OpenMP offers.
struct Host {
    int threads = 0;
};

template <class E>
concept Exec = std::same_as<E, Host>;

}  // namespace tessera
