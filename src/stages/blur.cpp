#include "stages/blur.hpp"

#include <algorithm>
#include <cstring>

#include "simd/kernels.hpp"

namespace tessera {

LightMap::LightMap(const Optics& o, std::span<const std::uint32_t> lit, std::span<const std::uint8_t> wanted)
    : n_(o.n()), bands_((o.n() + bandRows - 1) / bandRows), bandWanted_(bands_, 0) {
    const std::size_t side = o.side(), pad = o.pad();
    for (std::size_t y = 0; y < side; ++y) {
        const std::size_t begin = std::size_t(std::lower_bound(lit.begin(), lit.end(), y * side) - lit.begin());
        rowStart_.push_back(begin);
        firstRun_.push_back(runs_.size());
        for (std::size_t k = begin; k < lit.size() && lit[k] < (y + 1) * side; ++k) {
            // Light at x of the padded field reaches x - 2 pad ... x of the field.
            const std::size_t x = lit[k] - y * side;
            const Run reach{x > 2 * pad ? x - 2 * pad : 0, std::min(x + 1, n_)};
            // A gap of less than the kernel is no gain.
            if (runs_.size() > firstRun_.back() && reach.begin <= runs_.back().end + 2 * pad)
                runs_.back().end = reach.end;
            else
                runs_.push_back(reach);
        }
    }
    rowStart_.push_back(lit.size());
    firstRun_.push_back(runs_.size());
    columns_.assign(bands_ * n_, {bandRows, 0});
    for (std::size_t y = 0; y < n_; ++y)
        for (std::size_t x = 0; x < n_; ++x) {
            if (!wanted[y * n_ + x]) continue;
            Run& r = columns_[y / bandRows * n_ + x];
            r = {std::min(r.begin, y % bandRows), std::max(r.end, y % bandRows + 1)};
            bandWanted_[y / bandRows] = 1;
        }
}

std::vector<Chunk> chunksOf(const Psf& psf, const std::vector<KernelRange>& ranges) {
    const std::size_t longest = psf.separable() ? chunkPixels : fftPixels;
    std::vector<Chunk> out;
    for (const KernelRange& r : ranges)
        for (std::size_t j = r.begin; j < r.end; j += longest)
            out.push_back({j, std::min(j + longest, r.end), &psf.kernels[r.kernel]});
    return out;
}

std::vector<Chunk> chunksOf(const Psf& psf, std::ptrdiff_t firstPixel, std::size_t count) {
    return chunksOf(psf, kernelRanges(psf, firstPixel, count));
}

SeparableBlur::SeparableBlur(const Optics& o, std::span<const std::uint32_t> lit, const LightMap& map)
    : n_(o.n()),
      pad_(o.pad()),
      side_(o.side()),
      windowRows_(std::min(LightMap::bandRows, n_) + 2 * pad_),
      lit_(lit),
      map_(map),
      line_(side_ * chunkPixels),
      out_(LightMap::bandRows * chunkPixels) {
    std::size_t components = 0;
    for (const PsfKernel& k : o.psf()->kernels) components = std::max(components, k.separable.size());
    window_ = Buffer<float>(components * windowRows_ * (n_ * chunkPixels + 16));
}

void SeparableBlur::keepRows(const Chunk& c, std::size_t count) {
    for (std::size_t k = 0; k < c.kernel->separable.size(); ++k)
        std::memmove(windowRow(k, 0, c), windowRow(k, LightMap::bandRows, c), count * rowStride(c) * sizeof(float));
}

// Along x, into row i of the window.
void SeparableBlur::blurRow(std::size_t y, std::size_t i, const Chunk& c) {
    const auto& kernels = simd::kernels();
    const std::size_t lanes = c.lanes();
    for (std::size_t k = 0; k < c.kernel->separable.size(); ++k) {
        const std::vector<float>& taps = c.kernel->separable[k];
        float* row = windowRow(k, i, c);
        std::size_t x = 0;
        for (const LightMap::Run& run : map_.runsOfRow(y)) {
            std::fill(row + x * lanes, row + run.begin * lanes, 0.0F);
            kernels.columns(taps.data(), taps.size(), line_.data() + run.begin * lanes, lanes, row + run.begin * lanes,
                            lanes, run.end - run.begin, lanes, false);
            x = run.end;
        }
        std::fill(row + x * lanes, row + n_ * lanes, 0.0F);
    }
}

// Along y, of the window into out_[rows][lanes].
void SeparableBlur::blurColumn(std::size_t x, const LightMap::Run& rows, const Chunk& c) {
    const auto& kernels = simd::kernels();
    const std::size_t lanes = c.lanes();
    for (std::size_t k = 0; k < c.kernel->separable.size(); ++k) {
        const std::vector<float>& taps = c.kernel->alongY(k);
        kernels.columns(taps.data(), taps.size(), windowRow(k, rows.begin, c) + x * lanes, rowStride(c), out_.data(),
                        lanes, rows.end - rows.begin, lanes, k > 0);
    }
}

}  // namespace tessera
