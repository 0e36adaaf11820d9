#include "cli/options.hpp"

#include <fmt/format.h>

#include "config/suggest.hpp"

namespace tessera::cli {

po::variables_map parseOptions(const std::string& command, const Arguments& args,
                               const po::options_description& options, const std::vector<std::string>& positional) {
    po::positional_options_description plain;
    for (const std::string& name : positional)
        if (name.ends_with("..."))
            plain.add(name.substr(0, name.size() - 3).c_str(), -1);
        else
            plain.add(name.c_str(), 1);
    po::variables_map values;
    const std::string see = fmt::format("; see tessera {} --help", command);
    try {
        // Abbreviated options are refused: a script that uses one breaks when another option begins alike.
        using namespace po::command_line_style;
        const int style = unix_style ^ allow_guessing;
        po::store(po::command_line_parser(args).options(options).positional(plain).style(style).run(), values);
        po::notify(values);
    } catch (const po::unknown_option& e) {
        std::vector<std::string> known;
        for (const auto& option : options.options()) known.push_back("--" + option->long_name());
        throw ConfigError(fmt::format("{}: unknown option {}; nearest: {}{}", command, e.get_option_name(),
                                      nearestName(e.get_option_name(), known), see));
    } catch (const po::too_many_positional_options_error&) {
        throw ConfigError(fmt::format("{}: more arguments than the {} expected{}", command, positional.size(), see));
    } catch (const po::error& e) {
        throw ConfigError(fmt::format("{}: {}{}", command, e.what(), see));
    }
    return values;
}

}  // namespace tessera::cli
