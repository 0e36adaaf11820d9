// A galaxy whose stars several ranks share, on their simulated devices: bitwise the cube of one device that has them all, and
// the CPU's to 1e-5; by NCCL's calls and through the hosts' memory.
#include <cstring>

#include "observing.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/gpu/launch.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Setup {
    Config config = smallConfig();
    SspLibrary library = syntheticLibrary(20, 0.3);
    Stars stars;  // of all ranks
    GalaxyInput input;

    explicit Setup(std::size_t n = 13000) : stars(randomStars(n, 11, 1.2, 120)) {
        config.resources.threads = 1;
        config.resources.backend = Backend::simt;
        config.resources.exchangeTimeout = 60;
        config.telescope.wavelengthMax = 4900;
        for (std::uint64_t row = 100; row < n; row += 997) stars.windRows.push_back(row);
        input.subhalo.id = 5;
        input.centre = {0.1, -0.05, 0.2};
    }
};

// This rank's part, cut at multiples of blockRows; bend makes parts unequal, and the first ones empty.
Stars mine(const Stars& all, double bend = 1) {
    const Comm world = Comm::world();
    const std::uint64_t rows = all.size() + all.windRows.size();
    const auto cut = [&](int k) {
        const double at = std::pow(double(k) / world.size(), bend) * double(rows);
        return k == world.size() ? rows : std::min(rows, std::uint64_t(at / double(blockRows)) * blockRows);
    };
    const std::uint64_t first = cut(world.rank());
    return sliceRows(all, first, cut(world.rank() + 1) - first);
}

GalaxyCube observeWith(const Setup& s, Backend backend, const Stars& stars, const Comm& comm) {
    Config c = s.config;
    c.resources.backend = backend;
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{1}, c, s.library, cosmology, tables);
    return observer.observe(stars, s.input, 0, comm);
}

bool sameMaps(const GalaxyCube& a, const GalaxyCube& b) {
    bool same = a.maps.size() == b.maps.size() && !a.maps.empty();
    for (std::size_t m = 0; same && m < a.maps.size(); ++m)
        same = a.maps[m].name == b.maps[m].name && a.maps[m].data.size() == b.maps[m].data.size() &&
               std::memcmp(a.maps[m].data.data(), b.maps[m].data.data(), a.maps[m].data.size() * 4) == 0;
    return same;
}

void checkShared(Setup& s, double bend = 1) {
    const Comm world = Comm::world();
    GalaxyCube alone;
    if (world.rank() == 0) {
        alone = observeWith(s, Backend::simt, s.stars, Comm::self());
        CHECK(total(alone) > 0);
        const GalaxyCube cpu = observeWith(s, Backend::cpu, s.stars, Comm::self());
        CHECK(difference(alone.flux, cpu.flux) < (s.config.noise ? 1e-4 : 1e-5));
    }
    for (const ExchangeWay way : {ExchangeWay::nccl, ExchangeWay::mpi}) {
        INFO((way == ExchangeWay::nccl ? "nccl" : "mpi") << ", parts to the power of " << bend);
        s.config.resources.exchange = way;
        const std::uint64_t before = Comm::bytesMoved();
        const GalaxyCube shared = observeWith(s, Backend::simt, mine(s.stars, bend), world);
        std::uint64_t moved = Comm::bytesMoved() - before;
        world.sum(&moved, 1);
        CHECK((moved > 0) == (world.size() > 1));
        if (world.rank() != 0) {
            CHECK(shared.flux.data.empty());
            CHECK(shared.maps.empty());
            continue;
        }
        CHECK(same(shared.flux, alone.flux));
        CHECK(same(shared.variance, alone.variance));
        CHECK(sameMaps(shared, alone));
        CHECK(shared.report.nStars == alone.report.nStars);
        CHECK(shared.report.nStarsInField == alone.report.nStarsInField);
        CHECK(shared.report.massInField == alone.report.massInField);
        CHECK(shared.report.systemicVelocity.x == alone.report.systemicVelocity.x);
        CHECK(shared.report.rotation.row[1].y == alone.report.rotation.row[1].y);
    }
}

}  // namespace

TEST_CASE("a galaxy on several devices", "[gpu]") {
    Setup s;
    SECTION("spectra alone") {
        checkShared(s);
    }
    SECTION("turned by its moments, line spread, point spread, parts of unequal length") {
        s.config.views[0].orientation = Orientation::faceOn;
        s.config.views[0].systemicVelocity = SystemicVelocity::mean;
        s.config.psf = PsfConfig{};
        s.config.psf->fwhm = 0.5;
        s.config.lsf = LsfConfig{};
        s.config.lsf->fwhm = 3.0;
        checkShared(s, 3);
    }
    SECTION("noise, a round aperture, a point spread that ends at the field") {
        s.config.noise = NoiseConfig{};
        s.config.noise->signalToNoise = 30;
        s.config.telescope.aperture = Aperture::circle;
        s.config.psf = PsfConfig{};
        s.config.psf->fwhm = 0.5;
        s.config.psf->border = PsfBorder::zero;
        checkShared(s, 0.5);
    }
    SECTION("one spaxel of nearly all stars, in runs longer than the longest") {
        for (std::size_t i = 0; i < s.stars.size(); ++i)
            if (i % 50 != 0) {
                s.stars.position[i] = s.input.centre + Vec3d{0.01, 0.01, 0};
                s.stars.velocity[i] = {};
            }
        checkShared(s);
    }
}

TEST_CASE("RUBIX's conventions on several devices", "[gpu]") {
    Setup s(9000);
    s.config.compat = Compat::rubix;
    s.config.output.unit = CubeUnit::luminosity;
    s.config.telescope.wavelengthMax = 4850;
    s.library = syntheticLibrary(20, 0.3, 7, 4, 2);
    checkShared(s);
}

TEST_CASE("no star in the field of several devices", "[gpu]") {
    Setup s(5000);
    s.input.centre = {500, 500, 500};
    CHECK_THROWS_AS(observeWith(s, Backend::simt, mine(s.stars), Comm::world()), EmptyField);
}

TEST_CASE("ranks on one device exchange through the hosts", "[gpu]") {
    const Comm world = Comm::world();
    if (world.size() == 1) return;
    setenv("TESSERA_SIMT_DEVICES", "1", 1);
    Setup s(9000);
    const GalaxyCube shared = observeWith(s, Backend::simt, mine(s.stars), world);
    if (world.rank() == 0) CHECK(same(shared.flux, observeWith(s, Backend::simt, s.stars, Comm::self()).flux));
    s.config.resources.exchange = ExchangeWay::nccl;
    CHECK_THROWS_WITH(observeWith(s, Backend::simt, mine(s.stars), world),
                      Catch::Contains("ranks 0 and 1") && Catch::Contains("simulated device 0 of"));
    unsetenv("TESSERA_SIMT_DEVICES");
}
