// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_optics.hpp"

#include <algorithm>
#include <utility>

#include "device_spectra.hpp"
#include "stages/kernel_ranges.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr std::size_t longest = 128;  // pixels that are blurred at once

// Kernels turned by 180 degrees.
Psf turned(Psf psf) {
    for (PsfKernel& k : psf.kernels) {
        for (auto& taps : k.separable) std::reverse(taps.begin(), taps.end());
        std::reverse(k.full.begin(), k.full.end());
    }
    return psf;
}

// Others are full kernels here.
bool outerSquares(const PsfKernel& k) {
    return !k.separable.empty() && k.across.empty();
}

}  // namespace

DeviceBlur::DeviceBlur(const Stream& s, Psf psf, std::size_t n, std::size_t pad, std::size_t mostPixels,
                       std::size_t fields)
    : s_(s), psf_(std::move(psf)), n_(n), pad_(pad), mostPixels_(mostPixels), fields_(fields) {
    std::vector<std::vector<float>> host;
    for (const PsfKernel& k : psf_.kernels) {
        std::vector<float> taps = k.full;
        if (outerSquares(k))
            for (const auto& component : k.separable) taps.insert(taps.end(), component.begin(), component.end());
        host.push_back(std::move(taps));
    }
    for (const auto& taps : host) taps_.push_back(upload(s, taps));
    fft_.resize(taps_.size());
    s.synchronize();
}

void DeviceBlur::operator()(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& slot,
                            const DeviceBuffer<std::uint32_t>& place, std::ptrdiff_t firstPixel, std::size_t count) {
    for (const KernelRange& r : kernelRanges(psf_, firstPixel, count))
        withKernel(r.kernel, {in.data, in.stride, in.first + r.begin}, {out.data, out.stride, out.first + r.begin},
                   slot, place, r.end - r.begin);
}

void DeviceBlur::withKernel(std::size_t number, Spectra<const float> in, Spectra<float> out,
                            const DeviceBuffer<std::uint32_t>& slot, const DeviceBuffer<std::uint32_t>& place,
                            std::size_t count) {
    constexpr std::size_t widestDirect = 7;  // of full kernels, whose taps are summed as they are
    const PsfKernel& kernel = psf_.kernels[number];
    const bool fourier = !outerSquares(kernel) && kernel.radius > widestDirect;
    for (std::size_t j = 0; j < count; j += longest) {
        PsfArgs a;
        a.in = {in.data, in.stride, in.first + j};
        a.out = {out.data, out.stride, out.first + j};
        a.slot = slot.view();
        a.place = place.view();
        a.n = n_;
        a.pad = pad_;
        a.radius = kernel.radius;
        a.count = std::min(longest, count - j);
        a.taps = taps_[number].view();
        a.components = outerSquares(kernel) ? kernel.separable.size() : 0;
        a.fields = fields_;
        if (fourier) {
            auto& fft = fft_[number];
            const std::size_t lanes = std::min(longest, mostPixels_);
            if (!fft) fft = std::make_unique<FftBlur>(s_, a.taps, a.radius, n_ + 2 * pad_, lanes);
            // What a transform gives may depend on how many are made at once: a field each time, as if it were alone.
            const std::size_t padded = sq(n_ + 2 * pad_);
            a.fields = 1;
            for (std::size_t f = 0; f < fields_; ++f) {
                a.slot = slot.view().part(f * padded, padded);
                a.place = place.view().part(f * n_ * n_, n_ * n_);
                (*fft)(s_, a);
            }
            continue;
        }
        DeviceBuffer<float> rows(psfRowFloats(a), s_);
        a.rows = rows.view();
        blur(s_, a);
    }
}

TransposePlaces::TransposePlaces(const Stream& s, const Optics& o, std::span<const std::uint32_t> litSpaxels,
                                 std::span<const std::uint8_t> wanted)
    : lit(litSpaxels.size()), fieldSpaxels(wanted.size()) {
    const std::size_t n = o.n(), pad = o.pad(), side = o.side(), outer = side + 2 * pad;
    std::vector<std::uint32_t> row(n * n, nowhere), source(lit, nowhere), numbers(lit),
        outerSlot(outer * outer, nowhere), litPlace(side * side, nowhere);
    for (std::size_t p = 0; p < n * n; ++p) {
        if (!wanted[p]) continue;
        row[p] = std::uint32_t(p);
        outerSlot[(p / n + 2 * pad) * outer + p % n + 2 * pad] = std::uint32_t(p);
    }
    for (std::size_t k = 0; k < lit; ++k) {
        numbers[k] = std::uint32_t(k);
        litPlace[litSpaxels[k]] = std::uint32_t(k);
        if (!o.psf()) source[k] = row[litSpaxels[k]];
    }
    wantedRow = upload(s, row);
    litSource = upload(s, source);
    sequence = upload(s, numbers);
    slot = upload(s, outerSlot);
    place = upload(s, litPlace);
    s.synchronize();
}

DeviceTranspose::DeviceTranspose(const Stream& s, const Optics& shape, const TransposePlaces& places,
                                 std::optional<Psf> psf, const std::optional<Lsf>& lsf)
    : s_(s), shape_(shape), places_(places) {
    expects(psf.has_value() == shape.psf().has_value() && lsf.has_value() == shape.lsf().has_value(),
            "the transpose of the same stages");
    if (psf)
        blur_.emplace(s, turned(*std::move(psf)), shape.side(), shape.pad(), shape.grid().size + 2 * shape.wings());
    const std::vector<float> one{1.0F};
    one_ = upload(s, one);
    taps_ = upload(s, lsf ? lsf->taps : one);
    if (lsf && !lsf->constant) tapStride_ = lsf->taps.size() / (2 * shape.wings() + 1);
    s.synchronize();
}

void DeviceTranspose::throughPsf(const DeviceBuffer<float>& cubeBar, std::size_t first, std::size_t count,
                                 DeviceBuffer<float>& out, std::size_t stride) {
    const Spectra<const float> cube{cubeBar.view(), shape_.grid().size, first};
    const Spectra<float> spectra{out.view(), stride, 0};
    if (blur_)
        (*blur_)(cube, spectra, places_.slot, places_.place, std::ptrdiff_t(first), count);
    else
        spreadLinesTransposed(s_, {cube, spectra, places_.litSource.view(), count, one_.view(), 1, 0, 0});
}

void DeviceTranspose::throughKernel(std::size_t kernel, const DeviceBuffer<float>& cubeBar, std::size_t first,
                                    std::size_t count, DeviceBuffer<float>& out, std::size_t stride, std::size_t at) {
    blur_->withKernel(kernel, {cubeBar.view(), shape_.grid().size, first}, {out.view(), stride, at}, places_.slot,
                      places_.place, count);
}

std::size_t DeviceTranspose::temporaryRows(const Optics& o, std::size_t lit) {
    if (!o.psf() || !o.lsf()) return 0;
    return o.lsfFirst() ? lit : o.n() * o.n();
}

void DeviceTranspose::spread(Spectra<const float> in, Spectra<float> out, const DeviceBuffer<std::uint32_t>& source,
                             std::size_t first, std::size_t count) const {
    spreadLinesTransposed(s_, {in, out, source.view(), count, taps_.view(), 2 * shape_.wings() + 1, tapStride_,
                               tapStride_ > 0 ? first : 0});
}

void DeviceTranspose::operator()(const DeviceBuffer<float>& cubeBar, std::size_t first, std::size_t count,
                                 DeviceBuffer<float>& out, std::size_t stride) {
    const std::size_t wings = shape_.wings(), wide = count + 2 * wings;
    const Spectra<const float> cube{cubeBar.view(), shape_.grid().size, first};
    const Spectra<float> spectra{out.view(), stride, 0};
    if (!blur_) {
        spread(cube, spectra, places_.litSource, first, count);
    } else if (!shape_.lsf()) {
        throughPsf(cubeBar, first, count, out, stride);
    } else if (shape_.lsfFirst()) {
        DeviceBuffer<float> between(places_.lit * count, s_);
        (*blur_)(cube, {between.view(), count, 0}, places_.slot, places_.place, std::ptrdiff_t(first), count);
        spread({between.view(), count, 0}, spectra, places_.sequence, first, count);
    } else {
        DeviceBuffer<float> between(places_.fieldSpaxels * wide, s_);
        spread(cube, {between.view(), wide, 0}, places_.wantedRow, first, count);
        (*blur_)({between.view(), wide, 0}, spectra, places_.slot, places_.place,
                 std::ptrdiff_t(first) - std::ptrdiff_t(wings), wide);
    }
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
