#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "stages/nodes.hpp"
#include "stages/pixel_templates.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

constexpr std::size_t comparedPixels = 64, planes = 5;

// Weights of the cubic through the nodes -1, 0, 1, 2 at t, and -1 for the exact value: their sum is the error.
std::array<float, planes> errorWeights(double t) {
    return {float(-t * (t - 1) * (t - 2) / 6), float((t + 1) * (t - 1) * (t - 2) / 2),
            float(-(t + 1) * t * (t - 2) / 2), float((t + 1) * t * (t - 1) / 6), -1.0F};
}

// Interpolation errors of all templates on one tile of pixels.
class TileError {
public:
    TileError(const KnotTable& table, const WavelengthGrid& grid, const Lsf* lsf)
        : table_(table),
          grid_(grid),
          lsf_(lsf),
          radius_(lsf ? lsf->radius : 0),
          plane_((comparedPixels + 2 * radius_) * table.lanes),
          exact_(planes * plane_),
          error_(plane_),
          spread_(comparedPixels * table.lanes) {}

    // Pixels [first, first + count) of the grid without its wings.
    void add(std::size_t first, std::size_t count, double node, double step, double t, std::vector<float>& worst,
             double* sum) {
        const std::size_t wide = count + 2 * radius_, lanes = table_.lanes;
        for (std::size_t k = 0; k < planes; ++k)
            average(first, wide, node + (k + 1 < planes ? double(k) - 1 : t) * step, exact_.data() + k * plane_);
        const auto weights = errorWeights(t);
        const auto& kernels = simd::kernels();
        kernels.columns(weights.data(), planes, exact_.data(), plane_, error_.data(), plane_, 1, wide * lanes, false);
        const float* error = error_.data();
        if (lsf_) {
            for (std::size_t j = 0; j < count; ++j) {
                kernels.columns(taps(first + j), 2 * radius_ + 1, error_.data() + j * lanes, lanes,
                                spread_.data() + j * lanes, lanes, 1, lanes, false);
            }
            error = spread_.data();
        }
        const float* mean = exact_.data() + (planes - 1) * plane_ + radius_ * lanes;
        for (std::size_t j = 0; j < count; ++j)
            for (std::size_t i = 0; i < lanes; ++i) {
                worst[i] = std::max(worst[i], std::fabs(error[j * lanes + i]));
                sum[i] += double(mean[j * lanes + i]);
            }
    }

private:
    void average(std::size_t first, std::size_t pixels, double shift, float* out) {
        edges_.resize(pixels + 1);
        for (std::size_t j = 0; j <= pixels; ++j) edges_[j] = grid_.edge(double(first + j));
        pixelTemplates(table_, shift, edges_.data(), pixels, out, nullptr);
    }
    const float* taps(std::size_t pixel) {
        if (lsf_->constant) return lsf_->taps.data();
        const std::size_t width = 2 * radius_ + 1, stride = lsf_->taps.size() / width;
        taps_.resize(width);
        for (std::size_t d = 0; d < width; ++d) taps_[d] = lsf_->taps[d * stride + pixel];
        return taps_.data();
    }

    const KnotTable& table_;
    const WavelengthGrid& grid_;
    const Lsf* lsf_;
    std::size_t radius_, plane_;
    Buffer<float> exact_, error_, spread_;
    std::vector<double> edges_;
    std::vector<float> taps_;
};

// Largest error over all templates and pixels at `samples` shifts.
double interpolationError(Host exec, const KnotTable& table, const WavelengthGrid& grid, const Lsf* lsf, double step) {
    constexpr int samples = 8;
    const std::size_t pixels = grid.size - 2 * (lsf ? lsf->radius : 0), templates = table.templates();
    const std::size_t tiles = (pixels + comparedPixels - 1) / comparedPixels;
    std::vector<float> worst(table.lanes, 0.0F);
    std::vector<double> sums(tiles * table.lanes, 0.0);  // added up in order, whatever the number of threads
#pragma omp parallel num_threads(threadsOf(exec))
    {
        TileError tile(table, grid, lsf);
        std::vector<float> myWorst(table.lanes, 0.0F);
#pragma omp for schedule(dynamic, 1)
        for (std::size_t i = 0; i < tiles; ++i)
            for (int k = 0; k < samples; ++k) {
                // Spread evenly, by the golden section; in the middle of two nodes and a third of the way.
                const double at = std::fmod(0.5 + k * 0.6180339887498949, 1.0);
                const double node = table.shiftMin + at * (double(table.shiftMax) - double(table.shiftMin));
                const std::size_t first = i * comparedPixels;
                tile.add(first, std::min(comparedPixels, pixels - first), node, step, k % 2 ? 0.5 : 1.0 / 3, myWorst,
                         sums.data() + i * table.lanes);
            }
#pragma omp critical(tesseraInterpolationError)
        for (std::size_t t = 0; t < table.lanes; ++t) worst[t] = std::max(worst[t], myWorst[t]);
    }
    double largest = 0;
    for (std::size_t t = 0; t < templates; ++t) {
        double sum = 0;
        for (std::size_t i = 0; i < tiles; ++i) sum += sums[i * table.lanes + t];
        if (sum > 0) largest = std::max(largest, double(worst[t]) / (sum / double(pixels * samples)));
    }
    return largest;
}

}  // namespace

NodeSpacing nodeSpacing(Host exec, const KnotTable& table, const WavelengthGrid& grid, const Lsf* lsf,
                        double accuracy) {
    const std::size_t wings = lsf ? 2 * lsf->radius : 0;
    if (table.rubix || grid.size <= wings || table.size() < 2) return {};
    constexpr int trials = 6;
    const double allowed = 0.7 * accuracy;
    double step = 1e-4;
    NodeSpacing best;
    for (int trial = 0; trial < trials && step >= narrowestNodeStep; ++trial) {
        const double error = interpolationError(exec, table, grid, lsf, step);
        if (error <= allowed && step > best.step) best = {step, error};
        if (error <= allowed && (step == widestNodeStep || error > 0.5 * allowed || trial > 2)) break;
        // Between the second power of the step, where kinks of the spectra dominate, and the fourth.
        const double factor = error > 0 ? std::pow(allowed / error, error > allowed ? 0.5 : 0.4) * 0.97 : 5;
        step = std::min(step * factor, widestNodeStep);
    }
    return best;
}

}  // namespace tessera
