// A galaxy whose stars several ranks share: its gradients are bitwise those of one rank that has them all.
#include <cstring>

#include "observing.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/comm/comm.hpp"

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
        config.views[0].orientation = Orientation::faceOn;
        config.views[0].systemicVelocity = SystemicVelocity::subhalo;  // no catalogue: the mean
        config.psf = PsfConfig{};
        config.lsf = LsfConfig{};
        config.lsf->fwhm = 2.6;
        for (std::uint64_t row = 100; row < n; row += 997) stars.windRows.push_back(row);
        stars.smoothing = Buffer<float>(n);
        for (std::size_t i = 0; i < n; ++i) stars.smoothing[i] = 0.01F * float(i % 60);
        input.subhalo.id = 5;
        input.centre = {0.1, -0.05, 0.2};
    }
};

std::uint64_t rowsOf(const Stars& s) {
    return s.size() + s.windRows.size();
}

// First row of a rank's part: cuts at multiples of blockRows, the first rank has more.
std::uint64_t cut(const Stars& all, int k) {
    const int ranks = Comm::world().size();
    if (k == ranks) return rowsOf(all);
    const double at = std::sqrt(double(k) / ranks) * double(rowsOf(all));
    return std::min(rowsOf(all), std::uint64_t(at / double(blockRows)) * blockRows);
}

template <class T>
bool sameRows(const Buffer<T>& mine, const Buffer<T>& all, std::size_t first) {
    return mine.empty() ? true : std::memcmp(mine.data(), all.data() + first, mine.size() * sizeof(T)) == 0;
}

void checkSame(const Setup& s, bool maps) {
    const Comm world = Comm::world();
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const std::size_t n = s.config.telescope.spaxels(), pixels = s.config.telescope.wavelengths().size;
    std::mt19937_64 rng(4);
    std::normal_distribution<double> normal;
    Cube bar(n, n, pixels);
    for (float& v : bar.data) v = float(normal(rng));
    std::vector<Map> mapsBar;
    if (maps)
        for (const char* name : {"velocity_light", "age_mass", "flux"}) {
            Map& map = mapsBar.emplace_back(Map{name, "", std::vector<float>(n * n)});
            for (float& v : map.data) v = float(normal(rng));
        }
    const InputsBar alone = Linearisation(Host{1}, s.stars, s.input, s.config, 0, s.library, cosmology, tables)
                                .vjp(bar, mapsBar, {true, false});
    const std::uint64_t first = cut(s.stars, world.rank()), end = cut(s.stars, world.rank() + 1);
    const Stars part = sliceRows(s.stars, first, end - first);
    const std::size_t star = sliceRows(s.stars, 0, first).size();
    const Linearisation at(Host{1}, part, s.input, s.config, 0, s.library, cosmology, tables, world);
    const InputsBar shared = at.vjp(bar, mapsBar, {true, false});

    CHECK(at.report().nStars == s.stars.size());
    REQUIRE(shared.stars.size() == part.size());
    CHECK(sameRows(shared.stars.mass, alone.stars.mass, star));
    CHECK(sameRows(shared.stars.logAge, alone.stars.logAge, star));
    CHECK(sameRows(shared.stars.metallicity, alone.stars.metallicity, star));
    CHECK(sameRows(shared.stars.velocity, alone.stars.velocity, star));
    CHECK(sameRows(shared.stars.position, alone.stars.position, star));
    CHECK(sameRows(shared.stars.smoothing, alone.stars.smoothing, star));
    const auto numbers = [](const InputsBar& g) {
        std::vector<double> v{g.redshiftShift, g.redshiftDistance, g.inclination, g.positionAngle,
                              g.twist,         g.psfFwhm,          g.smoothing};
        for (int k = 0; k < 3; ++k) {
            v.push_back(g.systemicVelocity[k]);
            v.push_back(g.centre[k]);
            for (int i = 0; i < 3; ++i) v.push_back(g.rotation.row[i][k]);
        }
        v.insert(v.end(), g.lsf.begin(), g.lsf.end());
        return v;
    };
    CHECK(numbers(shared) == numbers(alone));
    CHECK(alone.psfFwhm != 0);
    CHECK(alone.lsf.at(0) != 0);
    CHECK(alone.redshiftShift != 0);
    CHECK(norm(alone.systemicVelocity) > 0);
    double light = 0;
    for (const float m : alone.stars.mass) light += std::fabs(double(m));
    CHECK(light > 0);
}

}  // namespace

TEST_CASE("gradients of a shared galaxy", "[team]") {
    Setup s;
    checkSame(s, false);
    s.config.resources.memoryPerRank = 2'000'000;  // in blocks of wavelengths
    checkSame(s, true);
}

#ifdef TESSERA_HAS_SIMT
TEST_CASE("gradients of a shared galaxy on devices", "[team]") {
    Setup s(9000);
    s.config.resources.backend = Backend::simt;
    s.config.telescope = testTelescope(1, 0.2, 4900, 5000, 1.25);
    checkSame(s, true);
    s.config.projection.footprint = FootprintKind::sph;
    s.config.projection.smoothing = 0.1;
    checkSame(s, false);
    Setup many(17000);  // sums of the frame on the devices too
    many.config.resources.backend = Backend::simt;
    many.config.telescope = testTelescope(0.6, 0.2, 4900, 4912, 1.25);
    checkSame(many, true);
}
#endif

TEST_CASE("gradients of a shared galaxy whose stars have footprints", "[team]") {
    Setup s;
    s.config.projection.footprint = FootprintKind::cloudInCell;
    checkSame(s, true);
    s.config.projection.footprint = FootprintKind::sph;
    checkSame(s, false);
}

TEST_CASE("gradients of a shared galaxy with a fine library, gathered at the pixels and at the knots", "[team]") {
    Setup s(20000);
    s.library = syntheticLibrary(0.9, 0.2, 3, 3, 2);
    s.config.telescope = testTelescope(1, 0.2, 4900, 5100, 1.25);
    checkSame(s, false);
    Setup few(9000);
    few.library = syntheticLibrary(0.9, 0.2, 3, 3, 2);
    few.config.telescope = testTelescope(0.4, 0.2, 4900, 5000, 1.25);
    checkSame(few, false);
}

TEST_CASE("what is of whole galaxies alone is said", "[team]") {
    if (Comm::world().size() == 1) return;
    const Setup s;
    const Comm world = Comm::world();
    const std::uint64_t first = cut(s.stars, world.rank()), end = cut(s.stars, world.rank() + 1);
    const Stars part = sliceRows(s.stars, first, end - first);
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    const Linearisation at(Host{1}, part, s.input, s.config, 0, s.library, cosmology, tables, world);
    CHECK_THROWS_WITH(at.jvp({}), Catch::Contains("one rank"));
    CHECK_THROWS_WITH(at.vjp(Cube{}, GradientOptions{false, true}), Catch::Contains("one rank"));
}
