// The galaxy and the library of bench.cpp, made from random numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/accumulate.hpp"
#include "tessera/core/hd.hpp"
#include "tessera/gpu/launch.hpp"

namespace tessera::bench {

struct Options {
    std::size_t stars = 6'000'000, field = 100, pixels = 3721;
    int repeat = 5;
};

constexpr std::size_t lsfRadius = 8, psfRadius = 11;
constexpr int ages = 221, metallicities = 6, libraryKnots = 220;
constexpr double pixelWidth = 1.25, firstEdge = 4700;

inline std::vector<float> gaussianTaps(std::size_t radius, double sigma) {
    std::vector<float> taps;
    double sum = 0;
    for (std::size_t i = 0; i <= 2 * radius; ++i)
        sum += std::exp(-0.5 * std::pow((double(i) - double(radius)) / sigma, 2));
    for (std::size_t i = 0; i <= 2 * radius; ++i)
        taps.push_back(float(std::exp(-0.5 * std::pow((double(i) - double(radius)) / sigma, 2)) / sum));
    return taps;
}

// A disc of an exponential profile that fills the field, spaxels of 1 kpc; 150 km/s of dispersion.
struct Galaxy {
    gpu::PinnedBuffer<Vec3d> position;
    gpu::PinnedBuffer<Vec3f> velocity;
    gpu::PinnedBuffer<float> mass, age, metallicity;

    explicit Galaxy(const Options& o)
        : position(o.stars), velocity(o.stars), mass(o.stars), age(o.stars), metallicity(o.stars) {
        std::mt19937_64 rng(1);
        std::exponential_distribution<double> radial;
        std::uniform_real_distribution<double> uniform;
        std::normal_distribution<double> normal;
        for (std::size_t i = 0; i < o.stars; ++i) {
            const double r = 0.16 * double(o.field) * (radial(rng) + radial(rng)), angle = 2 * M_PI * uniform(rng);
            position[i] = {r * std::cos(angle), r * std::sin(angle), normal(rng)};
            velocity[i] = Vec3d{0, 0, 150 * normal(rng) + 150 * std::sin(angle)}.to<float>();
            mass[i] = float(1e5 * (0.5 + uniform(rng)));
            age[i] = float(std::pow(10, -3 + 4.1 * uniform(rng)));
            metallicity[i] = float(std::pow(10, -4 + 2.6 * uniform(rng)));
        }
    }
};

struct Library {
    std::vector<double> logAgeGyr, zAxis, position, lnPosition, inverseStep, edge;
    std::size_t stride = (libraryKnots + 15) / 16 * 16;
    std::vector<float> flux;

    explicit Library(const Options& o) {
        for (int i = 0; i < ages; ++i) logAgeGyr.push_back(-3 + 4.2 * i / (ages - 1));
        for (int i = 0; i < metallicities; ++i) zAxis.push_back(-4 + 2.7 * i / (metallicities - 1));
        const double last = firstEdge + pixelWidth * double(o.pixels);
        for (int m = 0; m < libraryKnots; ++m) {
            position.push_back(firstEdge - 60 + (last - firstEdge + 120) * m / (libraryKnots - 1));
            lnPosition.push_back(std::log(position.back()));
        }
        for (int m = 0; m < libraryKnots; ++m)
            inverseStep.push_back(m + 1 < libraryKnots ? 1 / (position[std::size_t(m) + 1] - position[std::size_t(m)])
                                                       : 0);
        for (std::size_t j = 0; j <= o.pixels + 2 * lsfRadius; ++j)
            edge.push_back(firstEdge + pixelWidth * (double(j) - double(lsfRadius)));
        std::mt19937_64 rng(2);
        std::uniform_real_distribution<float> uniform(0.5F, 1.5F);
        flux.resize(std::size_t(ages * metallicities) * stride);
        for (float& f : flux) f = 1e-4F * uniform(rng);
    }

    std::vector<gpu::AccumulateTile> tiles(float shiftMin, float shiftMax,
                                           std::size_t (*bytesOf)(std::uint32_t, std::uint32_t)) const {
        const auto pixels = std::uint32_t(edge.size() - 1);
        for (std::uint32_t most = 1024;; most /= 2) {
            std::vector<gpu::AccumulateTile> out;
            std::size_t bytes = 0;
            for (std::uint32_t first = 0; first < pixels; first += most) {
                const std::uint32_t count = std::min(most, pixels - first);
                const double left = edge[first] * std::exp(-double(shiftMax)),
                             right = edge[first + count] * std::exp(-double(shiftMin));
                const auto above = std::upper_bound(position.begin(), position.end(), left) - position.begin(),
                           end = std::lower_bound(position.begin(), position.end(), right) - position.begin();
                const auto begin = std::max<std::ptrdiff_t>(above - 1, 0);
                const auto stop = std::min<std::ptrdiff_t>(end + 1, libraryKnots);
                out.push_back({first, count, std::uint32_t(begin), std::uint32_t(stop - begin)});
                bytes = std::max(bytes, bytesOf(count, out.back().knots));
            }
            if (bytes <= (40U << 10) || most == 32) return out;
        }
    }
};

}  // namespace tessera::bench
