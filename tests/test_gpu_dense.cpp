// Dense spaxels in coefficients on the device, on fibres: against the oracle and against the CPU's coefficients.
#include <algorithm>

#include "device_observer.hpp"
#include "oracle.hpp"
#include "stages/blocks.hpp"
#include "support.hpp"
#include "team.hpp"
#include "tessera/stages.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr double redshift = 0.1;

struct Scene {
    Stars stars = randomStars(3000, 51, 0.8, 150);  // crowded in the middle, single stars outside
    SspLibrary library;
    SpaxelGrid grid{6, 1, 1};
    WavelengthGrid window;
};

// Spectra on the device; spaxels of starsPerNode stars or more for every node are summed in coefficients.
Cube onDevice(const Scene& s, KnotTable& table, double starsPerNode) {
    const std::size_t n = s.grid.n;
    const CubePlan plan(Optics({}, {}, n, s.window), std::vector<std::uint8_t>(n * n, 1),
                        std::vector<std::uint8_t>(s.window.size, 1));
    ResourcesConfig resources;
    resources.deterministic = false;
    const Comm self = Comm::self();
    Team team(self);
    Knots knots{std::move(table), {}};
    const DeviceView view{plan,
                          s.grid,
                          Doppler::relativistic,
                          redshift,
                          s.library,
                          [&](const TableKey&, Team&) -> Knots& { return knots; },
                          [&] { return Cube(n, n, s.window.size); },
                          nullptr,
                          resources,
                          starsPerNode};
    GalaxyCube g;
    const auto frame = [](const DeviceGalaxy::FrameParts&) { return GalaxyFrame{}; };
    const DeviceGalaxy galaxy{s.stars, rowBlocks(s.stars), true, 0, frame, {}, team, g};
    bool made = false;
    makeDeviceObserver(Backend::simt, 0)->observe(view, {&galaxy, 1}, [&](std::size_t, const DeviceOutcome& o) {
        made = !o.empty && !o.fault;
    });
    table = std::move(knots.table);
    REQUIRE(made);
    return std::move(g.flux);
}

struct Prepared {
    KnotTable table;
    BinnedStars stars;
};
Prepared prepare(const Scene& s, double accuracy, double starsPerNode) {
    Projected p = project(Host{2}, s.stars, {{}, {}, Mat3d{}}, 0, s.grid, Doppler::relativistic);
    Prepared r{knots(s.library, redshift, "air", s.window, p.shiftMin, p.shiftMax, accuracy), {}};
    r.table.nodeStep = nodeSpacing(Host{2}, r.table, s.window, nullptr, accuracy).step;
    r.table.starsPerNode = starsPerNode;
    r.stars = bin(Host{2}, s.stars, std::move(p), s.grid.n * s.grid.n, r.table);
    return r;
}

}  // namespace

TEST_CASE("dense spaxels on simt are those of the oracle and of the cpu", "[gpu]") {
    for (const bool log : {false, true})
        for (const double step : {20.0, 0.9}) {
            const WavelengthGrid window =
                log ? WavelengthGrid{4900, 1e-4, 200, true} : WavelengthGrid{4900.15, 1.25, 200, false};
            const Scene s{.library = lineLibrary(step), .window = window};
            const double accuracy = 1e-4, starsPerNode = 2;
            Prepared p = prepare(s, accuracy, starsPerNode);
            const std::size_t spaxels = s.grid.n * s.grid.n;
            REQUIRE(p.table.nodeStep > 0);
            REQUIRE(!p.stars.dense.empty());
            const Cube found = onDevice(s, p.table, starsPerNode);
            OracleView view;
            view.redshift = redshift;
            const Difference truth =
                compareSpectra(found.data.data(), window.size, oracleSpectra(s.stars, view, s.library, s.grid, window),
                               spaxels, window.size);
            INFO("step " << step << ", log " << log << ", dense " << p.stars.dense.size() << ", worst " << truth.worst);
            CHECK(truth.worst < accuracy);
            CHECK(truth.brightest > 0);
            // The same coefficients, but for the stars outside the dense spaxels where the library is fine.
            std::vector<float> cpu(spaxels * window.size);
            accumulate(Host{2}, p.stars, p.table, window, 1, cpu.data(), window.size);
            const Difference d =
                compareSpectra(found.data.data(), window.size, {cpu.begin(), cpu.end()}, spaxels, window.size);
            CHECK(d.worst < (p.table.fine ? accuracy : 1e-5));
            // And they are summed in another way than star by star.
            const Cube one = onDevice(s, p.table, 1e30);
            const Difference other = compareSpectra(one.data.data(), window.size,
                                                    {found.data.begin(), found.data.end()}, spaxels, window.size);
            CHECK(other.worst > 0);
            CHECK(other.worst < accuracy);
        }
}
