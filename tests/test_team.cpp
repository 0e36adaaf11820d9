// A galaxy whose stars several ranks share: its cube is bitwise that of one rank that has them all.
#include <algorithm>
#include <cstring>

#include "observing.hpp"
#include "tessera/centre.hpp"
#include "tessera/comm/comm.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Setup {
    Config config = smallConfig();
    SspLibrary library = syntheticLibrary(20, 0.3);
    Stars stars;  // of all ranks
    GalaxyInput input;

    explicit Setup(std::size_t n = 30000) : stars(randomStars(n, 11, 1.2, 120)) {
        config.resources.threads = 1;
        config.noise = NoiseConfig{};
        config.noise->signalToNoise = 30;
        // Wind particles here and there, as a reader lists them.
        for (std::uint64_t row = 100; row < n; row += 997) stars.windRows.push_back(row);
        input.subhalo.id = 5;
        input.centre = {0.1, -0.05, 0.2};
    }
};

std::uint64_t rowsOf(const Stars& s) {
    return s.size() + s.windRows.size();
}

// This rank's part: cuts at multiples of blockRows, at fractions of the rows that `bend` makes unequal.
Stars mine(const Stars& all, double bend) {
    const Comm world = Comm::world();
    const std::uint64_t rows = rowsOf(all);
    const auto cut = [&](int k) {
        if (k == world.size()) return rows;
        const double at = std::pow(double(k) / world.size(), bend) * double(rows);
        return std::min(rows, std::uint64_t(at / double(blockRows)) * blockRows);
    };
    const std::uint64_t first = cut(world.rank());
    return sliceRows(all, first, cut(world.rank() + 1) - first);
}

bool sameBits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

void checkSame(const Setup& s, double bend = 1) {
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{s.config.resources.threads}, s.config, s.library, cosmology, tables);
    for (std::size_t view = 0; view < s.config.views.size(); ++view) {
        const GalaxyCube alone = observer.observe(s.stars, s.input, view);
        const std::uint64_t before = Comm::bytesMoved();
        const GalaxyCube shared = observer.observe(mine(s.stars, bend), s.input, view, Comm::world());
        const Comm world = Comm::world();
        std::uint64_t moved = Comm::bytesMoved() - before;
        world.sum(&moved, 1);
        if (world.size() > 1 && bend == 1) CHECK(moved > 0);
        if (world.rank() != 0) {
            CHECK(shared.flux.data.empty());
            continue;
        }
        INFO("view " << view << ", library of " << s.library.nLambda() << " samples");
        CHECK(total(alone) > 0);
        CHECK(same(shared.flux, alone.flux));
        CHECK(same(shared.variance, alone.variance));
        REQUIRE(shared.maps.size() == alone.maps.size());
        for (std::size_t m = 0; m < alone.maps.size(); ++m) {
            INFO(alone.maps[m].name);
            CHECK(shared.maps[m].name == alone.maps[m].name);
            CHECK(std::memcmp(shared.maps[m].data.data(), alone.maps[m].data.data(), alone.maps[m].data.size() * 4) ==
                  0);
        }
        const GalaxyReport &a = alone.report, &b = shared.report;
        CHECK(a.nStars == b.nStars);
        CHECK(a.nWind == b.nWind);
        CHECK(a.nStarsInField == b.nStarsInField);
        CHECK(a.nClampedAge == b.nClampedAge);
        CHECK(sameBits(a.massInField, b.massInField));
        CHECK(sameBits(a.luminosityInBand, b.luminosityInBand));
        for (int i = 0; i < 3; ++i) {
            CHECK(sameBits(a.systemicVelocity[i], b.systemicVelocity[i]));
            for (int k = 0; k < 3; ++k) CHECK(sameBits(a.rotation.row[i][k], b.rotation.row[i][k]));
        }
    }
}

}  // namespace

TEST_CASE("a shared galaxy, seen as it is and face-on, with and without PSF and LSF", "[team]") {
    Setup s;
    ViewConfig faceOn = s.config.views[0], inertia = faceOn, median = faceOn;
    faceOn.orientation = Orientation::faceOn;
    faceOn.systemicVelocity = SystemicVelocity::subhalo;  // no catalogue: the mean
    inertia.orientation = Orientation::edgeOn;
    inertia.faceOnFrom = FaceOnFrom::inertia;
    inertia.orientationRadius = 1.5;
    inertia.systemicVelocity = SystemicVelocity::mean;
    median.systemicVelocity = SystemicVelocity::median;
    median.systemicRadius = 1;
    s.config.views = {s.config.views[0], faceOn, inertia, median};
    checkSame(s);
    s.config.psf = PsfConfig{};
    s.config.psf->fwhm = 0.5;
    s.config.lsf = LsfConfig{};
    s.config.lsf->fwhm = 3.0;
    checkSame(s);
    checkSame(s, 3);  // parts of unequal length, the first ones without a star
    s.config.psf->border = PsfBorder::zero;
    s.config.telescope.aperture = Aperture::hexagon;
    checkSame(s, 0.3);
}

TEST_CASE("a shared galaxy of which few stars lie in the field", "[team]") {
    Setup s(20000);
    s.config.telescope = testTelescope(0.4, 0.2, 4800, 5550, 1.25);
    checkSame(s);
    Setup none(9000);
    none.input.centre = {500, 500, 500};
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{1}, none.config, none.library, cosmology, tables);
    CHECK_THROWS_AS(observer.observe(mine(none.stars, 1), none.input, 0, Comm::world()), EmptyField);
}

TEST_CASE("a shared galaxy of a fine library", "[team]") {
    Setup s;
    s.library = syntheticLibrary(0.9, 0.2, 3, 4, 2);
    s.config.lsf = LsfConfig{};
    s.config.lsf->fwhm = 2.5;
    checkSame(s);
    checkSame(s, 2);
}

TEST_CASE("a shared galaxy in blocks of wavelengths that the memory allows", "[team]") {
    Setup s;
    s.config.psf = PsfConfig{};
    s.config.resources.memoryPerRank = 400'000;
    checkSame(s);
}

TEST_CASE("a shared galaxy whose dense spaxels are summed in coefficients", "[team]") {
    Setup s(1'100'000);
    s.config.views[0].redshift = 0.5;  // all inside
    s.config.telescope = testTelescope(3, 0.2, 6200, 6700, 1.25);
    s.config.spectra.coefficientsFrom = 8;
    s.config.lsf = LsfConfig{};
    s.config.lsf->fwhm = 3.0;
    checkSame(s);
    s.library = syntheticLibrary(0.9, 0.2, 3, 4, 2);
    checkSame(s);
}

TEST_CASE("a shared galaxy whose stars have footprints", "[team]") {
    Setup s(12000);
    s.config.psf = PsfConfig{};
    s.config.projection.footprint = FootprintKind::cloudInCell;
    checkSame(s);
    s.stars.smoothing = Buffer<float>(s.stars.size());
    for (std::size_t i = 0; i < s.stars.size(); ++i) s.stars.smoothing[i] = 0.01F * float(i % 80);
    s.config.projection.footprint = FootprintKind::sph;
    checkSame(s, 2);
}

TEST_CASE("a shared galaxy in RUBIX's conventions", "[team]") {
    Setup s(10000);
    s.config.compat = Compat::rubix;
    s.config.noise.reset();
    s.library = syntheticLibrary(20, 0.3, 7, 4, 2);
    checkSame(s);
}

TEST_CASE("the densest point of shared stars", "[team]") {
    const Setup s;
    const Comm world = Comm::world();
    const Gather gather([&](const Gather::Values& v) { return world.gatherAll(std::span<const double>(v)); });
    const Vec3d alone = densestPoint(s.stars), shared = densestPoint(mine(s.stars, 2), gather);
    for (int i = 0; i < 3; ++i) CHECK(sameBits(alone[i], shared[i]));
    CHECK(norm(alone) < 0.5);
    CHECK_THROWS_AS(densestPoint(Stars{}, gather), Error);
}
