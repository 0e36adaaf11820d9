#include "simd/kernels.hpp"

#include <cmath>
#include <experimental/simd>

// Compiled once per level; TESSERA_SIMD_LEVEL names the namespace.
namespace tessera::simd::TESSERA_SIMD_LEVEL {

void addNormals(const NormalsKey&, std::uint64_t firstVoxel, std::size_t count, const float* variance,
                float* flux);  // normals.cpp

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
void placeKinks(const SpectrumArgs& a, const Run& run, const Scratch& s) {
    const std::size_t n = a.knots;
    const double stretch = std::exp(run.centre), inverse = 1 / stretch;
    const float* sum0 = s.sum0;
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

void spectrum(const SpectrumArgs& a) {
    Scratch s;
    s.moments = a.scratch;
    s.kink0 = s.moments + 4 * (a.pixels + 2);
    s.kink1 = s.kink0 + a.knots + 32;
    s.x = s.kink1 + a.knots + 32;
    s.sum0 = reinterpret_cast<float*>(s.x + a.knots + 32);
    s.sum1 = reinterpret_cast<float*>(s.x + 2 * (a.knots + 32));
    for (std::size_t i = 0; i < 4 * (a.pixels + 1); ++i) s.moments[i] = 0;

    double value = 0;  // of the summed spectrum at the table's first knot, carried along unshifted
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
            sumRun<false>(a, run, s.sum0, s.sum1);
            placeKinks<false>(a, run, s);
        } else {
            double second = 0;
            for (std::size_t k = i; k < end; ++k) {
                const double f = double(a.stars[k].shift) - run.centre;
                second += double(a.stars[k].mass) * f * f;
            }
            run.secondMoment = mass > 0 ? second / mass : 0;
            sumRun<true>(a, run, s.sum0, s.sum1);
            placeKinks<true>(a, run, s);
        }
        value += double(s.sum0[0]);
        i = end;
    }

    double slope = s.moments[0];
    value += s.moments[1];
    for (std::size_t j = 0; j < a.pixels; ++j) {
        const double* cell = s.moments + 4 * (j + 1);
        const double width = a.edges[j + 1] - a.edges[j];
        a.out[j] = float(a.scale * (value + 0.5 * slope * width + cell[2] / width));
        value += slope * width + cell[1];
        slope += cell[0];
    }
}

// U vectors of output stay in registers over all taps.
template <int U, bool Varying>
void filterVectors(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out) {
    Vf a[U];
    for (int u = 0; u < U; ++u) a[u] = 0;
    for (std::size_t d = 0; d < width; ++d) {
        if constexpr (Varying) {
            const float* t = taps + d * tapStride;
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) a[u] += load(t + std::size_t(u) * W) * load(in + d + std::size_t(u) * W);
        } else {
            const Vf t = taps[d];
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) a[u] += t * load(in + d + std::size_t(u) * W);
        }
    }
    for (int u = 0; u < U; ++u) a[u].copy_to(out + std::size_t(u) * W, stdx::element_aligned);
}

template <bool Varying>
void filterOf(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
              std::size_t lanes) {
    std::size_t j = 0;
    const auto tapsAt = [&](std::size_t i) { return Varying ? taps + i : taps; };
    for (; j + 4 * W <= lanes; j += 4 * W) filterVectors<4, Varying>(tapsAt(j), width, tapStride, in + j, out + j);
    for (; j + 2 * W <= lanes; j += 2 * W) filterVectors<2, Varying>(tapsAt(j), width, tapStride, in + j, out + j);
    for (; j < lanes; j += W) filterVectors<1, Varying>(tapsAt(j), width, tapStride, in + j, out + j);
}

void filter(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
            std::size_t lanes) {
    if (tapStride == 0)
        filterOf<false>(taps, width, tapStride, in, out, lanes);
    else
        filterOf<true>(taps, width, tapStride, in, out, lanes);
}

// Four outputs of U vectors at a time: every row and every tap is loaded once for them. Row r feeds output k with tap
// r - k.
template <int U, bool Add>
void columnTile(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
                std::size_t outStride, std::size_t count) {
    std::size_t c = 0;
    for (; c + 4 <= count; c += 4) {
        Vf a[4][U];
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t u = 0; u < U; ++u) a[k][u] = Add ? load(out + (c + k) * outStride + u * W) : Vf(0);
        const float* row = in + c * inStride;
        const auto edge = [&](std::size_t r) {
            for (std::size_t k = 0; k < 4; ++k)
                if (r >= k && r - k < width)
                    for (std::size_t u = 0; u < U; ++u) a[k][u] += Vf(taps[r - k]) * load(row + u * W);
            row += inStride;
        };
        std::size_t r = 0;
        for (; r < 3; ++r) edge(r);
        for (; r < width; ++r) {
            Vf v[U];
            for (std::size_t u = 0; u < U; ++u) v[u] = load(row + u * W);
#pragma GCC unroll 4
            for (std::size_t k = 0; k < 4; ++k) {
                const Vf t = taps[r - k];
                for (std::size_t u = 0; u < U; ++u) a[k][u] += t * v[u];
            }
            row += inStride;
        }
        for (; r < width + 3; ++r) edge(r);
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t u = 0; u < U; ++u)
                a[k][u].copy_to(out + (c + k) * outStride + u * W, stdx::element_aligned);
    }
    for (; c < count; ++c)
        for (std::size_t u = 0; u < U; ++u) {
            Vf a = Add ? load(out + c * outStride + u * W) : Vf(0);
            for (std::size_t d = 0; d < width; ++d) a += Vf(taps[d]) * load(in + (c + d) * inStride + u * W);
            a.copy_to(out + c * outStride + u * W, stdx::element_aligned);
        }
}

template <bool Add>
void columnsOf(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
               std::size_t outStride, std::size_t count, std::size_t lanes) {
    std::size_t i = 0;
    for (; i + 2 * W <= lanes; i += 2 * W) columnTile<2, Add>(taps, width, in + i, inStride, out + i, outStride, count);
    for (; i < lanes; i += W) columnTile<1, Add>(taps, width, in + i, inStride, out + i, outStride, count);
}

void columns(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
             std::size_t outStride, std::size_t count, std::size_t lanes, bool add) {
    if (add)
        columnsOf<true>(taps, width, in, inStride, out, outStride, count, lanes);
    else
        columnsOf<false>(taps, width, in, inStride, out, outStride, count, lanes);
}

void weigh(const float* in, std::size_t rows, std::size_t lanes, const float* weight, float* sums) {
    for (std::size_t r = 0; r < rows; ++r) {
        Vf sum = 0;
        for (std::size_t i = 0; i < lanes; i += W) sum += load(in + r * lanes + i) * load(weight + i);
        sums[r] = stdx::reduce(sum);
    }
}

}  // namespace

#define TESSERA_TEXT_(x) #x
#define TESSERA_TEXT(x) TESSERA_TEXT_(x)
extern const Kernels table{TESSERA_TEXT(TESSERA_SIMD_LEVEL), spectrum, filter, columns, weigh, addNormals};

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
