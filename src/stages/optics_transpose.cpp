#include "stages/optics_transpose.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/blur_field.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Kernels turned by 180 degrees.
Psf turned(Psf psf) {
    for (PsfKernel& k : psf.kernels) {
        for (auto& taps : k.separable) std::reverse(taps.begin(), taps.end());
        for (auto& taps : k.across) std::reverse(taps.begin(), taps.end());
        std::reverse(k.full.begin(), k.full.end());
    }
    return psf;
}

std::size_t wholeVectors(std::size_t n) {
    return (n + 15) / 16 * 16;
}

}  // namespace

OpticsTranspose::OpticsTranspose(const Optics& shape, std::optional<Psf> psf, std::optional<Lsf> lsf)
    : n_(shape.n()),
      pad_(shape.pad()),
      wings_(shape.wings()),
      side_(shape.side()),
      grid_(shape.grid()),
      lsfFirst_(shape.lsfFirst()),
      hasPsf_(psf.has_value()),
      hasLsf_(lsf.has_value()) {
    expects(hasPsf_ == shape.psf().has_value() && hasLsf_ == shape.lsf().has_value(),
            "the transpose of the same stages");
    if (psf) {
        expects(psf->radius == pad_, "kernels of the same radius");
        blur_ = Optics(turned(*std::move(psf)), {}, side_, grid_);
    }
    if (!lsf) return;
    expects(lsf->radius == wings_, "taps of the same radius");
    const std::size_t width = 2 * wings_ + 1;
    if (lsf->constant) {
        taps_.assign(lsf->taps.rbegin(), lsf->taps.rend());
        return;
    }
    // Tap d of source pixel k is tap 2 wings - d of pixel k + d - 2 wings; sources begin `wings` before the grid.
    const std::size_t sources = grid_.size + 2 * wings_, stride = lsf->taps.size() / width;
    tapStride_ = sources + spectrumPadding;
    taps_.assign(width * tapStride_, 0.0F);
    for (std::size_t d = 0; d < width; ++d)
        for (std::size_t k = 0; k < sources; ++k)
            if (k + d >= 2 * wings_ && k + d - 2 * wings_ < grid_.size)
                taps_[d * tapStride_ + k] = lsf->taps[(width - 1 - d) * stride + (k + d - 2 * wings_)];
}

// out[count + 2 wings] of padded[2 wings zeros, count, zeros to whole vectors and 2 wings more].
void OpticsTranspose::spread(std::size_t first, std::size_t count, float* padded, float* out) const {
    std::fill_n(padded, 2 * wings_, 0.0F);
    std::fill_n(padded + 2 * wings_ + count, 2 * wings_ + spectrumPadding, 0.0F);
    simd::kernels().filter(taps_.data() + (tapStride_ > 0 ? first : 0), 2 * wings_ + 1, tapStride_, padded, out,
                           wholeVectors(count + 2 * wings_));
}

void OpticsTranspose::operator()(Host exec, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                                 std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit,
                                 std::size_t first, std::size_t count, float* out, std::size_t stride) const {
    const std::size_t wide = count + 2 * wings_, room = wholeVectors(wide) + 2 * wings_ + 2 * spectrumPadding;
    expects(cubeBar.spaxels() == n_ * n_ && cubeBar.nLambda == grid_.size && wanted.size() == n_ * n_ &&
                stride >= wholeVectors(wide),
            "a cotangent that fits the field");
    const bool all = std::find(covered.begin() + std::ptrdiff_t(first), covered.begin() + std::ptrdiff_t(first + count),
                               0) == covered.begin() + std::ptrdiff_t(first + count);
    // Pixels [at, at + number) of the grid of a spaxel of the field.
    const auto load = [&](std::size_t spaxel, std::size_t at, std::size_t number, float* to) {
        const float* from = cubeBar.spectrum(spaxel) + at;
        if (all)
            std::memcpy(to, from, number * sizeof(float));
        else
            for (std::size_t j = 0; j < number; ++j) to[j] = covered[at + j] ? from[j] : 0;
    };
    if (!hasPsf_) {
#pragma omp parallel num_threads(threadsOf(exec))
        {
            std::vector<float> padded(room);
#pragma omp for schedule(static)
            for (std::size_t k = 0; k < lit.size(); ++k) {
                float* to = out + k * stride;
                if (!wanted[lit[k]])
                    std::fill_n(to, wide, 0.0F);
                else if (!hasLsf_)
                    load(lit[k], first, count, to);
                else {
                    load(lit[k], first, count, padded.data() + 2 * wings_);
                    spread(first, count, padded.data(), to);
                }
            }
        }
        return;
    }

    // The field's spaxels as they lie in the padded field's own padding, and where each is in cubeBar.
    std::vector<std::uint32_t> sources, spaxels;
    const std::size_t outer = side_ + 2 * pad_;
    for (std::size_t y = 0; y < n_; ++y)
        for (std::size_t x = 0; x < n_; ++x)
            if (wanted[y * n_ + x]) {
                sources.push_back(std::uint32_t((y + 2 * pad_) * outer + x + 2 * pad_));
                spaxels.push_back(std::uint32_t(y * n_ + x));
            }
    std::vector<std::uint32_t> slot(side_ * side_);
    std::vector<std::uint8_t> reach(side_ * side_, 0);
    for (std::size_t k = 0; k < lit.size(); ++k) {
        slot[lit[k]] = std::uint32_t(k);
        reach[lit[k]] = 1;
    }
    const auto store = [&](std::size_t, std::size_t x, std::size_t y, std::size_t rows, const Chunk& c,
                           const float* from) {
        for (std::size_t i = 0; i < rows; ++i)
            if (const std::size_t s = (y + i) * side_ + x; reach[s])
                std::memcpy(out + slot[s] * stride + c.begin, from + i * c.lanes(), (c.end - c.begin) * sizeof(float));
    };
    if (hasLsf_ && !lsfFirst_) {
        // The LSF acts last, so that its transpose comes first.
        const std::size_t wideStride = wholeVectors(wide) + spectrumPadding;
        Buffer<float> spectra(spaxels.size() * wideStride);
#pragma omp parallel num_threads(threadsOf(exec))
        {
            std::vector<float> padded(room);
#pragma omp for schedule(static)
            for (std::size_t k = 0; k < spaxels.size(); ++k) {
                float* to = spectra.data() + k * wideStride;
                load(spaxels[k], first, count, padded.data() + 2 * wings_);
                spread(first, count, padded.data(), to);
                std::fill_n(to + wide, wideStride - wide, 0.0F);
            }
        }
        blur(
            exec, blur_, sources, reach, chunksOf(*blur_.psf(), std::ptrdiff_t(first) - std::ptrdiff_t(wings_), wide),
            [&](std::size_t k, const Chunk& c, float* to) {
                std::memcpy(to, spectra.data() + k * wideStride + c.begin, c.lanes() * sizeof(float));
            },
            store);
        return;
    }
    blur(
        exec, blur_, sources, reach, chunksOf(*blur_.psf(), std::ptrdiff_t(first), count),
        [&](std::size_t k, const Chunk& c, float* to) {
            load(spaxels[k], first + c.begin, c.end - c.begin, to);
            std::fill(to + (c.end - c.begin), to + c.lanes(), 0.0F);
        },
        store);
    if (!hasLsf_) return;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        std::vector<float> padded(room);
#pragma omp for schedule(static)
        for (std::size_t k = 0; k < lit.size(); ++k) {
            std::memcpy(padded.data() + 2 * wings_, out + k * stride, count * sizeof(float));
            spread(first, count, padded.data(), out + k * stride);
        }
    }
}

}  // namespace tessera
