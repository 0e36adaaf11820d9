// The PSF over fields of which only some spaxels shine: what convolve() and its two ways of blurring share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "stages/kernel_ranges.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// Wavelength pixels that are blurred at once: the longer, the fewer lines of the cube that two chunks share; those of
// FFTs hold the whole field.
constexpr std::size_t chunkPixels = 128, fftPixels = 32;

// Where the light of a block of wavelengths is: the same for all its pixels.
class LightMap {
public:
    struct Run {
        std::size_t begin, end;
        bool empty() const { return begin >= end; }
    };
    static constexpr std::size_t bandRows = 16;  // rows of the field that are blurred at once

    LightMap(const Optics&, std::span<const std::uint32_t> lit, std::span<const std::uint8_t> wanted);

    std::size_t bands() const { return bands_; }
    bool bandWanted(std::size_t band) const { return bandWanted_[band] != 0; }
    // Lit spaxels of a row of the padded field: [begin, end) of the block's.
    Run litOfRow(std::size_t y) const { return {rowStart_[y], rowStart_[y + 1]}; }
    // Places of the field's row that the light of a row of the padded field reaches.
    std::span<const Run> runsOfRow(std::size_t y) const {
        return {runs_.data() + firstRun_[y], runs_.data() + firstRun_[y + 1]};
    }
    // Rows of a band, counted from its first, of which column x is wanted.
    Run wantedOfColumn(std::size_t band, std::size_t x) const { return columns_[band * n_ + x]; }

private:
    std::size_t n_, bands_;
    std::vector<std::uint8_t> bandWanted_;
    std::vector<std::size_t> rowStart_, firstRun_;
    std::vector<Run> runs_, columns_;
};

// [begin, end) of a block's pixels that share a kernel, at most chunkPixels of them, or fftPixels.
struct Chunk {
    std::size_t begin, end;
    const PsfKernel* kernel;
    std::size_t lanes() const { return (end - begin + 15) / 16 * 16; }
};
std::vector<Chunk> chunksOf(const Psf&, const std::vector<KernelRange>&);
std::vector<Chunk> chunksOf(const Psf&, std::ptrdiff_t firstPixel, std::size_t count);

// Blurs chunk by chunk with separable kernels; buffers of one thread.
//   gather(k, chunk, to): the chunk's pixels of lit spaxel k, whole vectors of 16
//   emit(x, y, rows, chunk, from): the chunk of the spaxels (x, y ... y + rows - 1) of the field, chunk.lanes() apart
class SeparableBlur {
public:
    SeparableBlur(const Optics& o, std::span<const std::uint32_t> lit, const LightMap& map);

    template <class Gather, class Emit>
    void run(const Chunk& c, Gather gather, Emit emit) {
        const std::size_t r = c.kernel->radius;
        std::size_t ready = 0;  // rows of the window that the band before has left
        for (std::size_t band = 0; band < map_.bands(); ++band) {
            if (!map_.bandWanted(band)) {
                ready = 0;
                continue;
            }
            const std::size_t first = band * LightMap::bandRows, rows = std::min(LightMap::bandRows, n_ - first);
            if (ready > 0) keepRows(c, ready);
            for (std::size_t i = ready; i < rows + 2 * r; ++i) {
                gatherRow(pad_ - r + first + i, c, gather);
                blurRow(pad_ - r + first + i, i, c);
            }
            ready = 2 * r;
            for (std::size_t x = 0; x < n_; ++x) {
                const LightMap::Run wanted = map_.wantedOfColumn(band, x);
                if (wanted.empty()) continue;
                blurColumn(x, wanted, c);
                emit(x, first + wanted.begin, wanted.end - wanted.begin, c, out_.data());
            }
        }
    }

private:
    template <class Gather>
    void gatherRow(std::size_t y, const Chunk& c, Gather gather) {
        const std::size_t r = c.kernel->radius, lanes = c.lanes(), skip = pad_ - r;
        for (const LightMap::Run& run : map_.runsOfRow(y))
            std::fill(line_.data() + run.begin * lanes, line_.data() + (run.end + 2 * r) * lanes, 0.0F);
        const LightMap::Run lit = map_.litOfRow(y);
        for (std::size_t k = lit.begin; k < lit.end; ++k) {
            const std::size_t x = lit_[k] - y * side_;  // of the padded field
            if (x >= skip && x < side_ - skip) gather(k, c, line_.data() + (x - skip) * lanes);
        }
    }
    float* windowRow(std::size_t component, std::size_t i, const Chunk& c) {
        return window_.data() + (component * windowRows_ + i) * rowStride(c);
    }
    // Not a multiple of the page: rows would share the cache's sets.
    std::size_t rowStride(const Chunk& c) const { return n_ * c.lanes() + 16; }
    void keepRows(const Chunk&, std::size_t count);
    void blurRow(std::size_t y, std::size_t i, const Chunk&);
    void blurColumn(std::size_t x, const LightMap::Run& rows, const Chunk&);

    std::size_t n_, pad_, side_, windowRows_;
    std::span<const std::uint32_t> lit_;
    const LightMap& map_;
    Buffer<float> line_, window_, out_;
};

}  // namespace tessera
