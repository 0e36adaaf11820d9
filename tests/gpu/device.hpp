// What the tests of the kernels share: galaxies of all sizes, copies to and from the device, schedules.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/ordered_stars.hpp"
#include "tessera/gpu/launch.hpp"

namespace tessera::test {

using gpu::DeviceBuffer;
using gpu::Stream;

#ifdef TESSERA_SIMT_TSAN
constexpr bool racing = true;  // every fibre and barrier costs a hundred times as much: small cases only
#else
constexpr bool racing = false;
#endif
#ifdef TESSERA_SIMT_ASAN
constexpr int schedules = 5;  // it looks at addresses, which hardly depend on them
#else
constexpr int schedules = racing ? 2 : 20;
#endif

// Sizes about those of warps and blocks.
inline std::vector<std::size_t> sizes() {
    return racing ? std::vector<std::size_t>{0, 1, 33, 128}
                  : std::vector<std::size_t>{0, 1, 31, 32, 33, 63, 64, 65, 128, 1000};
}

template <class T>
DeviceBuffer<T> onDevice(const Stream& s, const std::vector<T>& v) {
    DeviceBuffer<T> b(v.size(), s);
    b.upload(v.data());
    s.synchronize();
    return b;
}
template <class T>
std::vector<T> onHost(const Stream& s, const DeviceBuffer<T>& b) {
    std::vector<T> v(b.size());
    b.download(v.data());
    s.synchronize();
    return v;
}
template <class T>
bool sameBits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// Runs f, which gives a vector, under many orders of threads and blocks, and demands the same bits of all.
template <class F>
auto underSeeds(F f, int seeds = schedules) {
#ifdef TESSERA_GPU_CUDA
    (void)seeds;
    return f();
#else
    const std::uint64_t before = gpu::simt::options().seed;
    gpu::simt::options().seed = 0;
    auto first = f();
    for (int k = 1; k <= seeds; ++k) {
        gpu::simt::options().seed = std::uint64_t(k);
        const auto again = f();
        if (!sameBits(first, again)) FAIL("seed " << k << " gives another result");
    }
    gpu::simt::options().seed = before;
    return first;
#endif
}

struct HostStars {
    std::vector<Vec3d> position;
    std::vector<Vec3f> velocity;
    std::vector<float> mass, age, metallicity;
    std::size_t size() const { return mass.size(); }
};
// sigma 1 kpc and 150 km/s
inline HostStars randomStars(std::size_t n, unsigned seed = 3) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    HostStars s;
    for (std::size_t i = 0; i < n; ++i) {
        s.position.push_back({10 + normal(rng), 9.5 + normal(rng), normal(rng)});
        s.velocity.push_back(Vec3d{150 * normal(rng), 150 * normal(rng), 150 * normal(rng)}.to<float>());
        s.mass.push_back(float(1e5 * (0.5 + uniform(rng))));
        s.age.push_back(float(std::pow(10, -3 + 4.13 * uniform(rng))));
        s.metallicity.push_back(float(std::pow(10, -4 + 2.7 * uniform(rng))));
    }
    return s;
}
inline gpu::DeviceStars onDevice(const Stream& s, const HostStars& h) {
    gpu::DeviceStars d;
    d.position = onDevice(s, h.position);
    d.velocity = onDevice(s, h.velocity);
    d.mass = onDevice(s, h.mass);
    d.age = onDevice(s, h.age);
    d.metallicity = onDevice(s, h.metallicity);
    return d;
}

}  // namespace tessera::test
