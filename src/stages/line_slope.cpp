#include "stages/line_slope.hpp"

#include <algorithm>
#include <utility>

#include "stages/blocks.hpp"
#include "stages/kernel_ranges.hpp"

namespace tessera {

LineSlopeDots::LineSlopeDots(const Optics& o, const OpticsTranspose& transpose, LsfSlope slope,
                             std::vector<LsfParameter> parameters)
    : o_(o), transpose_(transpose), slope_(std::move(slope)), parameters_(std::move(parameters)) {
    if (!kernelsDiffer(o)) return;
    differences_ = kernelDifferences(*o.psf(), o.wings());
    ofDifferences_.emplace(o, differences_.psf, o.lsf());
}

void LineSlopeDots::add(Host exec, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                        std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit, std::size_t first,
                        std::size_t count, const double* spectra, std::size_t stride, float* room,
                        std::vector<std::vector<double>>& sums) {
    const std::size_t reach = 2 * slope_.radius;
    const auto pixelOf =
        [&](std::size_t source) {  // of the grid; sources beyond its ends have the width of its last pixels
            const std::ptrdiff_t j = std::ptrdiff_t(first + source) - std::ptrdiff_t(slope_.radius);
            return std::size_t(std::clamp<std::ptrdiff_t>(j, 0, std::ptrdiff_t(slope_.pixels) - 1));
        };
    if (ofDifferences_ && change_.size() < lit.size() * stride) change_ = Buffer<float>(lit.size() * stride);
    transpose_.throughPsf(exec, cubeBar, covered, wanted, lit, first, count, room, stride);
    // A kernel of the PSF that acts first commutes with the LSF on the light of its own sources, on which it acts at all targets.
    for (const KernelRange& r : sourceRanges(o_, first, count)) {
        const std::size_t begin = r.begin > reach ? r.begin - reach : 0,
                          end = std::min(r.end, count);  // of the targets
        const std::vector<KernelRange> others = otherTargets(o_, first, begin, end, r.kernel);
        for (const KernelRange& t : others)
            ofDifferences_->throughKernel(exec, differences_(r.kernel, t.kernel), cubeBar, covered, wanted, lit,
                                          first + t.begin, t.end - t.begin, change_.data() + t.begin, stride);
#pragma omp parallel num_threads(threadsOf(exec))
        {
            const std::size_t sources = r.end - r.begin;
            std::vector<double> bar(sources + reach, 0.0), seen(sources);  // targets r.begin - reach + i; sources
#pragma omp for schedule(static)
            for (std::size_t k = 0; k < lit.size(); ++k) {
                for (std::size_t j = begin; j < end; ++j) bar[j + reach - r.begin] = double(room[k * stride + j]);
                for (const KernelRange& t : others)
                    for (std::size_t j = t.begin; j < t.end; ++j)
                        bar[j + reach - r.begin] += double(change_[k * stride + j]);
                std::fill(seen.begin(), seen.end(), 0.0);
                for (std::size_t d = 0; d <= reach; ++d) {
                    const double* taps = slope_.taps.data() + d * slope_.sources() + first + r.begin;
                    for (std::size_t i = 0; i < sources; ++i) seen[i] += taps[i] * bar[i + d];
                }
                for (std::size_t i = 0; i < sources; ++i) seen[i] *= spectra[k * stride + r.begin + i];
                for (std::size_t p = 0; p < parameters_.size(); ++p) {
                    double sum = 0;
                    for (std::size_t i = 0; i < sources; ++i)
                        sum += seen[i] * parameters_[p].sigmaSlope[pixelOf(r.begin + i)];
                    sums[p][k] += sum;
                }
            }
        }
    }
}

}  // namespace tessera
