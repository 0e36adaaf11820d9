#include "forward_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "oracle.hpp"
#include "support.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/pipeline.hpp"

namespace tessera::bench {

void checkForward(const Stars& stars, Config c, SspLibrary ssp, int threads) {
    ssp.medium = "unstated";  // the oracle knows no air
    c.psf.reset();
    c.lsf.reset();
    const GalaxyCube cube = observe(Host{threads}, stars, {}, c, 0, ssp, planck15());
    const auto count = std::find_if(cube.maps.begin(), cube.maps.end(), [](const Map& m) { return m.name == "stars"; });
    std::vector<std::size_t> lit;
    for (std::size_t s = 0; s < cube.flux.spaxels(); ++s)
        if (count->data[s] > 0) lit.push_back(s);
    std::sort(lit.begin(), lit.end(), [&](std::size_t a, std::size_t b) { return count->data[a] > count->data[b]; });
    test::OracleView view;
    view.rotation = cube.report.rotation;
    view.scale = fluxPerLuminosity(0.1, cube.report.luminosityDistanceMpc);
    double sum = 0, distance = cube.report.luminosityDistanceMpc * units::Mpc_cm;
    for (const float v : cube.flux.data) sum += double(v) * cube.wavelength.step;
    fmt::print("flux closure: {:.2e}\n", sum * units::flux_unit * 4 * units::pi * distance * distance /
                                                 units::Lsun_erg_s / cube.report.luminosityInBand -
                                             1);
    for (const double rank : {0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1.0}) {
        const std::size_t spaxel = lit[std::size_t(rank * double(lit.size() - 1))];
        // Only the stars of this spaxel go through the oracle.
        std::vector<std::size_t> chosen;
        for (std::size_t i = 0; i < stars.size(); ++i) {
            const Vec3d x = view.rotation * stars.position[i];
            if (spaxelOf(x.x, x.y, cube.grid) == spaxel) chosen.push_back(i);
        }
        Stars some(chosen.size());
        for (std::size_t k = 0; k < chosen.size(); ++k) {
            some.position[k] = stars.position[chosen[k]];
            some.velocity[k] = stars.velocity[chosen[k]];
            some.mass[k] = stars.mass[chosen[k]];
            some.age[k] = stars.age[chosen[k]];
            some.metallicity[k] = stars.metallicity[chosen[k]];
        }
        const auto all = test::oracleSpectra(some, view, ssp, cube.grid, cube.wavelength);
        const std::size_t n = cube.flux.nLambda;
        const std::vector<double> expected(all.begin() + std::ptrdiff_t(spaxel * n),
                                           all.begin() + std::ptrdiff_t((spaxel + 1) * n));
        const auto d = test::compareSpectra(cube.flux.spectrum(spaxel), n, expected, 1, n);
        fmt::print("spaxel of {:6} stars: largest difference / mean {:.2e}\n", chosen.size(), d.worst);
    }
}

}  // namespace tessera::bench
