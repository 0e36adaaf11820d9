// Sums of stars at the knots, and the placing of their kinks on the pixels.
#include <cmath>

#include "simd/star_weights.hpp"
#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace {

#ifdef __AVX512F__
constexpr int tileVectors = 7;  // two accumulators each: 14 of 32 registers
#else
constexpr int tileVectors = 4;
#endif
// A run is cut so that float sums stay exact to about 1e-6.
constexpr std::size_t longestRun = 2048;

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
    double *kink0, *kink1, *kink2, *x;
    float *sum0, *sum1, *sum2;
};

// Places the kinks of a run on the pixels. With f the shift of a star about the run's centre, a kink D at x becomes
// D e^-f at x e^f; sums over the run of D, D f, D f^2/2 are kink0, kink1 and kink0 secondMoment/2.
template <bool WithMoment>
void placeKinks(const SpectrumArgs& a, const Run& run, const float* sum0, const float* sum1, const float* sum2,
                const Scratch& s) {
    const std::size_t n = a.knots;
    const double stretch = std::exp(run.centre), inverse = 1 / stretch;
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
        // Second moments of the knots' own, or of the whole run.
        for (std::size_t m = 0; m < n; ++m) s.kink2[m] = 0.5 * run.secondMoment * s.kink0[m];
        if (sum2) {
            double before = 0;
            for (std::size_t m = 0; m + 1 < n; ++m) {
                const double slope = (double(sum2[m + 1]) - double(sum2[m])) * (a.inverseStep[m] * inverse);
                s.kink2[m] = slope - before;
                before = slope;
            }
            s.kink2[n - 1] = -before;
        }
    }
    for (std::size_t m = 0; m < n; ++m) s.x[m] = a.position[m] * stretch;

    const double firstEdge = a.edges[0], lastEdge = a.edges[a.pixels];
    const double lnFirst = a.lnPosition ? std::log(firstEdge) : 0;
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
            const double d1 = s.kink1[m], d2 = s.kink2[m];
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
        s_.sum1 = s_.sum0 + a.knots + 32;
        s_.sum2 = s_.sum1 + a.knots + 32;
        s_.kink2 = s_.x + 3 * (a.knots + 32);
        for (std::size_t i = 0; i < 4 * (a.pixels + 1); ++i) s_.moments[i] = 0;
    }
    float* sum0() { return s_.sum0; }
    float* sum1() { return s_.sum1; }
    float* sum2() { return s_.sum2; }

    template <bool WithMoment>
    void place(const Run& run, const float* sum0, const float* sum1 = nullptr, const float* sum2 = nullptr) {
        placeKinks<WithMoment>(a_, run, sum0, sum1, sum2, s_);
        value_ += double(sum0[0]);
    }

    void finish() {
        double slope = s_.moments[0], value = value_ + s_.moments[1];
        for (std::size_t j = 0; j < a_.pixels; ++j) {
            const double* cell = s_.moments + 4 * (j + 1);
            const double width = a_.edges[j + 1] - a_.edges[j];
            const double mean = a_.scale * (value + 0.5 * slope * width + cell[2] / width);
            if (a_.precise)
                a_.precise[j] = mean;
            else
                a_.out[j] = float(mean);
            value += slope * width + cell[1];
            slope += cell[0];
        }
    }

private:
    const SpectrumArgs& a_;
    Scratch s_;
    double value_ = 0;  // of the summed spectrum at the table's first knot, carried along unshifted
};

}  // namespace

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
            s.place<true>(run, s.sum0(), s.sum1());
        }
        i = end;
    }
    s.finish();
}

// With u the tangent of a star's weights, s its shift's tangent times its weights, and f its shift about the run's centre:
// the kinks of the run have the moments sum u, sum (f u + s), sum (f^2/2 u + f s).
void spectrumTangent(const SpectrumArgs& a, const StarRecordBar* dot) {
    Spectrum s(a);
    const std::size_t ageStep = std::size_t(a.ageStep) * a.fluxStride, zStep = std::size_t(a.nAge) * a.fluxStride;
    const std::size_t lanes = (a.knots + W - 1) / W * W;
    float *sum0 = s.sum0(), *sum1 = s.sum1(), *sum2 = s.sum2();
    for (std::size_t i = 0; i < a.count;) {
        const std::size_t end = endOfBin(a.stars, i, a.count, a.shiftMin, a.shiftStep);
        const double centre = meanShift(a.stars, i, end);
        for (std::size_t m = 0; m < lanes; ++m) sum0[m] = sum1[m] = sum2[m] = 0;
        for (; i < end; ++i) {
            const TangentWeights w(a.stars[i], dot[i]);
            const float f = float(double(a.stars[i].shift) - centre), half = 0.5F * f;
            const float* t = a.flux + std::size_t(a.stars[i].corner) * a.fluxStride;
            for (std::size_t m = 0; m < lanes; m += W) {
                const Vf t00 = load(t + m), t01 = load(t + ageStep + m), t10 = load(t + zStep + m),
                         t11 = load(t + zStep + ageStep + m);
                const Vf u = w.value[0] * t00 + w.value[1] * t01 + w.value[2] * t10 + w.value[3] * t11,
                         v = w.slope[0] * t00 + w.slope[1] * t01 + w.slope[2] * t10 + w.slope[3] * t11;
                (load(sum0 + m) + u).copy_to(sum0 + m, stdx::element_aligned);
                (load(sum1 + m) + (f * u + v)).copy_to(sum1 + m, stdx::element_aligned);
                (load(sum2 + m) + f * (half * u + v)).copy_to(sum2 + m, stdx::element_aligned);
            }
        }
        s.place<true>({nullptr, 0, centre, 0}, sum0, sum1, sum2);
    }
    s.finish();
}

void spectrumOfNodes(const SpectrumArgs& a, const NodeSumArgs& n) {
    Spectrum s(a);
    for (std::size_t k = 0; k < n.count; ++k) s.place<false>({nullptr, 0, n.shift[k], 0}, n.sums + k * n.sumStride);
    s.finish();
}

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
