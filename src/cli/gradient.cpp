#include <fmt/format.h>

#include <sstream>

#include "cli/options.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/model/config.hpp"

namespace tessera::cli {

namespace {

const char* const gradientHelp = R"(Usage: tessera gradient CONFIG.json --cotangent FILE --output FILE [options]

The vector-Jacobian product of the observations that CONFIG.json describes: for dL/d(cube) of every galaxy, the derivative
of L in each star's mass, age, metallicity and velocity, with projection.footprint in its position and smoothing length too, and in
the view's and the instrument's parameters. FILE of --cotangent has /galaxies/<subhalo>/flux of the cube's shape, or
/galaxies/<subhalo>/maps/NAME of the maps' shape, or both; where the configuration names no galaxies, those that it has
are done. Where the configuration has noise, the cube is the noisy one, its realisation fixed. With --target instead, L is chi^2 between the cubes (without noise) and those of a cube file.
docs/adjoints.md says what each derivative means, docs/formats.md how files are laid out.

Examples:
  tessera gradient config.json --cotangent bar.hdf5 --output gradient.hdf5
  tessera gradient config.json --target observed.hdf5 --output gradient.hdf5
  mpirun -np 4 tessera gradient config.json --cotangent bar.hdf5 --output gradient.hdf5

)";

}  // namespace

ExitCode gradientCommand(const Arguments& args) {
    po::options_description options("Options", 110);
    po::options_description all;
    // clang-format off
    options.add_options()
        ("cotangent", po::value<std::string>()->value_name("FILE"), "dL/d(cube)")
        ("target", po::value<std::string>()->value_name("CUBES"), "instead: a cube file; L is chi^2 against it")
        ("output,o", po::value<std::string>()->value_name("FILE"), "the gradient file")
        ("set", po::value<std::vector<std::string>>()->composing()->value_name("key.path=value"),
         "change a value of the configuration (repeatable)")
        ("templates", "the derivative in the spectra of the SSP library too")
        ("no-instrument", "leave out PSF and LSF: the spectra of the forward model are not needed then")
        ("quiet,q", "no summary")
        ("help,h", "this text");
    all.add(options);
    all.add_options()("config", po::value<std::string>());
    // clang-format on
    const po::variables_map values = parseOptions("gradient", args, all, {"config"});
    if (values.count("help")) {
        std::ostringstream text;
        text << options;
        fmt::print("{}{}", gradientHelp, text.str());
        return ExitCode::ok;
    }
    if (!values.count("config"))
        throw ConfigError("gradient: no configuration file given: tessera gradient CONFIG.json");
    if (values.count("cotangent") + values.count("target") != 1)
        throw ConfigError("gradient: give one of --cotangent FILE and --target CUBES");
    if (!values.count("output")) throw ConfigError("gradient: --output FILE is missing");
    GradientRun run;
    if (values.count("cotangent")) run.cotangent = values["cotangent"].as<std::string>();
    if (values.count("target")) run.target = values["target"].as<std::string>();
    run.output = values["output"].as<std::string>();
    run.options = {values.count("no-instrument") == 0, values.count("templates") != 0};
    run.quiet = values.count("quiet") != 0;
    std::vector<std::string> overrides;
    if (values.count("set")) overrides = values["set"].as<std::vector<std::string>>();
    return writeGradients(loadConfig(values["config"].as<std::string>(), overrides), run);
}

}  // namespace tessera::cli
