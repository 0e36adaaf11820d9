#include "io/fits_parts.hpp"

#include <cmath>
#include <map>
#include <regex>
#include <sstream>

namespace tessera {

std::string fitsUnit(const std::string& unit) {
    static const std::map<std::string, std::string> names{
        {"Msun", "solMass"}, {"solMass", "solMass"},   {"Lsun", "solLum"}, {"solLum", "solLum"}, {"A", "Angstrom"},
        {"Ang", "Angstrom"}, {"Angstrom", "Angstrom"}, {"erg", "erg"},     {"s", "s"},           {"cm", "cm"},
        {"km", "km"},        {"kpc", "kpc"},           {"pc", "pc"},       {"yr", "yr"},         {"Myr", "Myr"},
        {"Gyr", "Gyr"},      {"arcsec", "arcsec"}};
    // A separator, then a power of ten or a name with an optional exponent, whose sign a division turns.
    static const std::regex word(
        R"(([*/ .]*)(?:1[eE]([+-]?\d+)|10\*\*\(?([+-]?\d+)\)?|([A-Za-z]+)(?:\*\*|\^)?([+-]?\d+)?))");
    std::string result;
    std::size_t parsed = 0;
    for (std::sregex_iterator it(unit.begin(), unit.end(), word), end; it != end; ++it) {
        const std::smatch& m = *it;
        if (std::size_t(m.position()) != parsed) return "";
        parsed += std::size_t(m.length());
        std::string text;
        if (m[2].matched || m[3].matched) {
            text = "10**" + std::to_string(std::stoi(m[2].matched ? m[2].str() : m[3].str()));
        } else {
            const auto found = names.find(m[4].str());
            if (found == names.end()) return "";
            int power = m[5].matched ? std::stoi(m[5].str()) : 1;
            if (m[1].str().find('/') != std::string::npos) power = -power;
            text = found->second + (power == 1 ? "" : std::to_string(power));
        }
        if (!result.empty()) result += ' ';
        result += text;
    }
    return parsed == unit.size() ? result : "";
}

std::string squaredUnit(const std::string& unit) {
    std::istringstream words(unit);
    std::string result, word;
    while (words >> word) {
        const bool scale = word.rfind("10**", 0) == 0;
        const std::size_t digits = scale ? 4 : word.find_first_of("+-0123456789");
        const int power = digits == std::string::npos ? 1 : std::stoi(word.substr(digits));
        if (!result.empty()) result += ' ';
        result += scale ? "10**" : word.substr(0, digits);
        result += std::to_string(2 * power);
    }
    return result;
}

void writeUnit(FitsFile& file, const std::string& unit, const char* comment) {
    if (const std::string text = fitsUnit(unit); !text.empty())
        file.key("BUNIT", text, comment);
    else if (!unit.empty() && unit != "1")
        file.comment("Unit: " + unit);
}

void writeSkyAxes(FitsFile& file, const GalaxyCube& cube, int axes) {
    const double degrees = cube.grid.spaxelArcsec / 3600;
    file.key("WCSAXES", std::int64_t(axes), "number of world coordinate axes");
    file.key("CTYPE1", std::string("RA---TAN"), "right ascension, gnomonic projection");
    file.key("CTYPE2", std::string("DEC--TAN"), "declination, gnomonic projection");
    file.key("CUNIT1", std::string("deg"), "");
    file.key("CUNIT2", std::string("deg"), "");
    file.key("CRVAL1", 180.0, "[deg] fictitious position of the field's centre");
    file.key("CRVAL2", 0.0, "[deg] fictitious position of the field's centre");
    file.key("CRPIX1", (double(cube.flux.nx) + 1) / 2, "centre of the field");
    file.key("CRPIX2", (double(cube.flux.ny) + 1) / 2, "centre of the field");
    file.key("CD1_1", -degrees, "[deg] x grows to the west");
    file.key("CD1_2", 0.0, "");
    file.key("CD2_1", 0.0, "");
    file.key("CD2_2", degrees, "[deg] y grows to the north");
    file.key("RADESYS", std::string("ICRS"), "");
}

void writeCubeAxes(FitsFile& file, const GalaxyCube& cube, const std::string& medium) {
    const WavelengthGrid& grid = cube.wavelength;
    writeSkyAxes(file, cube, 3);
    const std::string type = std::string(medium == "air" ? "AWAV" : "WAVE") + (grid.log ? "-LOG" : "");
    file.key("CTYPE3", type, medium == "air" ? "wavelength in air" : "wavelength in vacuum");
    file.key("CUNIT3", std::string("Angstrom"), "");
    file.key("CRVAL3", grid.first, "[Angstrom] centre of the first pixel");
    file.key("CRPIX3", 1.0, "");
    // In the logarithmic algorithm the increment is that of the tangent at the reference pixel (Greisen et al. 2006).
    file.key("CD3_3", grid.log ? grid.first * std::log(10.0) * grid.step : grid.step, "[Angstrom]");
    for (const char* name : {"CD1_3", "CD2_3", "CD3_1", "CD3_2"}) file.key(name, 0.0, "");
    file.key("SPECSYS", std::string("BARYCENT"), "");
}

void writeProvenance(FitsFile& file, const GalaxyCube& cube, const FitsOptions& options) {
    const GalaxyReport& report = cube.report;
    file.key("OBJECT", "subhalo " + std::to_string(report.subhalo), "galaxy in the simulation's catalogue");
    if (!options.telescope.empty() && options.format == FitsFormat::muse)
        file.key("INSTRUME", options.telescope, "instrument that is modelled");
    file.key("ORIGIN", std::string("Tessera"), "simulated observation");
    file.key("CREATOR", "Tessera " + options.version, "program that wrote this file");
    file.date();
    file.key("SUBHALO", report.subhalo, "id of the galaxy in the simulation");
    file.key("VIEW", std::int64_t(report.view), "view of the galaxy");
    file.key("REDSHIFT", report.redshift, "observed redshift");
    file.key("LUMDIST", report.luminosityDistanceMpc, "[Mpc] luminosity distance");
    file.key("ANGDIST", report.angularDistanceMpc, "[Mpc] angular-diameter distance");
    file.key("KPCARCS", report.kpcPerArcsec, "[kpc/arcsec] physical scale");
    file.key("SPAXEL", cube.grid.spaxelArcsec, "[arcsec] side of a spaxel");
    if (options.psfFwhmArcsec > 0) file.key("PSFFWHM", options.psfFwhmArcsec, "[arcsec] of the point spread function");
    if (options.lsfFwhm > 0) file.key("LSFFWHM", options.lsfFwhm, "[Angstrom] of the line spread function");
}

}  // namespace tessera
