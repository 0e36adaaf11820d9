// The gather at the pixels: against that at the knots, whoever else has stars in a bin, and where it is chosen.
#include "stages/pixel_gather.hpp"

#include <cmath>
#include <cstring>
#include <random>
#include <utility>

#include "adjoint_scene.hpp"
#include "stages/spectra_derivative.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr std::size_t side = 3;

struct Binned {
    SspLibrary library;
    WavelengthGrid grid;
    KnotTable table;
    BinnedStars stars;

    Binned(std::size_t n, double velocity, const WavelengthGrid& g, int metallicities, int ages)
        : library(syntheticLibrary(0.9, 0.3, ages, metallicities, 3)), grid(g) {
        const Stars s = randomStars(n, 61, 0.9, velocity);
        const Projected p = project(Host{1}, s, {{}, {}, Mat3d{}}, 0, {side, side, 0.6}, Doppler::relativistic);
        table = knots(library, 0.1, "air", grid, p.shiftMin, p.shiftMax, 1e-4);
        REQUIRE(table.fine);
        table.starsPerNode = INFINITY;
        table.shiftStep = derivativeShiftStep(1e-4, true);
        stars = bin(Host{1}, s, p, side * side, table);
    }
    // Of some of the spaxels alone.
    BinnedStars part(std::size_t first, std::size_t end) const {
        BinnedStars b;
        b.start = Buffer<std::uint64_t>(end - first + 1);
        for (std::size_t s = first; s <= end; ++s) b.start[s - first] = stars.start[s] - stars.start[first];
        b.stars = Buffer<StarRecord>(b.start[end - first]);
        std::copy_n(stars.stars.data() + stars.start[first], b.stars.size(), b.stars.data());
        return b;
    }
    std::size_t stride() const { return (grid.size + 31) / 16 * 16; }
    std::vector<float> cotangent() const {
        std::vector<float> out(side * side * stride(), NAN);  // nothing behind the pixels is looked at
        std::mt19937_64 rng(7);
        std::normal_distribution<double> normal;
        for (std::size_t s = 0; s < side * side; ++s)
            for (std::size_t j = 0; j < grid.size; ++j) out[s * stride() + j] = float(normal(rng));
        return out;
    }
};

std::vector<StarRecordBar> gathered(const BinnedStars& stars, const Binned& b, const float* cotangent, int threads) {
    std::vector<StarRecordBar> bar(stars.stars.size(), StarRecordBar{});
    PixelGather(stars, b.table)(Host{threads}, b.grid, 1.5, cotangent, b.stride(), bar.data());
    return bar;
}

}  // namespace

TEST_CASE("stars gathered at the pixels have what they have at the knots", "[adjoint]") {
    // Pixels as wide as the knots' distance, and wider; tiles of pixels that are cut short; 9, 66 and 2 templates.
    for (const WavelengthGrid& grid :
         {WavelengthGrid{4900.15, 1.25, 150, false}, WavelengthGrid{4900.3, 45, 16, false}})
        for (const auto& [metallicities, ages] : {std::pair{3, 3}, {6, 11}, {1, 2}}) {
            Binned b(4000, 60, grid, metallicities, ages);
            const std::vector<float> cotangent = b.cotangent();
            const auto found = gathered(b.stars, b, cotangent.data(), 1),
                       again = gathered(b.stars, b, cotangent.data(), 3);
            CHECK(std::memcmp(found.data(), again.data(), found.size() * sizeof(StarRecordBar)) == 0);
            // Star by star: bins that none shares.
            const double step = std::exchange(b.table.shiftStep, 1e-9);
            std::vector<StarRecordBar> exact(found.size(), StarRecordBar{});
            TemplatesBar templates(b.table);
            SpectraDerivative(b.stars, b.table, grid.size)
                .adjoint(Host{1}, b.grid, 1.5, cotangent.data(), b.stride(), exact.data(), &templates);
            b.table.shiftStep = step;
            for (const auto member : {&StarRecordBar::mass, &StarRecordBar::ageFraction, &StarRecordBar::zFraction,
                                      &StarRecordBar::shift}) {
                double sum = 0, errors = 0;
                for (std::size_t k = 0; k < exact.size(); ++k) {
                    sum += sq(double(exact[k].*member));
                    errors += sq(double(exact[k].*member) - double(found[k].*member));
                }
                INFO(grid.size << " pixels, " << metallicities * ages << " templates");
                CHECK(std::sqrt(errors) <= (member == &StarRecordBar::shift ? 6e-4 : 1e-5) * std::sqrt(sum));
            }
            // Stars beside which others stand in a bin, or not.
            const std::size_t cut = 4;
            for (const auto& [first, end] : {std::pair{std::size_t(0), cut}, {cut, side * side}}) {
                const auto part = gathered(b.part(first, end), b, cotangent.data() + first * b.stride(), 2);
                CHECK(std::memcmp(part.data(), found.data() + b.stars.start[first],
                                  part.size() * sizeof(StarRecordBar)) == 0);
            }
        }
}

TEST_CASE("many stars in few bins are gathered at the pixels, however they are shared", "[adjoint]") {
    int yes = 0, no = 0;
    for (const std::size_t n : {100, 1000, 10000, 40000})
        for (const double velocity : {20.0, 300.0}) {
            const WavelengthGrid grid{4900.15, 1.25, 200, false};
            const Binned b(n, velocity, grid, 3, 3);
            const bool whole = PixelGather(b.stars, b.table).pays(grid.size);
            (whole ? yes : no) += 1;
            // Two processes, each of which hands in its own values.
            const BinnedStars low = b.part(0, 5), high = b.part(5, side * side);
            Gather::Values ofHigh, ofBoth;
            PixelGather(high, b.table).pays(grid.size, Gather([&](const Gather::Values& mine) {
                                                ofHigh = mine;
                                                return mine;
                                            }));
            const bool shared =
                PixelGather(low, b.table).pays(grid.size, Gather([&](const Gather::Values& mine) {
                                                   ofBoth = mine;
                                                   ofBoth.insert(ofBoth.end(), ofHigh.begin(), ofHigh.end());
                                                   return ofBoth;
                                               }));
            CHECK(shared == whole);
        }
    CHECK(yes > 0);
    CHECK(no > 0);
}
