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

// Where the light of a cotangent comes from and goes to.
struct OpticsTranspose::Places {
    // The field's spaxels as they lie in the padded field's own padding, and where each is in the cube.
    std::vector<std::uint32_t> sources, spaxels;
    std::vector<std::uint32_t> slot;  // of the padded field: number among the lit ones
    std::vector<std::uint8_t> reach;  // whether it is lit
};

OpticsTranspose::Places OpticsTranspose::placesOf(std::span<const std::uint8_t> wanted,
                                                  std::span<const std::uint32_t> lit) const {
    Places p;
    const std::size_t outer = side_ + 2 * pad_;
    for (std::size_t y = 0; y < n_; ++y)
        for (std::size_t x = 0; x < n_; ++x)
            if (wanted[y * n_ + x]) {
                p.sources.push_back(std::uint32_t((y + 2 * pad_) * outer + x + 2 * pad_));
                p.spaxels.push_back(std::uint32_t(y * n_ + x));
            }
    p.slot.resize(side_ * side_);
    p.reach.assign(side_ * side_, 0);
    for (std::size_t k = 0; k < lit.size(); ++k) {
        p.slot[lit[k]] = std::uint32_t(k);
        p.reach[lit[k]] = 1;
    }
    return p;
}

namespace {

// Pixels [at, at + number) of the grid of a spaxel of the field.
void load(const Cube& cubeBar, std::span<const std::uint8_t> covered, std::size_t spaxel, std::size_t at,
          std::size_t number, float* to) {
    const float* from = cubeBar.spectrum(spaxel) + at;
    for (std::size_t j = 0; j < number; ++j) to[j] = covered[at + j] ? from[j] : 0;
}

// Chunks of the spaxels of the padded field, of which the lit ones are kept.
template <class Slots, class Reach>
auto storing(const Slots& slot, const Reach& reach, std::size_t side, float* out, std::size_t stride) {
    return [&slot, &reach, side, out, stride](std::size_t, std::size_t x, std::size_t y, std::size_t rows,
                                              const Chunk& c, const float* from) {
        for (std::size_t i = 0; i < rows; ++i)
            if (const std::size_t s = (y + i) * side + x; reach[s])
                std::memcpy(out + slot[s] * stride + c.begin, from + i * c.lanes(), (c.end - c.begin) * sizeof(float));
    };
}

}  // namespace

void OpticsTranspose::blurCube(Host exec, const Places& p, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                               std::size_t first, const std::vector<Chunk>& chunks, float* out,
                               std::size_t stride) const {
    blur(
        exec, blur_, p.sources, p.reach, chunks,
        [&](std::size_t k, const Chunk& c, float* to) {
            load(cubeBar, covered, p.spaxels[k], first + c.begin, c.end - c.begin, to);
            std::fill(to + (c.end - c.begin), to + c.lanes(), 0.0F);
        },
        storing(p.slot, p.reach, side_, out, stride));
}

void OpticsTranspose::throughKernel(Host exec, std::size_t kernel, const Cube& cubeBar,
                                    std::span<const std::uint8_t> covered, std::span<const std::uint8_t> wanted,
                                    std::span<const std::uint32_t> lit, std::size_t first, std::size_t count,
                                    float* out, std::size_t stride) const {
    blurCube(exec, placesOf(wanted, lit), cubeBar, covered, first, chunksOf(*blur_.psf(), {{0, count, kernel}}), out,
             stride);
}

void OpticsTranspose::throughPsf(Host exec, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                                 std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit,
                                 std::size_t first, std::size_t count, float* out, std::size_t stride) const {
    if (hasPsf_)
        return blurCube(exec, placesOf(wanted, lit), cubeBar, covered, first,
                        chunksOf(*blur_.psf(), std::ptrdiff_t(first), count), out, stride);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < lit.size(); ++k) {
        if (wanted[lit[k]])
            load(cubeBar, covered, lit[k], first, count, out + k * stride);
        else
            std::fill_n(out + k * stride, count, 0.0F);
    }
}

void OpticsTranspose::operator()(Host exec, const Cube& cubeBar, std::span<const std::uint8_t> covered,
                                 std::span<const std::uint8_t> wanted, std::span<const std::uint32_t> lit,
                                 std::size_t first, std::size_t count, float* out, std::size_t stride) const {
    const std::size_t wide = count + 2 * wings_, room = wholeVectors(wide) + 2 * wings_ + 2 * spectrumPadding;
    expects(cubeBar.spaxels() == n_ * n_ && cubeBar.nLambda == grid_.size && wanted.size() == n_ * n_ &&
                stride >= wholeVectors(wide),
            "a cotangent that fits the field");
    if (hasLsf_ && !lsfFirst_) {
        // The LSF acts last, so that its transpose comes first.
        const Places places = placesOf(wanted, lit);
        const std::size_t wideStride = wholeVectors(wide) + spectrumPadding;
        Buffer<float> spectra(places.spaxels.size() * wideStride);
#pragma omp parallel num_threads(threadsOf(exec))
        {
            std::vector<float> padded(room);
#pragma omp for schedule(static)
            for (std::size_t k = 0; k < places.spaxels.size(); ++k) {
                float* to = spectra.data() + k * wideStride;
                load(cubeBar, covered, places.spaxels[k], first, count, padded.data() + 2 * wings_);
                spread(first, count, padded.data(), to);
                std::fill_n(to + wide, wideStride - wide, 0.0F);
            }
        }
        blur(
            exec, blur_, places.sources, places.reach,
            chunksOf(*blur_.psf(), std::ptrdiff_t(first) - std::ptrdiff_t(wings_), wide),
            [&](std::size_t k, const Chunk& c, float* to) {
                std::memcpy(to, spectra.data() + k * wideStride + c.begin, c.lanes() * sizeof(float));
            },
            storing(places.slot, places.reach, side_, out, stride));
        return;
    }
    throughPsf(exec, cubeBar, covered, wanted, lit, first, count, out, stride);
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
