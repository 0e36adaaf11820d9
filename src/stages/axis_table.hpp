// locate() of physics/ssp.hpp with a table of starting points, for millions of look-ups on one axis.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "simd/kernels.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

class AxisTable {
public:
    explicit AxisTable(const std::vector<double>& axis) : only_(float(axis[0])) {
        if (axis.size() == 1) return;
        constexpr float inf = std::numeric_limits<float>::infinity();
        const std::size_t intervals = axis.size() - 1;
        expects(intervals <= std::numeric_limits<std::uint16_t>::max(), "an axis of at most 65536 points");
        args_.low = atOrAbove(axis.front());
        args_.high = -atOrAbove(-axis.back());
        for (std::size_t k = 0; k < intervals; ++k) {
            const auto coarse = float(axis[k]);
            intervals_.push_back({k + 1 < intervals ? atOrAbove(axis[k + 1]) : inf, coarse,
                                  float(axis[k] - double(coarse)), float(1 / (axis[k + 1] - axis[k]))});
        }
        // Of values a hundredth of a cell beyond its ends, since a value's cell is rounded.
        const double width = (double(args_.high) - double(args_.low)) / cells;
        std::uint16_t first = 0, last = 0;
        const auto advance = [&](std::uint16_t& interval, double cell) {
            const float value = float(double(args_.low) + cell * width);
            while (value >= intervals_[interval].next) ++interval;
        };
        cells_.reserve(cells + 1);
        for (int c = 0; c <= cells; ++c) {
            advance(first, c - 0.01);
            advance(last, c + 1.01);
            cells_.push_back(first);
            args_.steps = std::max(args_.steps, last - first);
        }
        args_.scale = width > 0 ? float(1 / width) : 0.0F;
        args_.cells = cells_.data();
        args_.intervals = intervals_.data();
        args_.count = int(intervals);
    }
    AxisTable(const AxisTable&) = delete;
    AxisTable& operator=(const AxisTable&) = delete;

    void locate(const simd::Kernels& kernels, const float* values, std::size_t n, std::int32_t* lower, float* fraction,
                std::int32_t* clamped) const {
        if (!cells_.empty()) {
            kernels.locate(args_, values, n, lower, fraction, clamped);
            return;
        }
        for (std::size_t i = 0; i < n; ++i) {
            lower[i] = 0;
            fraction[i] = 0;
            clamped[i] = values[i] != only_;
        }
    }

private:
    // The least float that is not below x.
    static float atOrAbove(double x) {
        const float f = float(x);
        return double(f) < x ? std::nextafter(f, std::numeric_limits<float>::infinity()) : f;
    }

    static constexpr int cells = 4096;
    simd::AxisArgs args_{};
    float only_;
    std::vector<std::uint16_t> cells_;
    std::vector<simd::AxisInterval> intervals_;
};

}  // namespace tessera
