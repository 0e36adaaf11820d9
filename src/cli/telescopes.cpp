#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/options.hpp"
#include "tessera/model/config.hpp"

namespace tessera::cli {

namespace {

const char* const telescopesHelp = R"(Usage: tessera telescopes [NAME] [--json]

Lists the telescopes that a configuration may name. With a NAME, prints that one as the "telescope" section
of a configuration, to be copied and changed.

Examples:
  tessera telescopes
  tessera telescopes MaNGA_32

Options:
)";

const char* apertureName(Aperture a) {
    return a == Aperture::square ? "square" : a == Aperture::circle ? "circle" : "hexagon";
}

nlohmann::ordered_json section(const Telescope& t) {
    return {{"name", t.name},
            {"fov", t.fov},
            {"spaxel", t.spaxel},
            {"aperture", apertureName(t.aperture)},
            {"wavelength", {t.wavelengthMin, t.wavelengthMax, t.wavelengthStep}},
            {"log", t.log},
            {"lsf_fwhm", t.lsfFwhm},
            {"medium", t.medium}};
}

void printTable() {
    constexpr const char* row = "{:<21} {:>6} {:>6} {:>9} {:<8} {:>19} {:>7} {:>6} {:>7} {:<7} {}\n";
    fmt::print(row, "name", "fov", "spaxel", "spaxels", "aperture", "wavelength", "step", "pixels", "LSF", "medium",
               "source");
    fmt::print(row, "", "arcsec", "arcsec", "", "", "Angstrom", "", "", "FWHM A", "", "");
    for (const Telescope& t : telescopeTable()) {
        const std::string spaxels = fmt::format("{0} x {0}", t.spaxels());
        const std::string range = fmt::format("{:.2f}-{:.2f}", t.wavelengthMin, t.wavelengthMax);
        const std::string step = fmt::format("{:g}{}", t.wavelengthStep, t.log ? " dex" : "");
        fmt::print(row, t.name, fmt::format("{:g}", t.fov), fmt::format("{:g}", t.spaxel), spaxels,
                   apertureName(t.aperture), range, step, t.wavelengths().size, fmt::format("{:g}", t.lsfFwhm),
                   t.medium, t.source);
    }
}

}  // namespace

ExitCode telescopesCommand(const Arguments& args) {
    po::options_description options;
    options.add_options()("help,h", "this text")("name", po::value<std::string>(), "print this one as JSON")(
        "json", "all of them as JSON");
    const po::variables_map values = parseOptions("telescopes", args, options, {"name"});
    if (values.count("help")) {
        fmt::print("{}", telescopesHelp);
        for (const auto& option : options.options())
            if (option->long_name() != "name") fmt::print("  {:<20}{}\n", option->format_name(), option->description());
    } else if (values.count("name")) {
        fmt::print("\"telescope\": {}\n", section(findTelescope(values["name"].as<std::string>())).dump(2));
    } else if (values.count("json")) {
        nlohmann::ordered_json all = nlohmann::ordered_json::array();
        for (const Telescope& t : telescopeTable()) all.push_back(section(t));
        fmt::print("{}\n", all.dump(2));
    } else {
        printTable();
    }
    return ExitCode::ok;
}

}  // namespace tessera::cli
