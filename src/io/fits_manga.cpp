// The layout of MaNGA's LOGCUBE and LINCUBE files (SDSS DR17 data model, drpfits).
#include <cmath>

#include "io/fits_parts.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

namespace {

constexpr const char* fluxUnit = "1E-17 erg/s/cm^2/Ang/spaxel";
// Bits of MANGA_DRP3PIXMASK: NOCOV and DONOTUSE.
constexpr std::int32_t maskNoData = (1 << 0) | (1 << 10);

// What multiplies a value in the cube's unit "10**N erg ..." to give MaNGA's 1e-17 erg.
double toFluxUnit(const GalaxyCube& cube) {
    const std::string unit = fitsUnit(cube.unit);
    if (unit.find("erg s-1 cm-2 Angstrom-1") == std::string::npos)
        throw Error("the MaNGA format holds flux densities; the cube of subhalo " +
                    std::to_string(cube.report.subhalo) + " is in '" + cube.unit +
                    "': set output.unit to flux, or export with --format muse");
    return std::pow(10.0, 17 + (unit.rfind("10**", 0) == 0 ? std::stoi(unit.substr(4)) : 0));
}

void writePrimary(FitsFile& file, const GalaxyCube& cube, const FitsOptions& options) {
    const std::string id = std::to_string(cube.report.subhalo);
    file.image(FitsType::float32, {}, "");
    file.key("TELESCOP", std::string("SDSS 2.5-M"), "telescope whose data layout this is");
    file.key("INSTRUME", std::string("MaNGA"), "instrument whose data layout this is");
    file.key("SRVYMODE", std::string("MaNGA dither"), "");
    file.key("MANGAID", "0-" + id, "simulated: subhalo");
    file.key("PLATEIFU", id + "-" + std::to_string(cube.report.view), "simulated: subhalo and view");
    file.key("OBJRA", 180.0, "[deg] fictitious");
    file.key("OBJDEC", 0.0, "[deg] fictitious");
    file.key("IFURA", 180.0, "[deg] fictitious");
    file.key("IFUDEC", 0.0, "[deg] fictitious");
    file.key("EBVGAL", 0.0, "no foreground dust");
    file.key("DRP3QUAL", std::int64_t(0), "no quality flag is set");
    file.key("VERSDRP3", "tessera " + options.version, "");
    writeProvenance(file, cube, options);
    file.comment("A simulated observation, not data of the MaNGA survey.");
    if (cube.variance.data.empty())
        file.comment("Without noise: IVAR is 1 where there are data and carries no information.");
}

// Width of the line spread function and resolution of each pixel, before (pre) and after integration over the pixel.
void writeResolution(FitsFile& file, const GalaxyCube& cube, const FitsOptions& options) {
    const std::size_t n = cube.wavelength.size;
    const std::vector<std::size_t> axes{cube.flux.nx, cube.flux.ny, n};
    std::vector<double> pre(n, options.lsfFwhm / units::fwhm_per_sigma), post(n);
    for (std::size_t j = 0; j < n; ++j) post[j] = std::hypot(pre[j], cube.wavelength.width(j) / std::sqrt(12.0));
    const auto writeWidth = [&](const char* name, const std::vector<double>& sigma) {
        file.image(FitsType::float32, axes, name);
        writeCubeAxes(file, cube, options.medium);
        file.key("BUNIT", std::string("Angstrom"), "sigma of the line spread function");
        writePlanes<float>(file, cube.flux, [&](std::size_t, std::size_t j) { return float(sigma[j]); });
    };
    const auto writeSpectrum = [&](const char* name, const std::vector<double>* sigma) {
        std::vector<double> values(n, 0.0);
        if (sigma)
            for (std::size_t j = 0; j < n; ++j)
                values[j] = cube.wavelength.centre(double(j)) / (units::fwhm_per_sigma * (*sigma)[j]);
        file.image(FitsType::float64, {n}, name);
        file.write(0, n, values.data());
    };
    writeWidth("LSFPOST", post);
    writeWidth("LSFPRE", pre);
    writeSpectrum("SPECRES", &post);
    writeSpectrum("SPECRESD", nullptr);  // scatter between spaxels: none
    writeSpectrum("PRESPECRES", &pre);
    writeSpectrum("PRESPECRESD", nullptr);
}

}  // namespace

void writeManga(FitsFile& file, const GalaxyCube& cube, const FitsOptions& options) {
    const double perFluxUnit = toFluxUnit(cube);
    const Cube &flux = cube.flux, &variance = cube.variance;
    const auto bad = [&](std::size_t s, std::size_t j) {
        return !std::isfinite(flux.spectrum(s)[j]) ||
               (!variance.data.empty() && !(std::isfinite(variance.spectrum(s)[j]) && variance.spectrum(s)[j] > 0));
    };
    const auto begin = [&](FitsType type, const char* name) {
        file.image(type, {flux.nx, flux.ny, flux.nLambda}, name);
        writeCubeAxes(file, cube, options.medium);
        file.key("INSTRUME", std::string("MaNGA"), "specutils knows the format by this");
    };
    writePrimary(file, cube, options);
    begin(FitsType::float32, "FLUX");
    file.key("BUNIT", std::string(fluxUnit), "");
    file.key("HDUCLASS", std::string("SDSS"), "");
    file.key("HDUCLAS1", std::string("CUBE"), "");
    file.key("HDUCLAS2", std::string("DATA"), "");
    file.key("ERRDATA", std::string("IVAR"), "extension of the inverse variance");
    file.key("QUALDATA", std::string("MASK"), "extension of the mask");
    writePlanes<float>(file, flux, [&](std::size_t s, std::size_t j) {
        return bad(s, j) ? 0.f : float(perFluxUnit * flux.spectrum(s)[j]);
    });
    begin(FitsType::float32, "IVAR");
    writePlanes<float>(file, flux, [&](std::size_t s, std::size_t j) {
        if (bad(s, j)) return 0.f;
        return variance.data.empty() ? 1.f : float(1 / (perFluxUnit * perFluxUnit * variance.spectrum(s)[j]));
    });
    begin(FitsType::int32, "MASK");
    writePlanes<std::int32_t>(file, flux, [&](std::size_t s, std::size_t j) { return bad(s, j) ? maskNoData : 0; });
    const std::vector<double> wave = cube.wavelength.centres();
    file.image(FitsType::float64, {wave.size()}, "WAVE");
    file.key("BUNIT", std::string("Angstrom"), options.medium == "air" ? "in air" : "in vacuum");
    file.write(0, wave.size(), wave.data());
    if (options.lsfFwhm > 0) writeResolution(file, cube, options);
}

}  // namespace tessera
