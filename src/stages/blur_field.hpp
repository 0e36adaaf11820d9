// The PSF over a field, chunk of wavelengths by chunk, by all threads: separable kernels as taps, all others by FFT.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "stages/blocks.hpp"
#include "stages/blur.hpp"
#include "stages/fft.hpp"

namespace tessera {

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

// Of the lit spaxels of the padded field to the wanted ones of the field, by the way that the kernels ask for:
//   gather(k, chunk, to), emit(number of the chunk, x, y, rows, chunk, from), see SeparableBlur
template <class Gather, class Emit>
void blur(Host exec, const Optics& o, std::span<const std::uint32_t> lit, std::span<const std::uint8_t> wanted,
          const std::vector<Chunk>& chunks, Gather gather, Emit emit) {
    const LightMap map(o, lit, wanted);
    if (o.psf()->separable())
        blur<SeparableBlur>(exec, o, lit, map, chunks, gather, emit);
    else
        blur<FftBlur>(exec, o, lit, map, chunks, gather, emit);
}

}  // namespace tessera
