// locate() of physics/ssp.hpp with a table of starting points, for millions of look-ups on one axis.
#pragma once

#include <algorithm>
#include <vector>

#include "tessera/physics/ssp.hpp"

namespace tessera {

class AxisTable {
public:
    explicit AxisTable(const std::vector<double>& axis) : axis_(axis), n_(int(axis.size())) {
        const double range = axis.back() - axis.front();
        scale_ = n_ > 1 ? float(cells / range) : 0.0F;
        first_ = float(axis.front());
        int k = 0;
        for (int c = 0; c < cells; ++c) {
            while (n_ > 1 && k + 2 < n_ && axis[std::size_t(k) + 1] <= axis.front() + range * c / cells) ++k;
            lower_[c] = k;
        }
        for (int i = 0; i + 1 < n_; ++i)
            inverse_.push_back(float(1 / (axis[std::size_t(i) + 1] - axis[std::size_t(i)])));
    }

    // Arrays, not structs: a struct would be stored in parts and read as a whole, which stalls the core.
    void locate(const float* values, std::size_t n, int* lower, float* fraction, unsigned char* clamped) const {
        const double low = axis_.front(), high = axis_.back();
        for (std::size_t i = 0; i < n; ++i) {
            const double value = values[i];
            if (n_ == 1 || !(value >= low) || value > high) {
                const AxisPosition<float> p = tessera::locate(axis_.data(), n_, values[i]);
                lower[i] = p.lower;
                fraction[i] = p.fraction;
                clamped[i] = p.clamped;
                continue;
            }
            int k = lower_[std::min(cells - 1, int((values[i] - first_) * scale_))];
            while (k > 0 && axis_[std::size_t(k)] > value) --k;
            while (k + 2 < n_ && axis_[std::size_t(k) + 1] <= value) ++k;
            lower[i] = k;
            fraction[i] = float(value - axis_[std::size_t(k)]) * inverse_[std::size_t(k)];
            clamped[i] = 0;
        }
    }

private:
    static constexpr int cells = 4096;
    const std::vector<double>& axis_;
    std::vector<float> inverse_;
    int n_;
    float scale_ = 0, first_ = 0;
    int lower_[cells] = {};
};

}  // namespace tessera
