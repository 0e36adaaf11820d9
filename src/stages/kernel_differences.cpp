#include "stages/kernel_differences.hpp"

#include <algorithm>
#include <set>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Tap i of 2 radius + 1 of taps that end earlier.
double tap(const std::vector<float>& taps, std::size_t i, std::size_t radius) {
    const std::size_t own = taps.size() / 2;
    return i + own < radius || i > radius + own ? 0 : double(taps[i + own - radius]);
}

double fullTap(const PsfKernel& k, std::size_t y, std::size_t x, std::size_t radius) {
    double sum = 0;
    for (std::size_t c = 0; c < k.separable.size(); ++c)
        sum += tap(k.alongY(c), y, radius) * tap(k.separable[c], x, radius);
    if (!k.separable.empty() || y + k.radius < radius || y > radius + k.radius || x + k.radius < radius ||
        x > radius + k.radius)
        return sum;
    return double(k.full[(y + k.radius - radius) * (2 * k.radius + 1) + x + k.radius - radius]);
}

// a(y) a(x) - b(y) b(x) = m(y) d(x) + d(y) m(x) with m = (a + b)/2, d = a - b: no large terms that cancel.
PsfKernel difference(const PsfKernel& a, const PsfKernel& b) {
    PsfKernel out;
    out.radius = std::max(a.radius, b.radius);
    const std::size_t width = 2 * out.radius + 1;
    expects(a.separable.size() == b.separable.size() && a.across.empty() && b.across.empty(), "kernels of one kind");
    for (std::size_t c = 0; c < a.separable.size(); ++c) {
        std::vector<float> mean(width), change(width);
        for (std::size_t i = 0; i < width; ++i) {
            const double ta = tap(a.separable[c], i, out.radius), tb = tap(b.separable[c], i, out.radius);
            mean[i] = float(0.5 * (ta + tb));
            change[i] = float(ta - tb);
        }
        out.separable.insert(out.separable.end(), {change, mean});
        out.across.insert(out.across.end(), {mean, change});
    }
    for (std::size_t y = 0; y < width; ++y)
        for (std::size_t x = 0; x < width; ++x)
            out.full.push_back(float(fullTap(a, y, x, out.radius) - fullTap(b, y, x, out.radius)));
    return out;
}

}  // namespace

std::size_t KernelDifferences::operator()(std::size_t kernel, std::size_t less) const {
    const auto at = std::lower_bound(of.begin(), of.end(), std::array{kernel, less});
    expects(at != of.end() && *at == std::array{kernel, less}, "kernels of pixels that are near one another");
    return std::size_t(at - of.begin());
}

KernelDifferences kernelDifferences(const Psf& psf, std::size_t reach) {
    std::set<std::array<std::size_t, 2>> pairs;
    const std::vector<std::uint32_t>& kernel = psf.kernelOfPixel;
    for (std::size_t j = 0; j < kernel.size(); ++j)
        for (std::size_t i = j; i < std::min(kernel.size(), j + reach + 1); ++i)
            if (kernel[i] != kernel[j]) {
                pairs.insert({kernel[i], kernel[j]});
                pairs.insert({kernel[j], kernel[i]});
            }
    KernelDifferences d;
    d.psf.radius = psf.radius;
    d.psf.padded = psf.padded;
    d.of.assign(pairs.begin(), pairs.end());
    for (const auto& [a, b] : d.of) d.psf.kernels.push_back(difference(psf.kernels[a], psf.kernels[b]));
    return d;
}

}  // namespace tessera
