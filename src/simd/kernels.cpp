#include "simd/kernels.hpp"

#include <cmath>
#include <experimental/simd>

// Compiled once per level; TESSERA_SIMD_LEVEL names the namespace.
namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

namespace stdx = std::experimental;
using Vf = stdx::native_simd<float>;
constexpr std::size_t W = Vf::size();
#ifdef __AVX512F__
constexpr int tileVectors = 7;  // two accumulators each: 14 of 32 registers
#else
constexpr int tileVectors = 4;
#endif
// A run is cut so that float sums stay exact to about 1e-6.
constexpr std::size_t longestRun = 2048;

inline Vf load(const float* p) {
    return Vf(p, stdx::element_aligned);
}

// Stars whose shifts are close: their templates are summed at the knots, with the first moment of the shift about
// `centre`; the second moment is taken as that of the whole run.
struct Run {
    const StarRecord* stars;
    std::size_t count;
    double centre;        // mass-weighted mean shift
    double secondMoment;  // mass-weighted mean of (shift - centre)^2
};

template <int U, bool WithMoment>
void sumTile(const SpectrumArgs& a, const Run& run, std::size_t knot, float* sum0, float* sum1) {
    Vf acc0[U], acc1[U];
    for (int u = 0; u < U; ++u) {
        acc0[u] = 0;
        acc1[u] = 0;
    }
    const std::size_t ageStep = std::size_t(a.ageStep) * a.fluxStride, zStep = std::size_t(a.nAge) * a.fluxStride;
    for (std::size_t i = 0; i < run.count; ++i) {
        const StarRecord& s = run.stars[i];
        const float z1 = s.mass * s.zFraction, z0 = s.mass - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        const Vf v00 = z0 - w01, v01 = w01, v10 = z1 - w11, v11 = w11;
        const float* t = a.flux + std::size_t(s.corner) * a.fluxStride + knot;
        const Vf offset = float(double(s.shift) - run.centre);
#pragma GCC unroll 8
        for (int u = 0; u < U; ++u) {
            const float* tu = t + std::size_t(u) * W;
            Vf sum = v00 * load(tu);
            sum += v01 * load(tu + ageStep);
            sum += v10 * load(tu + zStep);
            sum += v11 * load(tu + zStep + ageStep);
            acc0[u] += sum;
            if constexpr (WithMoment) acc1[u] += offset * sum;
        }
    }
    for (int u = 0; u < U; ++u) {
        acc0[u].copy_to(sum0 + knot + std::size_t(u) * W, stdx::element_aligned);
        if constexpr (WithMoment) acc1[u].copy_to(sum1 + knot + std::size_t(u) * W, stdx::element_aligned);
    }
}

template <bool WithMoment>
void sumRun(const SpectrumArgs& a, const Run& run, float* sum0, float* sum1) {
    const std::size_t vectors = (a.knots + W - 1) / W;
    std::size_t v = 0;
    for (; v + tileVectors <= vectors; v += tileVectors) sumTile<tileVectors, WithMoment>(a, run, v * W, sum0, sum1);
    switch (vectors - v) {
        case 6:
            sumTile<6, WithMoment>(a, run, v * W, sum0, sum1);
            break;
        case 5:
            sumTile<5, WithMoment>(a, run, v * W, sum0, sum1);
            break;
        case 4:
            sumTile<4, WithMoment>(a, run, v * W, sum0, sum1);
            break;
        case 3:
            sumTile<3, WithMoment>(a, run, v * W, sum0, sum1);
            break;
        case 2:
            sumTile<2, WithMoment>(a, run, v * W, sum0, sum1);
            break;
        case 1:
            sumTile<1, WithMoment>(a, run, v * W, sum0, sum1);
            break;
        default:
            break;
    }
}

// Scratch of one spaxel. A kink of slope change D at x in a pixel with right edge e, r = e - x, adds D to the slope and
// D r to the value at e, and D r^2/2 to the pixel's integral: four doubles a pixel (one unused). Slot 0 collects what
// lies left of the first edge.
struct Scratch {
    double* moments;  // [pixels + 1][4]
    double *kink0, *kink1, *x;
    float *sum0, *sum1;
};

// Places the kinks of a run on the pixels. With f the shift of a star about the run's centre, a kink D at x becomes
// D e^-f at x e^f; sums over the run of D, D f, D f^2/2 are kink0, kink1 and kink0 secondMoment/2.
template <bool WithMoment>
void placeKinks(const SpectrumArgs& a, const Run& run, const float* sum0, const Scratch& s) {
    const std::size_t n = a.knots;
    const double stretch = std::exp(run.centre), inverse = 1 / stretch;
    const float* sum1 = s.sum1;
    for (std::size_t m = 0; m + 1 < n; ++m) {
        s.kink0[m + 1] = (double(sum0[m + 1]) - double(sum0[m])) * (a.inverseStep[m] * inverse);
        if constexpr (WithMoment)
            s.kink1[m + 1] = (double(sum1[m + 1]) - double(sum1[m])) * (a.inverseStep[m] * inverse);
    }
    // kink[m] = slope behind the knot minus slope before it; slopes vanish outside the table (values are held there).
    s.kink0[0] = 0;
    for (std::size_t m = 0; m + 1 < n; ++m) s.kink0[m] = s.kink0[m + 1] - s.kink0[m];
    s.kink0[n - 1] = -s.kink0[n - 1];
    if constexpr (WithMoment) {
        s.kink1[0] = 0;
        for (std::size_t m = 0; m + 1 < n; ++m) s.kink1[m] = s.kink1[m + 1] - s.kink1[m];
        s.kink1[n - 1] = -s.kink1[n - 1];
    }
    for (std::size_t m = 0; m < n; ++m) s.x[m] = a.position[m] * stretch;

    const double firstEdge = a.edges[0], lastEdge = a.edges[a.pixels];
    const double lnFirst = a.lnPosition ? std::log(firstEdge) : 0;
    const double half = 0.5 * run.secondMoment;
    const double lastPixel = double(a.pixels - 1);
    for (std::size_t m = 0; m < n; ++m) {
        const double x = s.x[m];
        if (x >= lastEdge) break;
        std::size_t slot = 0;
        if (x >= firstEdge) {
            double j = a.lnPosition ? (a.lnPosition[m] + run.centre - lnFirst) * a.inverseWidth
                                    : (x - firstEdge) * a.inverseWidth;
            j = j < 0 ? 0 : (j > lastPixel ? lastPixel : j);
            slot = std::size_t(j) + 1;
        }
        const double e = a.edges[slot], r = e - x, d0 = s.kink0[m];
        double* cell = s.moments + 4 * slot;
        if constexpr (WithMoment) {
            const double d1 = s.kink1[m], d2 = d0 * half;
            cell[0] += d0 - d1 + d2;
            cell[1] += d0 * r + e * (d2 - d1);
            cell[2] += 0.5 * (d0 * r * r - d1 * r * (e + x) + d2 * (e * e + x * x));
        } else {
            cell[0] += d0;
            cell[1] += d0 * r;
            cell[2] += 0.5 * d0 * r * r;
        }
    }
}

// What one spaxel's spectrum is gathered in: begin, place any number of runs, finish.
class Spectrum {
public:
    explicit Spectrum(const SpectrumArgs& a) : a_(a) {
        s_.moments = a.scratch;
        s_.kink0 = s_.moments + 4 * (a.pixels + 2);
        s_.kink1 = s_.kink0 + a.knots + 32;
        s_.x = s_.kink1 + a.knots + 32;
        s_.sum0 = reinterpret_cast<float*>(s_.x + a.knots + 32);
        s_.sum1 = reinterpret_cast<float*>(s_.x + 2 * (a.knots + 32));
        for (std::size_t i = 0; i < 4 * (a.pixels + 1); ++i) s_.moments[i] = 0;
    }
    float* sum0() { return s_.sum0; }
    float* sum1() { return s_.sum1; }

    template <bool WithMoment>
    void place(const Run& run, const float* sum0) {
        placeKinks<WithMoment>(a_, run, sum0, s_);
        value_ += double(sum0[0]);
    }

    void finish() {
        double slope = s_.moments[0], value = value_ + s_.moments[1];
        for (std::size_t j = 0; j < a_.pixels; ++j) {
            const double* cell = s_.moments + 4 * (j + 1);
            const double width = a_.edges[j + 1] - a_.edges[j];
            a_.out[j] = float(a_.scale * (value + 0.5 * slope * width + cell[2] / width));
            value += slope * width + cell[1];
            slope += cell[0];
        }
    }

private:
    const SpectrumArgs& a_;
    Scratch s_;
    double value_ = 0;  // of the summed spectrum at the table's first knot, carried along unshifted
};

void spectrum(const SpectrumArgs& a) {
    Spectrum s(a);
    for (std::size_t i = 0; i < a.count;) {
        const int bin = int((a.stars[i].shift - a.shiftMin) / a.shiftStep);
        std::size_t end = i + 1;
        double mass = a.stars[i].mass, first = mass * double(a.stars[i].shift);
        while (end < a.count && end - i < longestRun && int((a.stars[end].shift - a.shiftMin) / a.shiftStep) == bin) {
            mass += a.stars[end].mass;
            first += double(a.stars[end].mass) * double(a.stars[end].shift);
            ++end;
        }
        Run run{a.stars + i, end - i, mass > 0 ? first / mass : double(a.stars[i].shift), 0};
        if (run.count == 1) {
            sumRun<false>(a, run, s.sum0(), s.sum1());
            s.place<false>(run, s.sum0());
        } else {
            double second = 0;
            for (std::size_t k = i; k < end; ++k) {
                const double f = double(a.stars[k].shift) - run.centre;
                second += double(a.stars[k].mass) * f * f;
            }
            run.secondMoment = mass > 0 ? second / mass : 0;
            sumRun<true>(a, run, s.sum0(), s.sum1());
            s.place<true>(run, s.sum0());
        }
        i = end;
    }
    s.finish();
}

void spectrumOfNodes(const SpectrumArgs& a, const NodeSumArgs& n) {
    Spectrum s(a);
    for (std::size_t k = 0; k < n.count; ++k) s.place<false>({nullptr, 0, n.shift[k], 0}, n.sums + k * n.sumStride);
    s.finish();
}

// out = or += f0 row0 + f1 row1
template <bool Add>
void blend(const float* row0, const float* row1, double f0, double f1, float* out, std::size_t lanes) {
    const Vf v0 = float(f0), v1 = float(f1);
    for (std::size_t i = 0; i < lanes; i += W) {
        Vf sum = v0 * load(row0 + i) + v1 * load(row1 + i);
        if (Add) sum += load(out + i);
        sum.copy_to(out + i, stdx::element_aligned);
    }
}

void pixelTemplates(const PixelTemplateArgs& a) {
    const double inverse = std::exp(-a.shift);
    const double* x = a.position;
    const std::size_t last = a.knots - 1;
    std::size_t m = 0;  // segment [x[m], x[m + 1]] that holds the pixel's left edge
    const auto row = [&](std::size_t knot) { return a.flux + knot * a.lanes; };
    // slope += factor f(u), u in segment m
    const auto addValue = [&](double u, double factor, float* out) {
        double t = m < last ? (u - x[m]) * a.inverseStep[m] : 0.0;
        t = t < 0 ? 0 : (t > 1 ? 1 : t);
        blend<true>(row(m), row(m < last ? m + 1 : m), factor * (1 - t), factor * t, out, a.lanes);
    };
    for (std::size_t j = 0; j < a.pixels; ++j) {
        const double left = a.edges[j] * inverse, right = a.edges[j + 1] * inverse, part = 1 / (right - left);
        float* out = a.average + j * a.lanes;
        float* slope = a.slope ? a.slope + j * a.lanes : nullptr;
        const double edge = 1 / (a.edges[j + 1] - a.edges[j]);
        while (m < last && x[m + 1] <= left) ++m;
        for (std::size_t i = 0; i < a.lanes; ++i) out[i] = 0;
        if (slope) {
            for (std::size_t i = 0; i < a.lanes; ++i) slope[i] = 0;
            addValue(left, a.edges[j] * edge, slope);
        }
        double from = left;
        if (from < x[0]) {  // values are held outside the table
            const double to = right < x[0] ? right : x[0];
            blend<true>(row(0), row(0), (to - from) * part, 0, out, a.lanes);
            from = to;
        }
        while (from < right) {
            if (m == last) {
                blend<true>(row(m), row(m), (right - from) * part, 0, out, a.lanes);
                break;
            }
            const double to = right < x[m + 1] ? right : x[m + 1];
            const double t = (0.5 * (from + to) - x[m]) * a.inverseStep[m], w = (to - from) * part;
            blend<true>(row(m), row(m + 1), w * (1 - t), w * t, out, a.lanes);
            from = to;
            if (from < right) ++m;
        }
        if (slope) {
            addValue(right, -a.edges[j + 1] * edge, slope);
            for (std::size_t i = 0; i < a.lanes; ++i) slope[i] += out[i];
        }
    }
}

void transpose(const float* in, std::size_t inStride, std::size_t rows, std::size_t columns, float* out,
               std::size_t outStride) {
    constexpr std::size_t block = 16;
    for (std::size_t r = 0; r < rows; r += block)
        for (std::size_t c = 0; c < columns; c += block)
            for (std::size_t j = 0; j < block; ++j)
                for (std::size_t i = 0; i < block; ++i)
                    out[(c + j) * outStride + r + i] = in[(r + i) * inStride + c + j];
}

template <int U>
void sumPixels(const RunArgs& a, std::size_t pixel) {
    Vf acc[U];
    for (int u = 0; u < U; ++u) acc[u] = load(a.out + pixel + std::size_t(u) * W);
    const std::size_t ageStep = std::size_t(a.ageStep) * a.stride, zStep = std::size_t(a.nAge) * a.stride;
    for (std::size_t i = 0; i < a.count; ++i) {
        const StarRecord& s = a.stars[i];
        const float m = s.mass * a.scale, z1 = m * s.zFraction, z0 = m - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        const Vf v00 = z0 - w01, v01 = w01, v10 = z1 - w11, v11 = w11, offset = float(double(s.shift) - a.centre);
        const std::size_t at = std::size_t(s.corner) * a.stride + pixel;
        const float *f = a.average + at, *d = a.slope + at;
#pragma GCC unroll 8
        for (int u = 0; u < U; ++u) {
            const float *fu = f + std::size_t(u) * W, *du = d + std::size_t(u) * W;
            Vf slope = v00 * load(du) + v01 * load(du + ageStep);
            slope += v10 * load(du + zStep) + v11 * load(du + zStep + ageStep);
            acc[u] += v00 * load(fu);
            acc[u] += v01 * load(fu + ageStep);
            acc[u] += v10 * load(fu + zStep);
            acc[u] += v11 * load(fu + zStep + ageStep);
            acc[u] += offset * slope;
        }
    }
    for (int u = 0; u < U; ++u) acc[u].copy_to(a.out + pixel + std::size_t(u) * W, stdx::element_aligned);
}

void sumRunAtPixels(const RunArgs& a) {
    std::size_t j = 0;
    for (; j + 8 * W <= a.lanes; j += 8 * W) sumPixels<8>(a, j);
    for (; j + 4 * W <= a.lanes; j += 4 * W) sumPixels<4>(a, j);
    for (; j < a.lanes; j += W) sumPixels<1>(a, j);
}

void scatter(const ScatterArgs& a) {
    using V4 = stdx::fixed_size_simd<float, 4>;
    const std::size_t ageStep = std::size_t(a.ageStep) * a.stride, zStep = std::size_t(a.nAge) * a.stride;
    for (std::size_t i = 0; i < a.count; ++i) {
        const StarRecord& s = a.stars[i];
        const double u = double(s.shift) * a.inverseStep;
        const int k = int(u) - (u < double(int(u)));  // floor
        const float t = float(u - double(k)), below = t - 1, above = t + 1, far = t - 2;
        const float lagrange[4] = {t * below * far * (-1.0F / 6), above * below * far * 0.5F, above * t * far * -0.5F,
                                   above * t * below * (1.0F / 6)};
        const V4 w(lagrange, stdx::element_aligned);
        const float z1 = s.mass * s.zFraction, z0 = s.mass - z1;
        const float w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        float* to = a.out + std::size_t(s.corner) * a.stride + std::size_t(k - 1 - a.firstNode);
        const auto add = [&](float* p, float weight) {
            V4 v(p, stdx::element_aligned);
            v += weight * w;
            v.copy_to(p, stdx::element_aligned);
        };
        add(to, z0 - w01);
        add(to + ageStep, w01);
        add(to + zStep, z1 - w11);
        add(to + zStep + ageStep, w11);
    }
}

// ln m = 2 artanh((m - 1)/(m + 1)) of the mantissa m in [sqrt(1/2), sqrt(2)), and the exponent times log10(2) in two
// parts, the first of which is exact.
Vf log10Of(Vf x) {
    using Vi = stdx::rebind_simd_t<std::int32_t, Vf>;
    static_assert(sizeof(Vi) == sizeof(Vf));
    Vi bits = __builtin_bit_cast(Vi, x);
    const Vi exponent = (bits - Vi(0x3f3504f3)) >> 23;
    bits -= exponent << 23;
    const Vf m = __builtin_bit_cast(Vf, bits);
    const Vf t = (m - 1.0F) / (m + 1.0F), u = t * t;
    const Vf series = 1.0F + u * (1.0F / 3 + u * (0.2F + u * (1.0F / 7 + u * (1.0F / 9))));
    const Vf e = stdx::static_simd_cast<Vf>(exponent);
    Vf r = e * 0.301025390625F + (e * 4.605038981e-6F + 0.8685889638F * t * series);
    stdx::where(x == 0.0F, r) = -__builtin_inff();
    stdx::where(!(x >= 0.0F), r) = __builtin_nanf("");
    return r;
}

void log10(const float* in, float* out, std::size_t n) {
    std::size_t i = 0;
    for (; i + W <= n; i += W) log10Of(load(in + i)).copy_to(out + i, stdx::element_aligned);
    if (i == n) return;
    float rest[W];
    for (std::size_t k = 0; k < W; ++k) rest[k] = i + k < n ? in[i + k] : 1.0F;
    log10Of(load(rest)).copy_to(rest, stdx::element_aligned);
    for (std::size_t k = 0; i + k < n; ++k) out[i + k] = rest[k];
}

// Four vectors of output at a time stay in registers over all taps.
void filter(const float* taps, std::size_t width, const float* in, float* out, std::size_t n) {
    std::size_t j = 0;
    for (; j + 4 * W <= n; j += 4 * W) {
        Vf a0 = 0, a1 = 0, a2 = 0, a3 = 0;
        for (std::size_t d = 0; d < width; ++d) {
            const Vf t = taps[d];
            const float* p = in + j + d;
            a0 += t * load(p);
            a1 += t * load(p + W);
            a2 += t * load(p + 2 * W);
            a3 += t * load(p + 3 * W);
        }
        a0.copy_to(out + j, stdx::element_aligned);
        a1.copy_to(out + j + W, stdx::element_aligned);
        a2.copy_to(out + j + 2 * W, stdx::element_aligned);
        a3.copy_to(out + j + 3 * W, stdx::element_aligned);
    }
    for (; j < n; ++j) {
        float sum = 0;
        for (std::size_t d = 0; d < width; ++d) sum += taps[d] * in[j + d];
        out[j] = sum;
    }
}

void filterVarying(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
                   std::size_t n) {
    for (std::size_t j = 0; j < n; ++j) out[j] = 0;
    for (std::size_t d = 0; d < width; ++d) {
        const float* t = taps + d * tapStride;
        for (std::size_t j = 0; j < n; ++j) out[j] += t[j] * in[j + d];
    }
}

template <bool Add>
void columnsOf(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
               std::size_t outStride, std::size_t count, std::size_t lanes) {
    for (std::size_t i = 0; i < lanes; i += W) {
        std::size_t c = 0;
        for (; c + 4 <= count; c += 4) {
            Vf a[4];
            for (int k = 0; k < 4; ++k) a[k] = Add ? load(out + (c + std::size_t(k)) * outStride + i) : Vf(0);
            // Row c + r feeds outputs k with tap r - k: each row is loaded once for four outputs.
            for (std::size_t r = 0; r < width + 3; ++r) {
                const Vf row = load(in + (c + r) * inStride + i);
#pragma GCC unroll 4
                for (std::size_t k = 0; k < 4; ++k)
                    if (r >= k && r - k < width) a[k] += Vf(taps[r - k]) * row;
            }
            for (int k = 0; k < 4; ++k) a[k].copy_to(out + (c + std::size_t(k)) * outStride + i, stdx::element_aligned);
        }
        for (; c < count; ++c) {
            Vf a = Add ? load(out + c * outStride + i) : Vf(0);
            for (std::size_t d = 0; d < width; ++d) a += Vf(taps[d]) * load(in + (c + d) * inStride + i);
            a.copy_to(out + c * outStride + i, stdx::element_aligned);
        }
    }
}

void columns(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
             std::size_t outStride, std::size_t count, std::size_t lanes, bool add) {
    if (add)
        columnsOf<true>(taps, width, in, inStride, out, outStride, count, lanes);
    else
        columnsOf<false>(taps, width, in, inStride, out, outStride, count, lanes);
}

}  // namespace

#define TESSERA_TEXT_(x) #x
#define TESSERA_TEXT(x) TESSERA_TEXT_(x)
extern const Kernels table{TESSERA_TEXT(TESSERA_SIMD_LEVEL),
                           log10,
                           spectrum,
                           spectrumOfNodes,
                           pixelTemplates,
                           transpose,
                           sumRunAtPixels,
                           scatter,
                           filter,
                           filterVarying,
                           columns};

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
