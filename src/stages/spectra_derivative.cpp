#include "stages/spectra_derivative.hpp"

#include <algorithm>
#include <cstring>

#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Running integrals of one spaxel's cotangent, see KnotCotangentArgs.
class Integrals {
public:
    Integrals(const simd::SpectrumArgs& a)
        : a_(a), cells_(4 * (a.pixels + 2)), scratch_(simd::cotangentScratch(a.knots)) {}

    simd::KnotCotangentArgs operator()(const float* bar) {
        double first = 0, second = 0, *cell = cells_.data();
        const auto put = [&](double density, double edge) {
            cell[0] = second;
            cell[1] = first;
            cell[2] = density;
            cell[3] = edge;
            cell += 4;
        };
        put(0, a_.edges[0]);
        for (std::size_t j = 0; j < a_.pixels; ++j) {
            const double width = a_.edges[j + 1] - a_.edges[j], value = a_.scale * double(bar[j]);
            put(value / width, a_.edges[j]);
            second += (first + 0.5 * value) * width;
            first += value;
        }
        put(0, a_.edges[a_.pixels]);
        return {cells_.data(), a_.pixels,      a_.edges[0],   a_.inverseWidth, first,
                a_.position,   a_.inverseStep, a_.lnPosition, a_.knots,        scratch_.data()};
    }

private:
    const simd::SpectrumArgs& a_;
    Buffer<double> cells_, scratch_;
};

}  // namespace

double derivativeShiftStep(double accuracy, bool fine) {
    return std::clamp((fine ? 0.008 : 0.05) * accuracy, 1e-7, 1e-5);
}

TemplatesBar::TemplatesBar(const KnotTable& t) : size_(t.templates() * t.stride), sums_(parts * size_, 0.0F) {}

std::vector<double> TemplatesBar::total() const {
    std::vector<double> out(size_, 0.0);
    for (std::size_t p = 0; p < parts; ++p)
        for (std::size_t i = 0; i < size_; ++i) out[i] += double(sums_[p * size_ + i]);
    return out;
}

SpectraDerivative::SpectraDerivative(const BinnedStars& stars, const KnotTable& table, std::size_t pixels,
                                     const Gather& gather)
    : stars_(stars), table_(table) {
    expects(stars.dense.empty(), "stars in the order of their bins");
    if (!table.fine) return;
    pixels_.emplace(stars, table);
    if (!pixels_->pays(pixels, gather)) pixels_.reset();
}

void SpectraDerivative::adjoint(Host exec, const WavelengthGrid& window, double scale, const float* spectraBar,
                                std::size_t stride, StarRecordBar* bar, TemplatesBar* templates) const {
    if (pixels_ && !templates) {
        (*pixels_)(exec, window, scale, spectraBar, stride, bar);
        return;
    }
    const std::vector<double> edges = edgesOf(window);
    const KnotRange knots = knotRange(table_, window);
    const simd::SpectrumArgs args = spectrumArgs(table_, knots, window, edges, scale);
    const std::size_t nSpaxels = stars_.start.size() - 1;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Integrals integrals(args);
        const auto gather = [&](std::size_t s, float* sums) {
            const std::size_t first = stars_.start[s], count = stars_.start[s + 1] - first;
            if (count == 0) return;
            simd::kernels().gather(integrals(spectraBar + s * stride),
                                   {stars_.stars.data() + first, count, args.shiftStep, args.shiftMin, args.flux,
                                    args.fluxStride, args.nAge, args.ageStep, bar + first, sums});
        };
        if (templates) {
#pragma omp for schedule(dynamic, 1)
            for (std::size_t p = 0; p < TemplatesBar::parts; ++p)
                for (std::size_t s = p; s < nSpaxels; s += TemplatesBar::parts)
                    gather(s, templates->part(p) + knots.first);
        } else {
#pragma omp for schedule(dynamic, 8)
            for (std::size_t s = 0; s < nSpaxels; ++s) gather(s, nullptr);
        }
    }
}

void SpectraDerivative::tangent(Host exec, const WavelengthGrid& window, double scale, const StarRecordBar* dot,
                                float* out, std::size_t stride) const {
    const std::vector<double> edges = edgesOf(window);
    const KnotRange knots = knotRange(table_, window);
    const simd::SpectrumArgs common = spectrumArgs(table_, knots, window, edges, scale);
    const std::size_t nSpaxels = stars_.start.size() - 1;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Buffer<double> scratch(simd::scratchDoubles(table_.size(), window.size));
        simd::SpectrumArgs args = common;
        args.scratch = scratch.data();
#pragma omp for schedule(dynamic, 8)
        for (std::size_t s = 0; s < nSpaxels; ++s) {
            const std::size_t first = stars_.start[s];
            args.stars = stars_.stars.data() + first;
            args.count = stars_.start[s + 1] - first;
            args.out = out + s * stride;
            if (args.count == 0)
                std::memset(args.out, 0, window.size * sizeof(float));
            else
                simd::kernels().spectrumTangent(args, dot + first);
        }
    }
}

}  // namespace tessera
