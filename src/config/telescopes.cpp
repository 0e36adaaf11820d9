#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>

#include "config/suggest.hpp"
#include "tessera/core/error.hpp"
#include "tessera/model/config.hpp"

namespace tessera {

namespace {

constexpr const char* rubix = "RUBIX 0.0.5";
constexpr const char* simspin = "SimSpin 2.10.4";
constexpr const char* both = "RUBIX 0.0.5, SimSpin 2.10.4";

Telescope muse(const char* name, double fov, double spaxel, const char* source) {
    return {name, fov, spaxel, Aperture::square, 4700.15, 9351.4, 1.25, false, 2.51, "air", source};
}

Telescope nirspec(const char* mode, double min, double max, double step, double lsf) {
    return {std::string("NIRSpec_") + mode, 3, 0.1, Aperture::square, min, max, step, false, lsf, "vacuum", rubix};
}

// The five sizes of fibre bundles (19, 37, 61, 91, 127 fibres).
Telescope manga(const char* name, double fov, const char* source) {
    return {name, fov, 0.5, Aperture::hexagon, 3622, 10354, 1.04, false, 2.85, "vacuum", source};
}

// The survey's own LOGCUBE grid: 4563 pixels of 1e-4 dex from 3621.5960 Angstrom.
Telescope mangaLog() {
    constexpr double first = 3621.5960, step = 1e-4;
    return {"MaNGA_32_log", 32,   0.5,      Aperture::hexagon,  first, first * std::pow(10.0, 4562.5 * step), step,
            true,           2.85, "vacuum", "MaNGA DRP LOGCUBE"};
}

std::vector<Telescope> makeTable() {
    return {
        muse("MUSE", 5, 0.2, both),
        muse("MUSE_WFM", 60, 0.2, both),
        muse("MUSE_NFM", 7.5, 0.025, "SimSpin 2.10.4 (spaxel 0.025 arcsec); field: ESO MUSE User Manual"),
        muse("MUSE_ultraWFM", 180, 0.2, rubix),
        nirspec("PRISM_CLEAR", 6000, 53000, 114.36, 471.00),
        nirspec("G140M_F070LP", 7000, 12600, 6.38, 15.02),
        nirspec("G140M_F100LP", 9800, 18800, 6.38, 15.02),
        nirspec("G235M_F170LP", 17000, 31500, 10.69, 25.20),
        nirspec("G395M_F290LP", 28800, 52000, 17.98, 42.39),
        nirspec("G140H_F070LP", 7000, 12600, 2.41, 5.65),
        nirspec("G140H_F100LP", 9800, 18700, 2.37, 5.65),
        nirspec("G235H_F170LP", 17000, 31500, 3.98, 9.42),
        nirspec("G395H_F290LP", 28800, 52000, 6.69, 15.78),
        manga("MaNGA_12", 12, both),
        manga("MaNGA_17", 17, simspin),
        manga("MaNGA_22", 22, simspin),
        manga("MaNGA_27", 27, simspin),
        manga("MaNGA_32", 32, both),
        mangaLog(),
        {"SAMI", 15, 0.5, Aperture::circle, 3750, 5750, 1.04, false, 2.65, "air", both},
        {"Hector", 30, 0.1, Aperture::hexagon, 3720, 5910, 1.6, false, 1.3, "air", both},
        {"CALIFA", 74, 1.0, Aperture::hexagon, 3700, 4750, 2.7, false, 2.7, "air", both},
    };
}

// Letters and digits in lower case: MaNGA-12, manga 12 and MANGA_12 are one name.
std::string plain(const std::string& name) {
    std::string letters;
    for (unsigned char c : name)
        if (std::isalnum(c)) letters += static_cast<char>(std::tolower(c));
    return letters;
}

const std::map<std::string, std::string>& aliases() {
    static const std::map<std::string, std::string> names{{"manga19", "MaNGA_12"},
                                                          {"manga37", "MaNGA_17"},
                                                          {"manga61", "MaNGA_22"},
                                                          {"manga91", "MaNGA_27"},
                                                          {"manga127", "MaNGA_32"},
                                                          {"mangalog", "MaNGA_32_log"},
                                                          {"nirspecprism", "NIRSpec_PRISM_CLEAR"}};
    return names;
}

}  // namespace

std::size_t Telescope::spaxels() const {
    expects(fov > 0 && spaxel > 0 && fov / spaxel < 1e9, "a telescope with a field and spaxels");
    return std::size_t(std::max(1.0, std::round(fov / spaxel)));
}

WavelengthGrid Telescope::wavelengths() const {
    const double range = log ? std::log10(wavelengthMax / wavelengthMin) : wavelengthMax - wavelengthMin;
    expects(range > 0 && wavelengthStep > 0 && range / wavelengthStep < 1e12,
            "a telescope with a range of wavelengths");
    // Pixels below max; a ratio that rounding lifts just above an integer n is n pixels, not n + 1.
    const double pixels = range / wavelengthStep;
    const double rounding = 4 * std::numeric_limits<double>::epsilon() * (log ? 1 : wavelengthMax) / wavelengthStep;
    const std::size_t size = std::size_t(std::max(1.0, std::ceil(pixels * (1 - 1e-9) - rounding)));
    return {wavelengthMin, wavelengthStep, size, log};
}

const std::vector<Telescope>& telescopeTable() {
    static const std::vector<Telescope> table = makeTable();
    return table;
}

const Telescope& findTelescope(const std::string& name) {
    std::string wanted = plain(name);
    if (const auto alias = aliases().find(wanted); alias != aliases().end()) wanted = plain(alias->second);
    std::vector<std::string> known;
    for (const Telescope& t : telescopeTable()) {
        if (plain(t.name) == wanted) return t;
        known.push_back(t.name);
    }
    throw ConfigError(fmt::format("unknown telescope \"{}\"; nearest: \"{}\" (`tessera telescopes` lists all)", name,
                                  nearestName(name, known)));
}

}  // namespace tessera
