// tessera export: a galaxy of a cube file as FITS.
#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "tessera/core/units.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/fits.hpp"

namespace tessera::cli {

namespace po = boost::program_options;

namespace {

constexpr const char* usage =
    "usage: tessera export CUBES.hdf5 [--galaxy ID] [--view K] [--format muse|manga] --output FILE.fits\n\n"
    "  --galaxy  id of the galaxy; needed where the file holds more than one\n"
    "  --view    0 (default) is the first view\n"
    "  --format  muse (default): the primary HDU is the cube (DATA), then STAT (variance, where noise was on), DQ and "
    "an\n"
    "            image a map; opens in mpdaf, spectral-cube, Cubeviz and whatever reads a FITS cube.\n"
    "            manga: FLUX, IVAR, MASK, WAVE, ... as the MaNGA DRP writes them, for specutils and mangadap. "
    "mangadap\n"
    "            wants the file name manga-PLATE-IFU-LOGCUBE.fits (LINCUBE for a linear step), PLATE and IFU "
    "integers.\n"
    "  --output  the file to write; replaced when the new one is complete\n"
    "The position on the sky is fictitious: RA 180, Dec 0 at the field's centre.\n";

// Of the run's configuration only what the header tells; a file that was not written by a run may lack all of it.
FitsOptions describeInstrument(const std::string& config, const std::string& path) {
    FitsOptions options;
    options.version = version();
    if (config.empty()) return options;
    const auto json = nlohmann::json::parse(config, nullptr, false);
    if (!json.is_object()) throw Error(path + ": attribute config is not a JSON object");
    const auto part = [&](const char* name) {
        const auto found = json.find(name);
        return found != json.end() && found->is_object() ? *found : nlohmann::json::object();
    };
    const auto number = [](const nlohmann::json& of, const char* key) {
        const auto found = of.find(key);
        return found != of.end() && found->is_number() ? found->get<double>() : 0.0;
    };
    const auto text = [](const nlohmann::json& of, const char* key, const std::string& otherwise) {
        const auto found = of.find(key);
        return found != of.end() && found->is_string() ? found->get<std::string>() : otherwise;
    };
    const auto telescope = part("telescope");
    options.telescope = text(telescope, "name", "");
    options.medium = text(telescope, "medium", "air");
    const auto psf = part("psf"), lsf = part("lsf");
    const double sigma = number(psf, "sigma_spaxels") * number(telescope, "spaxel");
    options.psfFwhmArcsec = sigma > 0 ? units::fwhm_per_sigma * sigma : number(psf, "fwhm");
    const double lsfSigma = number(lsf, "sigma");
    options.lsfFwhm = lsfSigma > 0 ? units::fwhm_per_sigma * lsfSigma : number(lsf, "fwhm");
    return options;
}

std::int64_t onlyGalaxy(const std::string& path) {
    const auto ids = galaxiesInFile(path);
    if (ids.size() == 1) return ids.front();
    if (ids.empty()) throw Error(path + ": holds no galaxy");
    throw ConfigError("export: " + path + " holds " + std::to_string(ids.size()) + " galaxies; name one with --galaxy");
}

}  // namespace

ExitCode exportCommand(const Arguments& arguments) {
    po::options_description options;
    po::positional_options_description positions;
    po::variables_map values;
    options.add_options()("help,h", "")("cubes", po::value<std::string>())("galaxy", po::value<std::int64_t>())(
        "view", po::value<int>()->default_value(0))("format", po::value<std::string>()->default_value("muse"))(
        "output", po::value<std::string>());
    positions.add("cubes", 1);
    try {
        po::store(po::command_line_parser(arguments).options(options).positional(positions).run(), values);
    } catch (const po::error& error) {
        throw ConfigError(std::string("export: ") + error.what() + "\n" + usage);
    }
    if (values.count("help")) {
        std::cout << usage;
        return ExitCode::ok;
    }
    for (const char* name : {"cubes", "output"})
        if (!values.count(name))
            throw ConfigError(std::string("export: ") + (name[0] == 'c' ? "the cube file" : "--output") +
                              " is missing\n" + usage);
    const std::string format = values["format"].as<std::string>(), path = values["cubes"].as<std::string>();
    if (format != "muse" && format != "manga")
        throw ConfigError("export: --format is '" + format + "'; allowed: muse, manga");
    const int view = values["view"].as<int>();
    if (view < 0) throw ConfigError("export: --view is " + std::to_string(view) + "; it must not be negative");

    const std::int64_t galaxy = values.count("galaxy") ? values["galaxy"].as<std::int64_t>() : onlyGalaxy(path);
    const GalaxyCube cube = readGalaxyCube(path, galaxy, view);
    FitsOptions fits = describeInstrument(cube.config.empty() ? configInFile(path) : cube.config, path);
    fits.format = format == "muse" ? FitsFormat::muse : FitsFormat::manga;
    const std::string output = values["output"].as<std::string>();
    writeFits(output, cube, fits);
    std::cout << output << "\n";
    return ExitCode::ok;
}

}  // namespace tessera::cli
