// What the benchmark programs share: the observation they time, medians, peak memory.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tessera/core/error.hpp"
#include "tessera/model/config.hpp"

namespace tessera::bench {

// [MB] the most memory this process has held.
inline double peakMegabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_maxrss) / 1024;
}

inline double median(std::vector<double> v) {
    expects(!v.empty(), "a median of something");
    std::sort(v.begin(), v.end());
    return v.size() % 2 ? v[v.size() / 2] : 0.5 * (v[v.size() / 2 - 1] + v[v.size() / 2]);
}

// [s] wall time of f().
template <class F>
double seconds(F f) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The observation of docs/performance.md: PSF and LSF, a view inclined by 40 degrees. fov [arcsec]; 0: the telescope's
// own.
inline Config observation(const std::string& telescope, double fov) {
    Config c;
    c.telescope = findTelescope(telescope);
    if (fov > 0) c.telescope.fov = fov;
    c.views[0].orientation = Orientation::euler;
    c.views[0].eulerDeg = {40, 0, 30};
    c.views[0].systemicVelocity = SystemicVelocity::none;
    c.psf = PsfConfig{};
    c.lsf = LsfConfig{};
    c.lsf->fwhm = 2.5;
    return c;
}

// Runs a program's work: an error becomes its text and exit code 1, --help its options.
template <class F>
int program(int argc, char** argv, const boost::program_options::options_description& options, F work) {
    try {
        boost::program_options::variables_map given;
        boost::program_options::store(boost::program_options::parse_command_line(argc, argv, options), given);
        boost::program_options::notify(given);
        if (given.count("help")) {
            std::cout << options;
            return 0;
        }
        work();
        return 0;
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": error: " << e.what() << "\n";
        return 1;
    }
}

// Writes the figures where a path was given.
inline void writeJson(const std::string& path, const nlohmann::json& figures) {
    if (path.empty()) return;
    std::ofstream file(path);
    file << figures.dump(2) << "\n";
    file.close();
    if (!file) throw Error("cannot write '" + path + "'");
}

}  // namespace tessera::bench
