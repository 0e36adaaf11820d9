// Coefficients of dense spaxels and products of matrices against plain loops.
#include <algorithm>
#include <limits>

#include "gpu/device.hpp"
#include "kernels/coefficients.hpp"
#include "tessera/gpu/gemm.hpp"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("coefficients are sums of weights over templates and nodes, in spaxels of any number of stars", "[gpu]") {
    constexpr double step = 1e-4;
    constexpr std::size_t templates = 12;
    std::mt19937_64 rng(4);
    std::uniform_real_distribution<float> uniform;
    std::normal_distribution<double> normal;
    std::vector<StarRecord> star;
    std::vector<gpu::StarSpan> span;
    for (const std::size_t n : sizes()) {
        if (n == 0) continue;  // dark spaxels are not dense
        const auto first = std::uint32_t(star.size());
        for (std::size_t k = 0; k < n; ++k)
            star.push_back({int(rng() % 2) * 4 + int(rng() % 3), uniform(rng), uniform(rng),
                            k % 7 == 3 ? 0.0F : 1e5F * uniform(rng), float(5e-4 * normal(rng)), 1, 0.01F, 0});
        span.push_back({first, std::uint32_t(star.size())});
    }
    const Stream s;
    const auto dStar = onDevice(s, star);
    const auto dSpan = onDevice(s, span);
    const auto sums = underSeeds([&] {
        DeviceBuffer<gpu::SpanSums> d(span.size(), s);
        gpu::sumSpans(s, {dStar.view(), dSpan.view(), d.view()});
        return onHost(s, d);
    });
    std::vector<gpu::DenseNodes> nodes;
    std::vector<gpu::DensePart> part;
    std::vector<double> unit;
    for (std::size_t p = 0; p < span.size(); ++p) {
        double mass = 0, low = 1, high = -1;
        for (std::uint32_t i = span[p].first; i < span[p].end; ++i) {
            mass += double(star[i].mass);
            low = std::min(low, double(star[i].shift));
            high = std::max(high, double(star[i].shift));
        }
        REQUIRE(sums[p].mass == Approx(mass).epsilon(1e-12));
        REQUIRE(double(sums[p].shiftMin) == low);
        REQUIRE(double(sums[p].shiftMax) == high);
        const int first = int(std::floor(low / step)) - 1, last = int(std::floor(high / step)) + 2;
        nodes.push_back(
            {first, std::uint32_t(last - first + 1), std::uint32_t(unit.size()), gpu::coefficientUnit(mass)});
        unit.insert(unit.end(), nodes.back().nodes, nodes.back().unit);
        const std::uint32_t middle = (span[p].first + span[p].end) / 2;  // two blocks add to the same coefficients
        part.push_back({{span[p].first, middle}, std::uint32_t(p)});
        part.push_back({{middle, span[p].end}, std::uint32_t(p)});
    }
    const auto dNodes = onDevice(s, nodes);
    const auto dPart = onDevice(s, part);
    const auto dUnit = onDevice(s, unit);
    const auto found = underSeeds([&] {
        DeviceBuffer<unsigned long long> sum(unit.size() * templates, s);
        sum.zero();
        gpu::scatterCoefficients(s, {dStar.view(), dPart.view(), dNodes.view(), 1 / step, templates, 4, 1, sum.view()});
        DeviceBuffer<float> out(sum.size(), s);
        gpu::coefficients(s, {sum.view(), dUnit.view(), templates, out.view()});
        return onHost(s, out);
    });
    std::vector<double> expected(found.size(), 0.0);
    for (std::size_t p = 0; p < span.size(); ++p)
        for (std::uint32_t i = span[p].first; i < span[p].end; ++i) {
            const double at = double(star[i].shift) / step;
            for (std::uint32_t n = 0; n < nodes[p].nodes; ++n) {
                // The product over the other nodes of the four, where this is one of them.
                const int k = nodes[p].firstNode + int(n), below = int(std::floor(at));
                if (k < below - 1 || k > below + 2) continue;
                double weight = 1;
                for (int j = below - 1; j <= below + 2; ++j)
                    if (j != k) weight *= (at - j) / (k - j);
                const double fa = double(star[i].ageFraction), fz = double(star[i].zFraction);
                const double w[] = {(1 - fz) * (1 - fa), (1 - fz) * fa, fz * (1 - fa), fz * fa};
                const int to[] = {0, 1, 4, 5};
                for (int c = 0; c < 4; ++c)
                    expected[(nodes[p].row + n) * templates + std::size_t(star[i].corner + to[c])] +=
                        double(star[i].mass) * w[c] * weight;
            }
        }
    for (std::size_t p = 0; p < span.size(); ++p)
        for (std::size_t i = nodes[p].row * templates; i < (nodes[p].row + nodes[p].nodes) * templates; ++i)
            REQUIRE(std::fabs(double(found[i]) - expected[i]) <= 1e-6 * sums[p].mass);
}

TEST_CASE("products of matrices are sums over the inner index", "[gpu]") {
    for (const std::size_t rows : sizes()) {
        const std::size_t inner = 21, columns = 32, stride = 35;
        std::mt19937_64 rng(2);
        std::uniform_real_distribution<float> uniform(-1, 1);
        std::vector<float> a(rows * (inner + 2)), b(inner * stride);
        for (float& x : a) x = uniform(rng);
        for (float& x : b) x = uniform(rng);
        const Stream s;
        const auto dA = onDevice(s, a), dB = onDevice(s, b);
        DeviceBuffer<float> dC(rows * stride, s);
        dC.zero();
        const gpu::Gemm product(s);
        product({dA.view(), rows, inner, inner + 2}, {dB.view(), inner, columns, stride},
                {dC.view(), rows, columns, stride});
        const std::vector<float> c = onHost(s, dC);
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t j = 0; j < stride; ++j) {
                double sum = 0;
                for (std::size_t k = 0; k < inner && j < columns; ++k)
                    sum += double(a[r * (inner + 2) + k]) * double(b[k * stride + j]);
                REQUIRE(std::fabs(double(c[r * stride + j]) - sum) < 1e-5);
            }
    }
}
