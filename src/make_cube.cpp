#include "make_cube.hpp"

#include <algorithm>
#include <limits>

#include "stages/blocks.hpp"
#include "stages/dark.hpp"
#include "tessera/core/timing.hpp"

namespace tessera {

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

std::size_t blockPixels(const Optics& o, std::size_t lit, std::uint64_t budget, std::size_t longest) {
    const std::size_t size = o.grid().size, extra = 2 * o.wings() + spectrumPadding, least = 2 * spectrumPadding;
    // A PSF that acts first leaves its spectra to the LSF.
    const std::uint64_t spectra = lit + (o.lsf() && !o.lsfFirst() ? o.n() * o.n() : 0);
    const std::uint64_t fits = budget / (spectra * sizeof(float));
    if (fits >= size + extra && size <= longest) return size;
    const std::uint64_t most = std::min<std::uint64_t>(std::max<std::uint64_t>(fits, least + extra) - extra, longest),
                        blocks = (size + most - 1) / most;
    const std::uint64_t alike = (size + blocks - 1) / blocks;
    // Whole halves of the PSF's chunks.
    return std::size_t(std::min<std::uint64_t>((alike + least - 1) / least * least, size));
}

CubePlan::CubePlan(Optics o, std::vector<std::uint8_t> mask_, std::vector<std::uint8_t> covered_)
    : optics(std::move(o)), mask(std::move(mask_)), covered(std::move(covered_)) {
    allCovered = std::find(covered.begin(), covered.end(), 0) == covered.end();
    anyCovered = std::find(covered.begin(), covered.end(), 1) != covered.end();
    for (std::size_t j = 0; j < covered.size(); ++j)
        weight.push_back(covered[j] ? float(optics.grid().width(j)) : 0.0F);
}

std::uint64_t blockBytes(const Config& c, std::uint64_t stars) {
    if (c.resources.memoryPerRank > 0) return c.resources.memoryPerRank / 4;
    constexpr std::uint64_t MiB = std::uint64_t(1) << 20, perStar = 8;
    return 128 * MiB + std::min(perStar * stars, 128 * MiB);
}

SpectraBlocks::SpectraBlocks(const Optics& o, std::size_t lit, std::uint64_t budget, std::size_t longest, bool whole)
    : size_(o.grid().size),
      wings_(o.wings()),
      block_(whole ? size_ : blockPixels(o, lit, budget, longest)),
      stride_((block_ + 2 * wings_ + spectrumPadding + 15) / 16 * 16),
      whole_(whole) {}

void SpectraBlocks::forEach(Host exec, std::size_t lit, const AccumulateBlock& accumulate, CubeWorkspace& workspace,
                            const Use& use) const {
    Buffer<float>& spectra = workspace.spectra;
    if (spectra.size() < lit * stride_) spectra = Buffer<float>(lit * stride_);
    // Vectors may reach over a spectrum's end; RUBIX's border in wavelength is zero. New memory is first touched here: by all.
    const std::size_t filled = whole_ ? 0 : block_ + 2 * wings_;
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < lit; ++k) std::fill_n(spectra.data() + k * stride_ + filled, stride_ - filled, 0.0F);
    for (std::size_t first = 0; first < size_; first += block_) {
        const std::size_t count = std::min(block_, size_ - first);
        accumulate(std::ptrdiff_t(first) - std::ptrdiff_t(wings_), count + 2 * wings_, spectra.data(), stride_);
        use(first, count, spectra.data());
    }
}

Map makeCube(Host exec, const CubePlan& plan, std::span<const std::uint32_t> lit, const SpectraBlocks& blocks,
             const AccumulateBlock& accumulate, CubeWorkspace& workspace, Cube& cube) {
    const Optics& optics = plan.optics;
    const std::size_t spaxels = cube.spaxels(), pixels = cube.nLambda;
    std::vector<std::uint8_t> wanted = reached(optics, lit);
    {
        const StageTimer timer("dark");
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t s = 0; s < spaxels; ++s) {
            wanted[s] = wanted[s] && plan.mask[s];
            if (!wanted[s]) fillPastCaches(cube.spectrum(s), pixels, plan.mask[s] ? 0.0F : nan);
        }
    }
    std::vector<double> bandFlux(spaxels, 0.0);
    blocks.forEach(exec, lit.size(), accumulate, workspace, [&](std::size_t first, std::size_t count, float* spectra) {
        const StageTimer timer("convolve");
        convolve(exec, optics, {lit, spectra, blocks.stride(), first, count}, wanted, plan.weight, cube, bandFlux);
    });
    Map m{"flux", plan.fluxUnit, std::vector<float>(spaxels, nan)};
    for (std::size_t s = 0; s < spaxels; ++s)
        if (plan.mask[s] && plan.anyCovered) m.data[s] = float(bandFlux[s]);
    if (!plan.allCovered)
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t s = 0; s < spaxels; ++s)
            for (std::size_t j = 0; j < pixels; ++j)
                if (!plan.covered[j]) cube.spectrum(s)[j] = nan;
    return m;
}

}  // namespace tessera
