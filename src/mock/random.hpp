// Random numbers that are a function of (seed, source, index, purpose): any particle can be drawn on its own.
#pragma once

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <cstdint>

#include "tessera/core/units.hpp"

namespace tessera::mock {

// What a draw decides. Each purpose has four numbers of its own.
enum class Purpose : std::uint32_t { place, shape, kick, census, parameters, orientation, position, velocity };

struct Source {
    std::uint64_t seed;
    std::uint32_t id;  // a galaxy, a group's fuzz, ... (see census.hpp)
};

// Four numbers uniform in the open interval (0, 1), on a grid of 2^-23.
inline std::array<float, 4> uniforms(Source s, std::uint64_t index, Purpose purpose) {
    const r123::Philox4x32::ctr_type counter{{static_cast<std::uint32_t>(index),
                                              static_cast<std::uint32_t>(index >> 32), s.id,
                                              static_cast<std::uint32_t>(purpose)}};
    const r123::Philox4x32::key_type key{
        {static_cast<std::uint32_t>(s.seed), static_cast<std::uint32_t>(s.seed >> 32)}};
    const auto words = r123::Philox4x32()(counter, key);
    std::array<float, 4> u;
    for (std::size_t i = 0; i < 4; ++i) u[i] = (static_cast<float>(words[i] >> 9) + 0.5f) * 0x1p-23f;
    return u;
}

// Four standard normal numbers (Box & Muller 1958); none beyond 5.8.
inline std::array<float, 4> normals(Source s, std::uint64_t index, Purpose purpose) {
    const auto u = uniforms(s, index, purpose);
    std::array<float, 4> g;
    for (std::size_t i = 0; i < 4; i += 2) {
        const float r = std::sqrt(-2 * std::log(u[i])), phi = 2 * static_cast<float>(units::pi) * u[i + 1];
        g[i] = r * std::cos(phi);
        g[i + 1] = r * std::sin(phi);
    }
    return g;
}

}  // namespace tessera::mock
