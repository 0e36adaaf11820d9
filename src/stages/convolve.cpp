#include <algorithm>
#include <cstring>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "stages/blur.hpp"
#include "stages/fft.hpp"
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

// With FFTs over whole fields; the interface of SeparableBlur.
class FftBlur {
public:
    FftBlur(const Optics& o, std::span<const std::uint32_t> lit, const LightMap& map) : o_(o), lit_(lit), map_(map) {}

    template <class Gather, class Emit>
    void run(const Chunk& c, Gather gather, Emit emit) {
        const FftKernel& fft = *o_.transformed(std::size_t(c.kernel - o_.psf()->kernels.data()));
        if (!workspace_) workspace_ = std::make_unique<FftWorkspace>(fft);
        const std::size_t size = fft.size(), side = o_.side(), lanes = c.lanes();
        float* image = workspace_->image();
        std::fill(image, image + size * size * fft.lanes(), 0.0F);
        for (std::size_t k = 0; k < lit_.size(); ++k)
            gather(k, c, image + (lit_[k] / side * size + lit_[k] % side) * fft.lanes());
        fft.convolve(*workspace_);
        for (std::size_t band = 0; band < map_.bands(); ++band)
            for (std::size_t x = 0; x < o_.n(); ++x) {
                const LightMap::Run wanted = map_.wantedOfColumn(band, x);
                for (std::size_t i = wanted.begin; i < wanted.end; ++i) {
                    const std::size_t y = band * LightMap::bandRows + i;
                    const float* from = image + ((y + o_.pad()) * size + x + o_.pad()) * fft.lanes();
                    std::memcpy(out_ + (i - wanted.begin) * lanes, from, lanes * sizeof(float));
                }
                if (!wanted.empty())
                    emit(x, band * LightMap::bandRows + wanted.begin, wanted.end - wanted.begin, c, out_);
            }
    }

private:
    const Optics& o_;
    std::span<const std::uint32_t> lit_;
    const LightMap& map_;
    std::unique_ptr<FftWorkspace> workspace_;
    float out_[LightMap::bandRows * fftPixels];
};

template <class Blur, class Gather, class Emit>
void blur(Host exec, const Optics& o, std::span<const std::uint32_t> lit, const LightMap& map,
          const std::vector<Chunk>& chunks, Gather gather, Emit emit) {
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Blur b(o, lit, map);
#pragma omp for schedule(dynamic, 1)
        for (std::size_t i = 0; i < chunks.size(); ++i)
            b.run(chunks[i], gather,
                  [&](std::size_t x, std::size_t y, std::size_t rows, const Chunk& c, const float* from) {
                      emit(i, x, y, rows, c, from);
                  });
    }
}

template <class Gather, class Emit>
void blur(Host exec, const Optics& o, const LitBlock& b, std::span<const std::uint8_t> wanted,
          const std::vector<Chunk>& chunks, Gather gather, Emit emit) {
    const LightMap map(o, b.spaxels, wanted);
    if (o.psf()->separable())
        blur<SeparableBlur>(exec, o, b.spaxels, map, chunks, gather, emit);
    else
        blur<FftBlur>(exec, o, b.spaxels, map, chunks, gather, emit);
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
        blur(exec, o, b, wanted, chunksOf(*o.psf(), first, b.count + 2 * wings), copy, store);
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
    blur(exec, o, b, wanted, chunks, copy, store);
    sums.addTo(exec, wanted, bandFlux);
}

}  // namespace tessera
