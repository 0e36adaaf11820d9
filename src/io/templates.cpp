#include "tessera/io/templates.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "io/sha256.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t schemaVersion = 1;
constexpr const char* fluxUnit = "Lsun/Angstrom/Msun";

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

bool isPath(const std::string& nameOrPath) {
    const std::string suffix = fs::path(nameOrPath).extension().string();
    return nameOrPath.find('/') != std::string::npos || suffix == ".hdf5" || suffix == ".h5";
}

[[noreturn]] void throwAbsent(const std::string& name) {
    std::string known;
    for (const std::string& other : sspNames()) known += (known.empty() ? "" : ", ") + other;
    throw Error(
        "there is no SSP library '" + name + "' (" + sspPath(name) + "); " +
        (known.empty() ? "no library is installed" : "installed: " + known) +
        ". Get bc03lr or emiles with jobs/fetch-ssp.sh, or convert a file of your own with `tessera ssp convert`");
}

// One axis of the grid, checked to be what interpolation needs.
void checkAxis(const std::vector<double>& values, const std::string& where, bool positive, bool ascending) {
    if (values.empty()) throw Error(where + ": is empty");
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string at = where + ": element " + std::to_string(i) + " is " + std::to_string(values[i]);
        if (!std::isfinite(values[i])) throw Error(at + "; it must be finite");
        if (positive && !(values[i] > 0)) throw Error(at + "; it must be positive");
        if (ascending && i > 0 && !(values[i] > values[i - 1])) throw Error(at + "; the axis must ascend");
    }
}

std::vector<double> readAxis(const h5::Group& root, const char* name) {
    const h5::Dataset set = root.dataset(name);
    if (set.shape().size() != 1) throw Error(set.where() + ": must have one dimension");
    return set.readAll<double>();
}

}  // namespace

std::string dataDirectory() {
    if (const std::string data = environment("TESSERA_DATA"); !data.empty()) return data;
    if (const std::string xdg = environment("XDG_DATA_HOME"); !xdg.empty()) return xdg + "/tessera";
    if (const std::string home = environment("HOME"); !home.empty()) return home + "/.local/share/tessera";
    throw Error("there is no data directory: set TESSERA_DATA or HOME");
}

std::string sspPath(const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos || name[0] == '.')
        throw ConfigError("'" + name + "' is no name for an SSP library: letters, digits, '-', '_' and '.' are");
    return dataDirectory() + "/ssp/" + name + ".hdf5";
}

std::vector<std::string> sspNames() {
    std::vector<std::string> names;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(dataDirectory() + "/ssp", code))
        if (entry.path().extension() == ".hdf5") names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

void checkSsp(const SspLibrary& ssp, const std::string& where) {
    checkAxis(ssp.logAge, where + ":log_age", false, true);
    checkAxis(ssp.metallicity, where + ":metallicity", true, true);
    checkAxis(ssp.wavelength, where + ":wavelength", true, true);
    if (ssp.metallicity.back() > 1)
        throw Error(where + ":metallicity: " + std::to_string(ssp.metallicity.back()) + " is no mass fraction");
    if (ssp.nLambda() < 2) throw Error(where + ":wavelength: a spectrum needs two wavelengths or more");
    if (ssp.medium != "air" && ssp.medium != "vacuum" && ssp.medium != "unstated")
        throw Error(where + ": attribute medium is '" + ssp.medium + "'; allowed: air, vacuum, unstated");
    if (!ssp.fwhm.empty()) {
        checkAxis(ssp.fwhm, where + ":fwhm", true, false);
        if (ssp.fwhm.size() != ssp.nLambda())
            throw Error(where + ":fwhm: has " + std::to_string(ssp.fwhm.size()) + " values for " +
                        std::to_string(ssp.nLambda()) + " wavelengths");
    }
    if (ssp.flux.size() != ssp.nTemplates() * ssp.nLambda())
        throw Error(where + ":flux: has " + std::to_string(ssp.flux.size()) + " values instead of [" +
                    std::to_string(ssp.nZ()) + "][" + std::to_string(ssp.nAge()) + "][" +
                    std::to_string(ssp.nLambda()) + "]");
    for (std::size_t i = 0; i < ssp.flux.size(); ++i) {
        if (std::isfinite(ssp.flux[i]) && ssp.flux[i] >= 0) continue;
        const std::size_t t = i / ssp.nLambda();
        throw Error(where + ":flux: element [" + std::to_string(t / ssp.nAge()) + "][" +
                    std::to_string(t % ssp.nAge()) + "][" + std::to_string(i % ssp.nLambda()) + "] is " +
                    std::to_string(ssp.flux[i]) + "; it must be finite and not negative");
    }
}

SspLibrary loadSsp(const std::string& nameOrPath) {
    const bool named = !isPath(nameOrPath);
    const std::string path = named ? sspPath(nameOrPath) : nameOrPath;
    std::error_code code;
    if (named && !fs::exists(path, code)) throwAbsent(nameOrPath);
    if (!fs::exists(path, code)) throw Error("there is no SSP library file '" + path + "'");

    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    const auto version = root.attribute<std::int64_t>("tessera_ssp_version");
    if (!version)
        throw Error(path +
                    ": not an SSP library in Tessera's schema (attribute tessera_ssp_version is missing); "
                    "`tessera ssp convert` makes one");
    if (*version != schemaVersion)
        throw Error(path + ": attribute tessera_ssp_version is " + std::to_string(*version) +
                    "; this program reads version " + std::to_string(schemaVersion));
    if (const auto unit = root.attributeString("flux_unit"); unit && *unit != fluxUnit)
        throw Error(path + ": attribute flux_unit is '" + *unit + "'; allowed: " + fluxUnit);

    SspLibrary ssp;
    ssp.name = root.attributeString("name").value_or(fs::path(path).stem().string());
    ssp.source = root.attributeString("source").value_or("");
    ssp.medium = root.attributeString("medium").value_or("unstated");
    ssp.logAge = readAxis(root, "log_age");
    ssp.metallicity = readAxis(root, "metallicity");
    ssp.wavelength = readAxis(root, "wavelength");
    if (root.has("fwhm")) ssp.fwhm = readAxis(root, "fwhm");
    const h5::Dataset flux = root.dataset("flux");
    if (flux.shape() != std::vector<hsize_t>{ssp.nZ(), ssp.nAge(), ssp.nLambda()})
        throw Error(flux.where() + ": its shape is not [metallicity][log_age][wavelength] = [" +
                    std::to_string(ssp.nZ()) + "][" + std::to_string(ssp.nAge()) + "][" +
                    std::to_string(ssp.nLambda()) + "]");
    ssp.flux = flux.readAll<double>();
    checkSsp(ssp, path);
    ssp.sha256 = sha256OfFile(path);
    return ssp;
}

void saveSsp(const SspLibrary& ssp, const std::string& path) {
    checkSsp(ssp, path);
    TemporaryFile temporary(path);
    h5::File file = h5::File::create(temporary.name());
    {
        const h5::Group root = file.root();
        root.setAttribute<std::int64_t>("tessera_ssp_version", schemaVersion);
        root.setAttribute("name", ssp.name);
        root.setAttribute("source", ssp.source);
        root.setAttribute("medium", ssp.medium);
        root.setAttribute("flux_unit", fluxUnit);
        root.write("log_age", {ssp.nAge()}, ssp.logAge.data()).setAttribute("unit", "log10(yr)");
        root.write("metallicity", {ssp.nZ()}, ssp.metallicity.data()).setAttribute("unit", "mass fraction");
        root.write("wavelength", {ssp.nLambda()}, ssp.wavelength.data()).setAttribute("unit", "Angstrom");
        if (!ssp.fwhm.empty()) root.write("fwhm", {ssp.nLambda()}, ssp.fwhm.data()).setAttribute("unit", "Angstrom");
        const std::vector<hsize_t> shape{ssp.nZ(), ssp.nAge(), ssp.nLambda()};
        const bool single =
            std::all_of(ssp.flux.begin(), ssp.flux.end(), [](double v) { return double(static_cast<float>(v)) == v; });
        if (single)
            root.write("flux", shape, std::vector<float>(ssp.flux.begin(), ssp.flux.end()).data());
        else
            root.write("flux", shape, ssp.flux.data());
    }
    file.close();
    temporary.commit();
}

}  // namespace tessera
