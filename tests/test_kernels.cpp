// The hot loops at every instruction set that this CPU has, against plain loops in double precision.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "io/formation_clock.hpp"
#include "kernel_levels.hpp"
#include "simd/kernels.hpp"
#include "support.hpp"
#include "tessera/model/cube.hpp"
#include "tessera/physics/doppler.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

// Templates at knots, in the two layouts of the kernels.
struct Table {
    int nAge, nZ;
    std::size_t lanes, stride;
    std::vector<double> x, lnX, inverseStep;
    std::vector<float> byKnot, byTemplate;

    Table(int nAge_, int nZ_, std::size_t knots, double first, double step, std::uint64_t seed)
        : nAge(nAge_), nZ(nZ_), lanes((templates() + 15) / 16 * 16), stride((knots + 15) / 16 * 16) {
        Random random(seed);
        for (std::size_t m = 0; m < knots; ++m) x.push_back(first + step * (double(m) + 0.4 * random()));
        for (std::size_t m = 0; m < knots; ++m) {
            inverseStep.push_back(m + 1 < knots ? 1 / (x[m + 1] - x[m]) : 0);
            lnX.push_back(std::log(x[m]));
        }
        byKnot.assign(knots * lanes, 0.0F);
        byTemplate.assign(templates() * stride + 32, 0.0F);
        for (std::size_t t = 0; t < templates(); ++t)
            for (std::size_t m = 0; m < knots; ++m)
                byKnot[m * lanes + t] = byTemplate[t * stride + m] = float(random(0.5, 1.5));
    }
    std::size_t templates() const { return std::size_t(nAge) * std::size_t(nZ); }
    int zStep() const { return nZ > 1 ? nAge : 0; }
    int ageStep() const { return nAge > 1 ? 1 : 0; }
    std::vector<double> spectrum(std::size_t t) const {
        return {byTemplate.begin() + std::ptrdiff_t(t * stride),
                byTemplate.begin() + std::ptrdiff_t(t * stride + x.size())};
    }
    // Average over [a, b] of values at the knots, shifted.
    double average(const std::vector<double>& y, double a, double b, double shift) const {
        const double inverse = std::exp(-shift);
        return integratePiecewiseLinear(x.data(), y.data(), int(x.size()), a * inverse, b * inverse) /
               ((b - a) * inverse);
    }
    std::vector<StarRecord> stars(std::size_t n, double shiftMin, double shiftMax, std::uint64_t seed) const {
        Random random(seed);
        std::vector<StarRecord> s(n);
        for (StarRecord& r : s) {
            const int age = random.below(std::max(1, nAge - 1)), z = random.below(std::max(1, nZ - 1));
            r = {z * nAge + age,
                 float(nAge > 1 ? random() : 0),
                 float(nZ > 1 ? random() : 0),
                 float(random(0.5, 1.5)),
                 float(random(shiftMin, shiftMax)),
                 1,
                 0.01F,
                 0};
        }
        return s;
    }
    // (template, mass times weight) of a star's four corners.
    std::array<std::pair<std::size_t, double>, 4> corners(const StarRecord& s) const {
        const double a = double(s.ageFraction), z = double(s.zFraction), m = double(s.mass);
        const auto at = [&](int age, int metal) { return std::size_t(s.corner + age * ageStep() + metal * zStep()); };
        return {{{at(0, 0), m * (1 - a) * (1 - z)},
                 {at(1, 0), m * a * (1 - z)},
                 {at(0, 1), m * (1 - a) * z},
                 {at(1, 1), m * a * z}}};
    }
};

std::vector<double> edgesOf(const WavelengthGrid& g) {
    std::vector<double> e;
    for (std::size_t j = 0; j <= g.size; ++j) e.push_back(g.edge(double(j)));
    return e;
}

const WavelengthGrid linear{4701, 1.25, 70, false}, logarithmic{4701, 1e-4, 70, true};
const std::pair<int, int> shapes[] = {{5, 4}, {1, 4}, {7, 1}, {1, 1}, {3, 11}};

}  // namespace

TEST_CASE("log10 to 4 ulp", "[kernels]") {
    std::vector<float> in{1, std::nextafter(1.0F, 0.0F), std::nextafter(1.0F, 2.0F), 0.7F, 0.70710678F, 1.41421356F};
    for (int e = -37; e <= 38; ++e) in.push_back(std::pow(10.0F, float(e)));
    in.push_back(std::numeric_limits<float>::min());
    in.push_back(std::numeric_limits<float>::max());
    Random random(1);
    for (int i = 0; i < 20000; ++i) in.push_back(float(std::pow(10.0, random(-37, 38))));
    for (int i = 0; i < 20000; ++i) in.push_back(float(random(0.5, 2)));
    atEveryLevel([&](const simd::Kernels& k) {
        std::vector<float> out(in.size());
        k.log10(in.data(), out.data(), in.size());
        double worst = 0;
        for (std::size_t i = 0; i < in.size(); ++i) {
            const double exact = std::log10(double(in[i]));
            const float size = std::fabs(float(exact));
            const double ulp = double(std::nextafter(size, std::numeric_limits<float>::max()) - size);
            worst = std::max(worst, std::fabs(double(out[i]) - exact) / ulp);
        }
        CHECK(worst <= 4);
        CHECK(out[0] == 0);
    });
}

TEST_CASE("log10 of what is not positive, and of any length", "[kernels]") {
    atEveryLevel([&](const simd::Kernels& k) {
        const float in[]{0.0F, -0.0F, -1.0F, -1e-30F, -INFINITY, NAN, 100.0F};
        float out[7];
        k.log10(in, out, 7);
        CHECK(out[0] == -INFINITY);
        CHECK(out[1] == -INFINITY);
        for (int i = 2; i < 6; ++i) CHECK(std::isnan(out[i]));
        CHECK(out[6] == Approx(2));
        for (std::size_t n = 0; n <= 40; ++n) {
            const std::vector<float> tens(n, 10.0F);
            std::vector<float> result(n + 1, -7.0F);
            k.log10(tens.data(), result.data(), n);
            for (std::size_t i = 0; i < n; ++i) CHECK(result[i] == Approx(1));
            CHECK(result[n] == -7);
        }
    });
}

TEST_CASE("columns are scaled and checked, ages are looked up, the same at every level", "[kernels]") {
    Random random(3);
    const FormationClock clock({0.7, 0.3, 0.7, -1, 0}, 0.9);
    for (const std::size_t n : {0, 1, 7, 8, 9, 31, 33, 1000}) {
        std::vector<float> single(n);
        std::vector<double> wide(n), formation(n);
        for (std::size_t i = 0; i < n; ++i) {
            single[i] = float(random(-5, 5));
            wide[i] = random(-5, 5);
            formation[i] = random(-0.1, 0.91);
        }
        atEveryLevel([&](const simd::Kernels& k) {
            std::vector<float> s = single;
            std::vector<double> w = wide;
            CHECK(k.scaleFloats(s.data(), n, 0.7, -4, 4));
            CHECK(k.scaleDoubles(w.data(), n, 0.7, -4, 4));
            for (std::size_t i = 0; i < n; ++i) {
                REQUIRE(s[i] == float(double(single[i]) * 0.7));
                REQUIRE(w[i] == wide[i] * 0.7);
            }
            for (std::size_t i = 0; i < n; i += 5)
                for (const double bad : {4.1, -4.1, std::nan("")}) {
                    std::vector<float> one(n, 0.0F);
                    std::vector<double> other(n, 0.0);
                    one[i] = float(other[i] = bad);
                    CHECK_FALSE(k.scaleFloats(one.data(), n, 1, -4, 4));
                    CHECK_FALSE(k.scaleDoubles(other.data(), n, 1, -4, 4));
                }
        });
        std::vector<float> ages(n);
        clock.ages(formation.data(), n, ages.data());
        for (std::size_t i = 0; i < n; ++i) REQUIRE(ages[i] == float(clock.age(std::max(formation[i], 0.0))));
    }
}

TEST_CASE("transpose", "[kernels]") {
    atEveryLevel([](const simd::Kernels& k) {
        for (const auto& [rows, columns] :
             {std::pair<std::size_t, std::size_t>{16, 16}, {32, 16}, {16, 48}, {128, 64}}) {
            const std::size_t inStride = columns + 5, outStride = rows + 3;
            std::vector<float> in(rows * inStride), out(columns * outStride, -1.0F);
            for (std::size_t i = 0; i < in.size(); ++i) in[i] = float(i);
            k.transpose(in.data(), inStride, rows, columns, out.data(), outStride);
            std::size_t wrong = 0;
            for (std::size_t c = 0; c < columns; ++c)
                for (std::size_t r = 0; r < outStride; ++r)
                    wrong += out[c * outStride + r] != (r < rows ? in[r * inStride + c] : -1.0F);
            CHECK(wrong == 0);
        }
    });
}

TEST_CASE("averages of the templates over pixels, and their slopes in the shift", "[kernels]") {
    struct Knots {
        std::size_t number;
        double first, step;
    };
    // Coarser and finer than the pixels; beginning or ending inside the window; wholly on one side of it; one and two.
    const Knots cases[] = {{12, 4650, 20}, {200, 4650, 0.9}, {700, 4680, 0.21}, {20, 4720, 2.2}, {9, 4600, 0.7},
                           {9, 4900, 0.7}, {1, 4750, 1},     {2, 4750, 1},      {2, 4600, 400}};
    std::uint64_t seed = 1;
    for (const Knots& n : cases)
        for (const WavelengthGrid& grid : {linear, logarithmic})
            for (const double shift : {0.0, 1.7e-3, -2.3e-3}) {
                const auto& [ages, metallicities] = shapes[seed % std::size(shapes)];
                const Table table(ages, metallicities, n.number, n.first, n.step, ++seed);
                const std::vector<double> edges = edgesOf(grid);
                INFO(n.number << " knots from " << n.first << " by " << n.step << " log " << grid.log << " shift "
                              << shift);
                atEveryLevel([&](const simd::Kernels& k) {
                    std::vector<float> average(grid.size * table.lanes, NAN), slope(average), alone(average);
                    simd::PixelTemplateArgs a{
                        table.byKnot.data(), table.lanes, table.x.data(), table.inverseStep.data(),
                        table.x.size(),      shift,       edges.data(),   grid.size,
                        average.data(),      slope.data()};
                    k.pixelTemplates(a);
                    a.average = alone.data();
                    a.slope = nullptr;
                    k.pixelTemplates(a);
                    CHECK(std::memcmp(average.data(), alone.data(), average.size() * sizeof(float)) == 0);
                    double worst = 0, worstSlope = 0;
                    constexpr double h = 1e-9;
                    for (std::size_t t = 0; t < table.templates(); ++t) {
                        const std::vector<double> y = table.spectrum(t);
                        for (std::size_t j = 0; j < grid.size; ++j) {
                            const double low = edges[j], high = edges[j + 1];
                            const auto at = [&](double s) { return table.average(y, low, high, s); };
                            const double difference = (at(shift + h) - at(shift - h)) / (2 * h);
                            const auto error = [&](const std::vector<float>& found, double exact) {
                                return std::fabs(double(found[j * table.lanes + t]) - exact);
                            };
                            worst = std::max(worst, error(average, at(shift)));
                            // A slope is the difference of two values times the wavelength in pixels.
                            worstSlope = std::max(worstSlope, error(slope, difference) * (high - low) / high);
                        }
                    }
                    CHECK(worst < 1e-6);
                    CHECK(worstSlope < 1e-6);
                });
            }
}

TEST_CASE("weighed rows of a table, in any number", "[kernels]") {
    constexpr std::size_t tile = simd::rowTile, rows = 61, spaxels = 9, stride = 2 * tile + 3;
    std::uint32_t state = 7;
    const auto uniform = [&] {
        state = state * 1664525U + 1013904223U;
        return float(state >> 8U) * 0x1p-24F;
    };
    std::vector<float> table(rows * tile);
    for (float& v : table) v = 0.5F + uniform();
    const std::vector<std::size_t> counts = {0, 1, 2, 3, 4, 7, 8, 9, 57, 1, 130};
    std::vector<std::uint16_t> row;
    std::vector<float> weight;
    for (const std::size_t n : counts)
        for (std::size_t k = 0; k < n; ++k) {
            row.push_back(std::uint16_t(uniform() * float(rows)));
            weight.push_back(uniform());
        }
    std::vector<simd::RowSum> sums;
    std::vector<double> expected(spaxels * stride, 2.0);
    std::size_t first = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::size_t spaxel = (i * 5) % spaxels;  // the last two come to some that had one before
        sums.push_back({row.data() + first, weight.data() + first, std::uint32_t(counts[i]), std::uint32_t(spaxel)});
        for (std::size_t k = 0; k < counts[i]; ++k)
            for (std::size_t j = 0; j < tile; ++j)
                expected[spaxel * stride + j] +=
                    0.25 * double(weight[first + k]) * double(table[row[first + k] * tile + j]);
        first += counts[i];
    }
    atEveryLevel([&](const simd::Kernels& k) {
        std::vector<float> out(spaxels * stride, 2.0F);
        for (const std::size_t begin : {std::size_t(0), std::size_t(4), std::size_t(8)}) {
            const std::size_t count = std::min<std::size_t>(4, sums.size() - begin),
                              following = std::min<std::size_t>(4, sums.size() - begin - count);
            k.sumRows({sums.data() + begin, count, table.data(), 0.25F, out.data(), stride, following, 1});
        }
        double worst = 0;
        for (std::size_t i = 0; i < out.size(); ++i)
            worst = std::max(worst, std::fabs(double(out[i]) - expected[i]) / expected[i]);
        CHECK(worst < 2e-6);
    });
}

TEST_CASE("stars scattered over nodes of shift", "[kernels]") {
    const double step = 1e-4;
    const int firstNode = -23, nodes = 47;
    for (const auto& [ages, metallicities] : shapes) {
        const Table table(ages, metallicities, 1, 1, 1, 3);
        std::vector<StarRecord> stars = table.stars(500, -2.15e-3, 2.15e-3, 6);
        stars[0].shift = 0;  // on a node
        stars[1].shift = float(-3 * step);
        const std::size_t stride = 64;
        std::vector<double> expected(table.templates() * stride, 0.0);
        for (const StarRecord& s : stars) {
            const double u = double(s.shift) / step, below = std::floor(u);
            for (int n = -1; n <= 2; ++n) {
                double lagrange = 1;
                for (int o = -1; o <= 2; ++o)
                    if (o != n) lagrange *= (u - below - o) / (n - o);
                for (const auto& [t, weight] : table.corners(s))
                    expected[t * stride + std::size_t(int(below) + n - firstNode)] += weight * lagrange;
            }
        }
        atEveryLevel([&](const simd::Kernels& k) {
            // All of a corner's stars in one table, then rows of templates.
            const std::size_t most = simd::coefficientBlock, size = 4 * 48;
            std::vector<float> tables(table.templates() * size, 0.0F), out(expected.size(), 0.0F);
            Buffer<float> weights(8 * most);
            std::vector<std::int32_t> corner(most), node(most);
            std::vector<std::uint32_t> place(most);
            for (std::size_t first = 0; first < stars.size(); first += most) {
                simd::StarCoefficients c{stars.data() + first,
                                         std::min(most, stars.size() - first),
                                         1 / step,
                                         firstNode,
                                         weights.data(),
                                         corner.data(),
                                         node.data()};
                k.starCoefficients(c);
                for (std::size_t i = 0; i < c.n; ++i) {
                    CHECK(corner[i] == stars[first + i].corner);
                    place[i] = std::uint32_t(std::size_t(corner[i]) * size + 4 * std::size_t(node[i]));
                }
                k.addCoefficients(weights.data(), place.data(), c.n, tables.data());
            }
            const auto up = std::size_t(table.zStep()), right = std::size_t(table.ageStep());
            for (std::size_t t = 0; t < table.templates(); ++t) {
                const bool atEnd = t + up + right >= table.templates();  // no star's corner
                float* const row = out.data() + t * stride;
                if (atEnd && up + right > 0) continue;
                float* const rows[] = {row, row + right * stride, row + up * stride, row + (up + right) * stride};
                k.foldCorners(tables.data() + t * size, 48, rows);
            }
            double worst = 0, sum = 0, mass = 0;
            for (std::size_t i = 0; i < out.size(); ++i) {
                worst = std::max(worst, std::fabs(double(out[i]) - expected[i]));
                sum += double(out[i]);
                if (i % stride >= std::size_t(nodes)) CHECK(out[i] == 0);
            }
            for (const StarRecord& s : stars) mass += double(s.mass);
            CHECK(worst < 2e-5);
            CHECK(sum == Approx(mass).epsilon(1e-6));
        });
    }
}

TEST_CASE("a spaxel's spectrum from its stars, and from sums at nodes", "[kernels]") {
    for (const auto& [ages, metallicities] : shapes)
        for (const WavelengthGrid& grid : {linear, logarithmic})
            for (const std::size_t knots : {1, 2, 9, 130}) {
                const Table table(ages, metallicities, knots, 4695, 130.0 / double(knots), 8);
                const std::vector<double> edges = edgesOf(grid);
                const std::size_t count = 40;
                std::vector<StarRecord> stars = table.stars(count, -1e-3, 1e-3, 9);
                std::sort(stars.begin(), stars.end(), [](const auto& a, const auto& b) { return a.shift < b.shift; });
                std::vector<double> expected(grid.size, 0.0), ofNodes(grid.size, 0.0);
                // A star is a node whose sums are its own spectrum.
                const std::size_t sumStride = table.stride;
                std::vector<float> sums(count * sumStride, 0.0F);
                std::vector<double> shift;
                for (std::size_t i = 0; i < count; ++i) {
                    std::vector<double> y(knots, 0.0), rounded;
                    for (const auto& [t, weight] : table.corners(stars[i]))
                        for (std::size_t m = 0; m < knots; ++m)
                            y[m] += weight * double(table.byTemplate[t * table.stride + m]);
                    shift.push_back(double(stars[i].shift));
                    for (std::size_t m = 0; m < knots; ++m) sums[i * sumStride + m] = float(y[m]);
                    for (std::size_t m = 0; m < knots; ++m) rounded.push_back(double(sums[i * sumStride + m]));
                    for (std::size_t j = 0; j < grid.size; ++j) {
                        expected[j] += 3 * table.average(y, edges[j], edges[j + 1], shift[i]);
                        ofNodes[j] += 3 * table.average(rounded, edges[j], edges[j + 1], shift[i]);
                    }
                }
                atEveryLevel([&](const simd::Kernels& k) {
                    Buffer<double> scratch(simd::scratchDoubles(knots, grid.size));
                    std::vector<float> out(grid.size);
                    simd::SpectrumArgs a{};
                    a.stars = stars.data();
                    a.count = count;
                    a.shiftStep = 1e-8F;  // one star a bin: exact
                    a.shiftMin = -1e-3F;
                    a.flux = table.byTemplate.data();
                    a.fluxStride = table.stride;
                    a.nAge = table.zStep();
                    a.ageStep = table.ageStep();
                    a.position = table.x.data();
                    a.inverseStep = table.inverseStep.data();
                    a.knots = knots;
                    a.lnPosition = grid.log ? table.lnX.data() : nullptr;
                    a.edges = edges.data();
                    a.pixels = grid.size;
                    a.inverseWidth = 1 / (grid.log ? grid.step * std::log(10.0) : grid.step);
                    a.scale = 3;
                    a.out = out.data();
                    a.scratch = scratch.data();
                    const auto worst = [&](const std::vector<double>& exact) {
                        double result = 0;
                        for (std::size_t j = 0; j < grid.size; ++j)
                            result = std::max(result, std::fabs(double(out[j]) - exact[j]) / exact[j]);
                        return result;
                    };
                    INFO(ages << " x " << metallicities << ", " << knots << " knots, log " << grid.log);
                    k.spectrum(a);
                    CHECK(worst(expected) < 2e-6);
                    k.spectrumOfNodes(a, {sums.data(), count, sumStride, shift.data()});
                    CHECK(worst(ofNodes) < 1e-6);
                });
            }
}
