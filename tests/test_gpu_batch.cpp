// Galaxies that are worked on together on a device: bitwise their cubes one by one, with fewer launches.
#include <optional>

#include "observing.hpp"
#include "tessera/gpu/launch.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Survey {
    Config config = smallConfig();
    SspLibrary library = syntheticLibrary(20, 0.4);
    std::vector<Stars> stars;
    std::vector<GalaxyInput> inputs;

    explicit Survey(const std::vector<std::size_t>& sizes) {
        config.resources.threads = 1;
        config.resources.backend = Backend::simt;
        config.telescope = testTelescope(1.2, 0.2, 4800, 4900, 1.25);
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            // Every third one rotates so fast that its table of knots is another.
            stars.push_back(randomStars(sizes[i], 30 + unsigned(i), 0.7, i % 3 == 2 ? 250 : 60));
            if (i % 4 == 1)
                for (auto& x : stars.back().position) x += Vec3d{5, 6, 7};
            GalaxyInput& g = inputs.emplace_back();
            g.subhalo.id = 100 + std::int64_t(i);
            if (i % 4 == 1) g.centre = {5, 6, 7};
        }
    }
};

struct Outcome {
    std::vector<std::optional<GalaxyCube>> cubes;  // none: empty field
    std::uint64_t launches = 0;
};

Outcome observeAll(const Survey& s, bool together) {
    Outcome out;
    out.cubes.resize(s.stars.size());
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{1}, s.config, s.library, cosmology, tables);
    const std::uint64_t before = gpu::launches();
    const auto use = [&](std::size_t i, Observed&& o) {
        REQUIRE(!out.cubes[i].has_value());
        if (!o.fault) {
            out.cubes[i] = std::move(o.cube);
            return;
        }
        CHECK_THROWS_AS(std::rethrow_exception(o.fault), Unobservable);
    };
    std::vector<GalaxyToObserve> all;
    for (std::size_t i = 0; i < s.stars.size(); ++i) {
        const NoiseKey key{77 + i, std::uint32_t(i % 3)};
        all.push_back({&s.stars[i], &s.inputs[i], key});
        if (!together) observer.observe({&all.back(), 1}, 0, [&](std::size_t, Observed&& o) { use(i, std::move(o)); });
    }
    if (together) observer.observe(all, 0, use);
    out.launches = gpu::launches() - before;
    return out;
}

void checkSame(const Outcome& a, const Outcome& b) {
    for (std::size_t i = 0; i < a.cubes.size(); ++i) {
        INFO("galaxy " << i);
        REQUIRE(a.cubes[i].has_value() == b.cubes[i].has_value());
        if (!a.cubes[i]) continue;
        const GalaxyCube &x = *a.cubes[i], &y = *b.cubes[i];
        CHECK(x.report.subhalo == y.report.subhalo);
        CHECK(x.report.nStarsInField == y.report.nStarsInField);
        CHECK(x.report.massInField == y.report.massInField);
        CHECK(same(x.flux, y.flux));
        CHECK(same(x.variance, y.variance));
        REQUIRE(x.maps.size() == y.maps.size());
        for (std::size_t m = 0; m < x.maps.size(); ++m)
            CHECK(std::memcmp(x.maps[m].data.data(), y.maps[m].data.data(), x.maps[m].data.size() * 4) == 0);
    }
}

const std::vector<std::size_t> sizes{0,  1,  31, 32, 33, 63, 0,  64, 65, 128, 1000, 2,
                                     50, 51, 52, 53, 54, 55, 56, 57, 58, 59,  60,   61};

}  // namespace

TEST_CASE("galaxies together are bitwise what they are one by one", "[gpu]") {
    Survey s(sizes);
    std::size_t fewer = 3;  // times less launches
    SECTION("spectra alone") {}
    SECTION("point and line spread, noise, face-on") {
        s.config.psf = PsfConfig{};
        s.config.psf->fwhm = 0.4;
        s.config.lsf = LsfConfig{};
        s.config.lsf->fwhm = 2.5;
        s.config.noise = NoiseConfig{};
        s.config.noise->signalToNoise = 20;
        s.config.views[0].systemicVelocity = SystemicVelocity::mean;
    }
    SECTION("point spread that varies with wavelength acts before the line spread") {
        s.config.lsf = LsfConfig{};
        s.config.lsf->fwhm = 2.5;
        s.config.psf = PsfConfig{};
        s.config.psf->fwhm = 0.4;
        s.config.psf->referenceWavelength = 4850;
        s.config.psf->power = -2;
        s.config.noise = NoiseConfig{};
        s.config.noise->exposureTime = 3600;
        s.config.noise->readNoise = 3;
        s.config.telescope.aperture = Aperture::circle;
    }
    SECTION("point spread by Fourier transforms") {
        s.config.psf = PsfConfig{};
        s.config.psf->kind = PsfKind::moffat;
        s.config.psf->fwhm = 0.5;
        s = Survey({0, 33, 64, 1000, 128, 31});
        s.config.telescope.wavelengthMax = 4820;
        fewer = 1;  // transforms are made field by field
    }
    SECTION("RUBIX") {
        s.config.telescope.wavelengthMax = 4840;
        s.config.compat = Compat::rubix;
        s.config.output.unit = CubeUnit::luminosity;
        s.config.psf = PsfConfig{};
        s.config.psf->sigmaSpaxels = 0.6;
        s.config.psf->size = 5;
        s.config.lsf = LsfConfig{};
        s.config.lsf->sigma = 1.5;
    }
    const Outcome single = observeAll(s, false), together = observeAll(s, true);
    checkSame(single, together);
    CHECK(std::count_if(single.cubes.begin(), single.cubes.end(), [](const auto& c) { return c.has_value(); }) >= 5);
    INFO(single.launches << " launches one by one, " << together.launches << " together");
    CHECK(together.launches * fewer < single.launches);
}

TEST_CASE("a budget of the device's memory cuts groups and wavelengths, not results", "[gpu]") {
    Survey s({33, 1000, 128, 400, 300, 64});
    s.config.noise = NoiseConfig{};
    s.config.noise->signalToNoise = 20;
    s.config.psf = PsfConfig{};
    s.config.psf->fwhm = 0.4;
    s.config.telescope.wavelengthMax = 5550;
    const Outcome all = observeAll(s, true);
    for (const std::uint64_t budget : {16'000'000U, 4'000'000U}) {
        s.config.resources.deviceMemory = budget;
        gpu::mostAllocated() = 0;
        checkSame(observeAll(s, true), all);
        CHECK(gpu::mostAllocated() <= budget);
        checkSame(observeAll(s, false), all);
    }
}

TEST_CASE("page-locked memory is bounded by its budget, and changes no result", "[gpu]") {
    Survey s({33, 1000, 128, 400, 300, 64});
    s.config.telescope.wavelengthMax = 5550;
    const Outcome all = observeAll(s, true);
    const std::uint64_t staging = 8U << 20;
    for (const std::uint64_t room : {20'000'000U, 100U}) {
        s.config.resources.pinnedMemory = staging + room;
        REQUIRE(gpu::locked() == 0);
        gpu::mostLocked() = 0;
        checkSame(observeAll(s, true), all);
        CHECK(gpu::mostLocked() <= s.config.resources.pinnedMemory);
        CHECK(gpu::mostLocked() > (room > 1000 ? staging : 0));
        CHECK(gpu::locked() == 0);
    }
}

TEST_CASE("a galaxy of many stars among those of few", "[gpu]") {
    Survey s({64, 17000, 33, 31});
    s.config.telescope = testTelescope(1.2, 0.4, 4800, 4840, 1.25);
    s.config.views[0].orientation = Orientation::faceOn;
    s.config.views[0].systemicVelocity = SystemicVelocity::mean;
    checkSame(observeAll(s, true), observeAll(s, false));
}

TEST_CASE("what the caller throws is not taken for the device's", "[gpu]") {
    const Survey s({40, 41});
    const Cosmology cosmology = planck15();
    const InstrumentTables tables;
    Observer observer(Host{1}, s.config, s.library, cosmology, tables);
    const std::vector<GalaxyToObserve> all{{&s.stars[0], &s.inputs[0], {}}, {&s.stars[1], &s.inputs[1], {}}};
    int calls = 0;
    CHECK_THROWS_WITH(observer.observe(all, 0,
                                       [&](std::size_t, Observed&&) {
                                           ++calls;
                                           throw Error("the disk is full");
                                       }),
                      "the disk is full");
    CHECK(calls == 1);
}

TEST_CASE("a galaxy whose stars do not fit is streamed, with the same bits", "[gpu]") {
    Survey s({20000});
    s.config.telescope = testTelescope(1.2, 0.2, 4800, 4900, 1.25);
    for (std::uint64_t row = 100; row < 20000; row += 997) s.stars[0].windRows.push_back(row);
    SECTION("turned by its moments, with point spread and noise") {
        s.config.views[0].orientation = Orientation::faceOn;
        s.config.views[0].systemicVelocity = SystemicVelocity::mean;
        s.config.psf = PsfConfig{};
        s.config.psf->fwhm = 0.4;
        s.config.noise = NoiseConfig{};
        s.config.noise->signalToNoise = 20;
    }
    SECTION("one giant spaxel") {
        for (std::size_t i = 0; i < 20000; i += 2) s.stars[0].position[i] = {0.03, 0.02, 0.1 * double(i % 7)};
    }
    SECTION("RUBIX") {
        s = Survey({1500});
        s.config.compat = Compat::rubix;
        s.config.output.unit = CubeUnit::luminosity;
    }
    const Outcome whole = observeAll(s, false);
    REQUIRE(whole.cubes[0].has_value());
    for (const std::uint64_t budget : {3'500'000U, 900'000U}) {
        s.config.resources.deviceMemory = budget;
        gpu::mostAllocated() = 0;
        const Outcome streamed = observeAll(s, false);
        CHECK(gpu::mostAllocated() <= budget);
        checkSame(streamed, whole);
        INFO(whole.launches << " launches, " << streamed.launches << " streamed");
        if (s.stars[0].size() > 2000) CHECK(streamed.launches > 2 * whole.launches);
    }
}
