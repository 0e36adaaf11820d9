// What the tests of the transposes share.
#pragma once

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "tessera/model/star_record.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera::test {

inline std::vector<float> cotangents(std::size_t n, unsigned seed = 1) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<float> normal;
    std::vector<float> v(n);
    for (float& x : v) x = normal(rng);
    return v;
}

inline double rmsOf(const std::vector<double>& v) {
    double sum = 0;
    for (const double x : v) sum += x * x;
    return std::sqrt(sum / double(std::max<std::size_t>(v.size(), 1)));
}

// Largest difference in units of the array's rms.
template <class T>
double worst(const std::vector<T>& found, const std::vector<double>& expected) {
    REQUIRE(found.size() == expected.size());
    double largest = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double d = std::fabs(double(found[i]) - expected[i]);
        largest = d <= largest ? largest : d;  // NaN stays
    }
    const double rms = rmsOf(expected);
    return rms > 0 ? largest / rms : largest;
}

// Each of the four members of the records' cotangents, in units of its own rms.
inline void checkRecords(const std::vector<StarRecordBar>& found, const std::vector<std::array<double, 4>>& expected,
                         const std::array<double, 4>& tolerance) {
    static const char* const names[] = {"mass", "age fraction", "Z fraction", "shift"};
    for (std::size_t c = 0; c < 4; ++c) {
        std::vector<float> f;
        std::vector<double> e;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const float v[] = {found[i].mass, found[i].ageFraction, found[i].zFraction, found[i].shift};
            f.push_back(v[c]);
            e.push_back(expected[i][c]);
        }
        INFO(names[c] << ": rms " << rmsOf(e) << ", worst " << worst(f, e));
        CHECK(worst(f, e) <= tolerance[c]);
    }
}

inline StarRecord randomRecord(std::mt19937_64& rng, float shift) {
    std::uniform_real_distribution<float> uniform;
    const auto z = int(rng() % 2), age = int(rng() % 3);
    return {z * 4 + age, uniform(rng), uniform(rng), 0.5F + uniform(rng), shift, 1, 0.01F, 0};
}

}  // namespace tessera::test
