// Fuzzing of the configuration parser: success and ConfigError are the only outcomes allowed, and what is accepted must
// read back from its own dump. With libFuzzer (TESSERA_FUZZ, clang) the entry below is all; the driver mutates valid
// configurations at random for TESSERA_FUZZ_SECONDS (default 5).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tessera/core/error.hpp"
#include "tessera/model/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tessera;
    // Lines behind the first NUL byte are overrides.
    const std::string input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\0');
    std::vector<std::string> overrides;
    if (end != std::string::npos) overrides.push_back(input.substr(end + 1));
    std::string dumped;
    try {
        dumped = dumpConfig(parseConfig(input.substr(0, end), overrides));
    } catch (const ConfigError&) {
        return 0;
    }
    if (dumpConfig(parseConfig(dumped)) != dumped) {
        std::fprintf(stderr, "a dump that does not read back to itself: %s\n", dumped.c_str());
        std::abort();
    }
    return 0;
}

#ifndef TESSERA_LIBFUZZER

#include <chrono>
#include <random>

namespace {

const std::string seeds[] = {
    R"({"snapshot": {"path": "mock/output", "number": 99}, "telescope": {"name": "MUSE", "fov": 20.0},
        "view": [{"redshift": 0.1, "orientation": {"matrix": [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}}, {"twist": 3}],
        "psf": {"kind": "moffat", "beta": 2.5}, "lsf": {"fwhm_polynomial": [2, 1e-5]}, "noise": {"exposure_time": 3600}})",
    R"({"snapshot": {"path": "a"}, "telescope": "SAMI", "cosmology": {"name": "custom", "Om0": 0.3, "h": 0.7},
        "galaxies": {"subhalos": [0, 3, 9007199254740993], "centre": [1, 2, 3]}, "lsf": {"fwhm": "telescope"}})",
    R"({"snapshot": {"path": "a"}, "telescope": {"fov": 5, "spaxel": 0.2, "aperture": "circle", "wavelength": [4000, 5000, 1]},
        "compat": "rubix", "psf": {"sigma_spaxels": 0.6, "size": 5}, "lsf": {"sigma": 0.5}, "resources": {"threads": 2}})",
    std::string(R"({"snapshot": {"path": "a"}, "telescope": "CALIFA"})") + '\0' + "view.orientation.euler_deg=[1,2,3]",
};

const char* const tokens[] = {"{",
                              "}",
                              "[",
                              "]",
                              ",",
                              ":",
                              "null",
                              "true",
                              "1e999",
                              "-0.0",
                              "1e-320",
                              "NaN",
                              "\"\"",
                              "18446744073709551616",
                              "-1",
                              "/*",
                              "*/",
                              "//",
                              "\"view\":",
                              "\\u0000",
                              "\xff",
                              "1.5",
                              "\"telescope\"",
                              "[[[[",
                              "{\"a\":",
                              "\"lsf\":",
                              "0",
                              "-",
                              "1e308",
                              ".",
                              "=",
                              "\"noise\": {\"signal_to_noise\": 3}"};

std::string mutate(std::string text, std::mt19937_64& random) {
    const auto place = [&] { return text.empty() ? 0 : random() % text.size(); };
    for (std::uint64_t n = 1 + random() % 4; n > 0; --n) {
        switch (random() % 6) {
            case 0:
                text.insert(place(), tokens[random() % std::size(tokens)]);
                break;
            case 1:
                text.erase(place(), 1 + random() % 8);
                break;
            case 2:
                if (!text.empty()) text[place()] = static_cast<char>(random());
                break;
            case 3: {  // a piece copied to another place
                const std::string piece = text.substr(place(), random() % 30);
                text.insert(place(), piece);
                break;
            }
            case 4: {
                const std::string& other = seeds[random() % std::size(seeds)];
                text.insert(place(), other.substr(random() % other.size(), random() % 40));
                break;
            }
            default:
                if (!text.empty()) text[place()] ^= static_cast<char>(1U << (random() % 8));
        }
    }
    return text;
}

// Deep nesting, long lists and long names: what a recursive or quadratic parser would fall over.
void hardCases() {
    const auto run = [](const std::string& text) {
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    };
    run(std::string(1000000, '['));
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
    run(deep);
    run(seeds[0].substr(0, seeds[0].size() - 1) + ", \"" + std::string(1000000, 'x') + "\": 1}");
    run(seeds[3] + std::string(1000000, '.'));
    run("{\"view\": [" + std::string(300000, '0') + "]}");
}

}  // namespace

int main() {
    const char* wish = std::getenv("TESSERA_FUZZ_SECONDS");
    const double seconds = wish != nullptr ? std::atof(wish) : 5;
    const auto start = std::chrono::steady_clock::now();
    hardCases();
    std::mt19937_64 random(std::random_device{}());
    std::uint64_t runs = 0;
    std::string text;
    try {
        for (; std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds; ++runs) {
            text = mutate(seeds[random() % std::size(seeds)], random);
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "escaped: %s\ninput: %s\n", e.what(), text.c_str());
        return 1;
    }
    std::printf("%llu inputs\n", static_cast<unsigned long long>(runs));
    return runs == 0;
}

#endif
