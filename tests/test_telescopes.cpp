// The telescope table against RUBIX's (reference/make_telescopes.py), and grids against numpy's arange.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/model/config.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using test::messageOf;

TEST_CASE("RUBIX's telescopes are known, with RUBIX's numbers") {
    const auto rows = nlohmann::json::parse(std::ifstream(TESSERA_REFERENCE_DIR "/telescopes_rubix.json"));
    REQUIRE(rows.size() == 17);
    for (const auto& row : rows) {
        const std::string name = row["name"];
        INFO(name);
        const Telescope& t = findTelescope(name);
        CHECK(t.fov == row["fov"].get<double>());
        CHECK(t.spaxel == row["spaxel"].get<double>());
        CHECK(t.wavelengthMin == row["min"].get<double>());
        CHECK(t.wavelengthMax == row["max"].get<double>());
        CHECK(t.wavelengthStep == row["step"].get<double>());
        CHECK(t.lsfFwhm == row["lsf_fwhm"].get<double>());
        CHECK((t.aperture == Aperture::square   ? "square"
               : t.aperture == Aperture::circle ? "circle"
                                                : "hexagon") == row["aperture"].get<std::string>());
        CHECK(t.spaxels() == row["spaxels"].get<std::size_t>());
        // numpy's arange gives a pixel more or less where rounding decides (MUSE: (9351.4 - 4700.15) / 1.25 = 3721).
        const double ratio = (t.wavelengthMax - t.wavelengthMin) / t.wavelengthStep;
        const std::size_t pixels = t.wavelengths().size;
        if (std::fabs(ratio - std::round(ratio)) > 1e-6)
            CHECK(pixels == row["pixels"].get<std::size_t>());
        else
            CHECK(pixels == std::size_t(std::round(ratio)));
    }
}

// SimSpin 2.10.4, R/telescope.R: MaNGA by bundle, 0.5 arcsec, 2.85 Angstrom; MUSE narrow field 0.025 arcsec.
TEST_CASE("SimSpin's telescopes are known") {
    for (const double fov : {12.0, 17.0, 22.0, 27.0, 32.0}) {
        const Telescope& t = findTelescope("MaNGA_" + std::to_string(int(fov)));
        CHECK(t.fov == fov);
        CHECK(t.spaxel == 0.5);
        CHECK(t.lsfFwhm == 2.85);
        CHECK(t.aperture == Aperture::hexagon);
        CHECK(t.medium == "vacuum");
    }
    CHECK(findTelescope("MUSE_NFM").spaxel == 0.025);
    CHECK(findTelescope("MUSE_NFM").spaxels() == 300);
}

TEST_CASE("names are found in any case, and by alias") {
    for (const char* name : {"muse", "Muse", "MUSE"}) CHECK(findTelescope(name).name == "MUSE");
    for (const char* name : {"hector", "HECTOR", "Hector"}) CHECK(findTelescope(name).name == "Hector");
    for (const char* name : {"manga_12", "MaNGA-12", "MANGA12", "MaNGA_19"})
        CHECK(findTelescope(name).name == "MaNGA_12");
    CHECK(findTelescope("MaNGA_127").fov == 32);
    CHECK(findTelescope("NIRSpec_PRISM").name == "NIRSpec_PRISM_CLEAR");
    CHECK_THAT(messageOf<ConfigError>([] { findTelescope("MUES_WFM"); }), Contains("MUSE_WFM"));
    CHECK_THAT(messageOf<ConfigError>([] { findTelescope("Mnga_27"); }), Contains("MaNGA_27"));
}

TEST_CASE("every telescope's grid lies in its range") {
    std::set<std::string> names;
    for (const Telescope& t : telescopeTable()) {
        INFO(t.name);
        CHECK(names.insert(t.name).second);
        CHECK_FALSE(t.source.empty());
        const WavelengthGrid g = t.wavelengths();
        REQUIRE(g.size > 100);
        CHECK(g.centre(0) == t.wavelengthMin);
        CHECK(g.centre(double(g.size - 1)) < t.wavelengthMax * (1 - 1e-12));
        CHECK(g.centre(double(g.size)) >= t.wavelengthMax * (1 - 1e-9));
    }
}

TEST_CASE("grids of known surveys") {
    CHECK(findTelescope("MUSE").wavelengths().size == 3721);
    CHECK(findTelescope("MUSE").wavelengths().centre(3720) == Approx(9350.15).epsilon(1e-14));
    CHECK(findTelescope("MaNGA_32").wavelengths().size == 6474);
    // MaNGA's LOGCUBE: NAXIS3 4563, CRVAL3 3621.5960, last pixel 10353.805 Angstrom.
    const WavelengthGrid log = findTelescope("MaNGA_log").wavelengths();
    CHECK(log.size == 4563);
    CHECK(log.centre(4562) == Approx(10353.805).epsilon(1e-6));
}

TEST_CASE("max is excluded whatever the rounding") {
    Telescope t = findTelescope("MUSE");
    for (const double step : {0.1, 0.3, 1.0 / 3, 0.7, 1.25, 0.001})
        for (const int pixels : {1, 2, 3, 10, 99, 1000, 4097})
            for (const double start : {3000.1, 4700.15, 9999.9}) {
                t.wavelengthMin = start;
                t.wavelengthStep = step;
                t.wavelengthMax = start + pixels * step;  // one rounding away from the last edge
                CHECK(t.wavelengths().size == std::size_t(pixels));
                t.wavelengthMax = start + (pixels + 0.01) * step;
                CHECK(t.wavelengths().size == std::size_t(pixels) + 1);
            }
}
