// Wavelength pixels by the kernel of the PSF that acts on them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tessera/stages.hpp"

namespace tessera {

// [begin, end) of a block's pixels that share a kernel. Beyond the grid's ends acts the kernel of its last pixels.
struct KernelRange {
    std::size_t begin, end, kernel;
};
inline std::vector<KernelRange> kernelRanges(const Psf& psf, std::ptrdiff_t firstPixel, std::size_t count) {
    const auto kernelOf = [&](std::size_t j) -> std::size_t {
        if (psf.kernelOfPixel.empty()) return 0;
        const std::ptrdiff_t last = std::ptrdiff_t(psf.kernelOfPixel.size()) - 1;
        return psf.kernelOfPixel[std::size_t(std::clamp<std::ptrdiff_t>(std::ptrdiff_t(j) + firstPixel, 0, last))];
    };
    std::vector<KernelRange> out;
    for (std::size_t j = 0; j < count;) {
        std::size_t end = j + 1;
        while (end < count && kernelOf(end) == kernelOf(j)) ++end;
        out.push_back({j, end, kernelOf(j)});
        j = end;
    }
    return out;
}

// Whether the PSF acts before the LSF, with kernels that depend on the wavelength.
inline bool kernelsDiffer(const Optics& o) {
    return o.psf() && !o.lsfFirst() && o.psf()->kernels.size() > 1;
}

// The sources of a block of pixels [first, first + count), `wings` pixels more on each side, in ranges whose light a single kernel
// blurs: one range where the LSF acts first or there is no PSF.
inline std::vector<KernelRange> sourceRanges(const Optics& o, std::size_t first, std::size_t count) {
    const std::size_t wide = count + 2 * o.wings();
    if (!o.psf() || o.lsfFirst()) return {{0, wide, 0}};
    return kernelRanges(*o.psf(), std::ptrdiff_t(first) - std::ptrdiff_t(o.wings()), wide);
}

// Of the targets [begin, end) of a block those on which another kernel acts than this.
inline std::vector<KernelRange> otherTargets(const Optics& o, std::size_t first, std::size_t begin, std::size_t end,
                                             std::size_t kernel) {
    std::vector<KernelRange> out;
    if (!o.psf() || o.lsfFirst()) return out;
    for (const KernelRange& r : kernelRanges(*o.psf(), std::ptrdiff_t(first + begin), end - begin))
        if (r.kernel != kernel) out.push_back({begin + r.begin, begin + r.end, r.kernel});
    return out;
}

}  // namespace tessera
