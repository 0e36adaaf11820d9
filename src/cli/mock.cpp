#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>

#include "cli/options.hpp"
#include "tessera/mock.hpp"

namespace tessera::cli {

namespace {

// A count on the command line: "100000" or "1e5". Negative, fractional and other text: ConfigError.
std::uint64_t parseCount(const std::string& option, const std::string& text, std::uint64_t least,
                         std::uint64_t most = std::uint64_t(1) << 53) {
    const char *first = text.data(), *last = first + text.size();
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(first, last, value);
    bool good = error == std::errc() && end == last;
    if (!good) {
        double real = 0;
        const auto result = std::from_chars(first, last, real);
        good =
            result.ec == std::errc() && result.ptr == last && real >= 0 && real <= 0x1p53 && std::floor(real) == real;
        if (good) value = static_cast<std::uint64_t>(real);
    }
    if (!good || value < least || value > most)
        throw ConfigError(
            fmt::format("mock: --{} {}: expected a whole number from {} to {}", option, text, least, most));
    return value;
}

struct Texts {
    std::string output, galaxies, stars, gas, chunks, snapshot, seed;
};

po::options_description describe(Texts& t) {
    const MockOptions defaults;
    const auto text = [](std::string& where, auto value) {
        return po::value<std::string>(&where)->default_value(fmt::to_string(value))->value_name("N");
    };
    po::options_description options("Options");
    auto add = options.add_options();
    add("help,h", "this text");
    add("output,o", po::value<std::string>(&t.output)->value_name("DIR"), "the tree is made here (required)");
    add("galaxies", text(t.galaxies, defaults.galaxies), "subhalos: one large, others down to a few stars");
    add("stars", text(t.stars, defaults.stars), "star particles in all galaxies together");
    add("gas", text(t.gas, defaults.gas), "gas cells in all galaxies together");
    add("chunks", text(t.chunks, defaults.chunks), "files of the snapshot and of the group catalogue");
    add("snapshot", text(t.snapshot, defaults.snapshot),
        "snapshot number 0-99, which sets the redshift as in TNG (99: 0, 91: 0.1, 67: 0.5, 50: 1)");
    add("seed", text(t.seed, defaults.seed), "another seed gives other galaxies");
    add("force", "replace a mock made earlier in the same place");
    return options;
}

void printHelp(const po::options_description& options) {
    std::cout
        << "Usage: tessera mock --output DIR [options]\n"
           "Writes mock galaxies as a snapshot tree in the layout of IllustrisTNG: snapshot chunks with stars, wind\n"
           "cells and gas, group catalogue, offsets. The same seed gives the same particles for any --chunks.\n\n"
        << options
        << "\nExample: a million stars; then config key snapshot.path is \"mock/output\"\n"
           "  tessera mock --output mock --stars 1e6 --gas 2e5\n";
}

std::string sizeOf(std::uint64_t bytes) {
    return bytes < 1000000000 ? fmt::format("{:.1f} MB", double(bytes) * 1e-6)
                              : fmt::format("{:.2f} GB", double(bytes) * 1e-9);
}

}  // namespace

ExitCode mockCommand(const Arguments& arguments) {
    Texts t;
    const po::options_description options = describe(t);
    const po::variables_map given = parseOptions("mock", arguments, options);
    if (given.count("help")) {
        printHelp(options);
        return ExitCode::ok;
    }
    if (t.output.empty()) throw ConfigError("mock: --output DIR is required; see tessera mock --help");
    MockOptions o;
    o.output = t.output;
    o.galaxies = parseCount("galaxies", t.galaxies, 1, 100000);
    o.stars = parseCount("stars", t.stars, 0);
    o.gas = parseCount("gas", t.gas, 0);
    o.chunks = int(parseCount("chunks", t.chunks, 1, 10000));
    o.snapshot = int(parseCount("snapshot", t.snapshot, 0, 99));
    o.seed = parseCount("seed", t.seed, 0, std::numeric_limits<std::uint64_t>::max());
    o.force = given.count("force") > 0;

    const auto start = std::chrono::steady_clock::now();
    const MockReport r = makeMock(o);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << fmt::format(
        "{}: snapshot {} at z = {:.2f}: {} subhalos in {} groups, {} star particles ({} of them wind), {} gas cells\n"
        "{} files, {} in {:.1f} s; config: \"snapshot\": {{\"path\": \"{}\", \"number\": {}}}\n",
        o.output, o.snapshot, r.redshift, r.subhalos, r.groups, r.stars, r.wind, r.gas, r.files, sizeOf(r.bytes),
        seconds.count(), r.basePath, o.snapshot);
    return ExitCode::ok;
}

}  // namespace tessera::cli
