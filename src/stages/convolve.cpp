#include <algorithm>
#include <cstring>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "stages/blur_field.hpp"
#include "tessera/core/error.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Sums of weight times flux over the chunks of a block, one field each, added up in their order: whichever thread had
// which chunk does not matter.
class BandSums {
public:
    BandSums(std::size_t chunks, std::size_t spaxels) : chunks_(chunks), spaxels_(spaxels), sums_(chunks * spaxels) {}
    float& at(std::size_t chunk, std::size_t spaxel) { return sums_[chunk * spaxels_ + spaxel]; }
    void addTo(Host exec, std::span<const std::uint8_t> wanted, std::span<double> bandFlux) const {
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t s = 0; s < spaxels_; ++s)
            if (wanted[s])
                for (std::size_t c = 0; c < chunks_; ++c) bandFlux[s] += double(sums_[c * spaxels_ + s]);
    }

private:
    std::size_t chunks_, spaxels_;
    Buffer<float> sums_;
};

// The LSF at pixels first, first + 1, ... of the grid; `in` begins `radius` pixels before.
void spread(const Lsf& lsf, std::size_t gridSize, std::size_t first, std::size_t lanes, const float* in, float* out) {
    const std::size_t stride = lsf.constant ? 0 : gridSize + spectrumPadding;
    simd::kernels().filter(lsf.taps.data() + (lsf.constant ? 0 : first), 2 * lsf.radius + 1, stride, in, out, lanes);
}

// Where the spectra of the field's spaxels lie, for the LSF alone.
struct Source {
    const float* spectra;
    std::size_t stride;
    std::vector<std::uint32_t> spaxels;  // of the field
};

void lsfOnly(Host exec, const Optics& o, const LitBlock& b, const Source& source, std::span<const std::uint8_t> wanted,
             std::span<const float> weight, Cube& out, std::span<double> bandFlux) {
#pragma omp parallel num_threads(threadsOf(exec))
    {
        float chunk[chunkPixels], weights[chunkPixels];
#pragma omp for schedule(static)
        for (std::size_t k = 0; k < source.spaxels.size(); ++k) {
            const std::size_t s = source.spaxels[k];
            if (!wanted[s]) continue;
            for (std::size_t j = 0; j < b.count; j += chunkPixels) {
                const std::size_t count = std::min(chunkPixels, b.count - j), lanes = (count + 15) / 16 * 16;
                const float* in = source.spectra + k * source.stride + j;
                if (o.lsf())
                    spread(*o.lsf(), o.grid().size, b.first + j, lanes, in, chunk);
                else
                    std::memcpy(chunk, in, lanes * sizeof(float));
                std::memcpy(out.spectrum(s) + b.first + j, chunk, count * sizeof(float));
                std::fill(std::copy_n(weight.data() + b.first + j, count, weights), weights + lanes, 0.0F);
                float sum;
                simd::kernels().weigh(chunk, 1, lanes, weights, &sum);
                bandFlux[s] += double(sum);
            }
        }
    }
}

}  // namespace

Optics::Optics(std::optional<Psf> psf, std::optional<Lsf> lsf, std::size_t n, const WavelengthGrid& grid)
    : psf_(std::move(psf)), lsf_(std::move(lsf)), n_(n), grid_(grid) {
    if (!psf_) return;
    transformed_.resize(psf_->kernels.size());
    for (std::size_t k = 0; k < transformed_.size(); ++k)
        if (const PsfKernel& kernel = psf_->kernels[k]; kernel.separable.empty())
            transformed_[k] = std::make_unique<FftKernel>(kernel.full, kernel.radius, side(), fftPixels);
}
Optics::Optics() = default;
Optics::~Optics() = default;
Optics::Optics(Optics&&) noexcept = default;
Optics& Optics::operator=(Optics&&) noexcept = default;

void convolve(Host exec, const Optics& o, const LitBlock& b, std::span<const std::uint8_t> wanted,
              std::span<const float> weight, Cube& out, std::span<double> bandFlux) {
    const std::size_t n = o.n(), wings = o.wings();
    expects(wanted.size() == n * n && bandFlux.size() == n * n && weight.size() == o.grid().size &&
                out.spaxels() == n * n && out.nLambda == o.grid().size && b.stride >= b.count + 2 * wings,
            "a block that fits the field");
    if (!o.psf()) {
        lsfOnly(exec, o, b, {b.spectra, b.stride, {b.spaxels.begin(), b.spaxels.end()}}, wanted, weight, out, bandFlux);
        return;
    }
    const auto copy = [&](std::size_t k, const Chunk& c, float* to) {
        std::memcpy(to, b.spectra + k * b.stride + c.begin, c.lanes() * sizeof(float));
    };
    if (o.lsf() && !o.lsfFirst()) {
        // The wanted spaxels behind the PSF, with the LSF's wings still on.
        Source blurred{nullptr, (b.count + 2 * wings + spectrumPadding + 15) / 16 * 16, {}};
        std::vector<std::uint32_t> slot(n * n);
        for (std::size_t s = 0; s < n * n; ++s)
            if (wanted[s]) {
                slot[s] = std::uint32_t(blurred.spaxels.size());
                blurred.spaxels.push_back(std::uint32_t(s));
            }
        Buffer<float> spectra(blurred.spaxels.size() * blurred.stride + spectrumPadding, 0.0F);
        const auto store = [&](std::size_t, std::size_t x, std::size_t y, std::size_t rows, const Chunk& c,
                               const float* from) {
            for (std::size_t i = 0; i < rows; ++i)
                if (const std::size_t s = (y + i) * n + x; wanted[s])
                    std::memcpy(spectra.data() + slot[s] * blurred.stride + c.begin, from + i * c.lanes(),
                                (c.end - c.begin) * sizeof(float));
        };
        const std::ptrdiff_t first = std::ptrdiff_t(b.first) - std::ptrdiff_t(wings);
        blur(exec, o, b.spaxels, wanted, chunksOf(*o.psf(), first, b.count + 2 * wings), copy, store);
        blurred.spectra = spectra.data();
        lsfOnly(exec, o, b, blurred, wanted, weight, out, bandFlux);
        return;
    }
    const std::vector<Chunk> chunks = chunksOf(*o.psf(), std::ptrdiff_t(b.first), b.count);
    BandSums sums(chunks.size(), n * n);
    const auto store = [&](std::size_t chunk, std::size_t x, std::size_t y, std::size_t rows, const Chunk& c,
                           const float* from) {
        const std::size_t count = c.end - c.begin, at = b.first + c.begin;
        float weights[chunkPixels], sum[LightMap::bandRows];
        std::fill(std::copy_n(weight.data() + at, count, weights), weights + c.lanes(), 0.0F);
        simd::kernels().weigh(from, rows, c.lanes(), weights, sum);
        for (std::size_t i = 0; i < rows; ++i)
            if (const std::size_t s = (y + i) * n + x; wanted[s]) {
                std::memcpy(out.spectrum(s) + at, from + i * c.lanes(), count * sizeof(float));
                sums.at(chunk, s) = sum[i];
            }
    };
    // Whole spectra in one go and in place: a vector's taps are read before it is written, and none reads behind itself.
    if (o.lsf()) {
        const std::size_t lanes = (b.count + 15) / 16 * 16;
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t k = 0; k < b.spaxels.size(); ++k)
            spread(*o.lsf(), o.grid().size, b.first, lanes, b.spectra + k * b.stride, b.spectra + k * b.stride);
    }
    blur(exec, o, b.spaxels, wanted, chunks, copy, store);
    sums.addTo(exec, wanted, bandFlux);
}

}  // namespace tessera
