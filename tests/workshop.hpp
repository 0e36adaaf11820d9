// A directory with a small mock snapshot, a small library and a configuration that works: tests spoil one thing and
// run.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "process.hpp"
#include "temporary.hpp"

namespace tessera::test {

struct Workshop {
    Workshop();

    TemporaryDirectory root;
    nlohmann::json config;   // snapshot mock/output 99, a telescope of 4 x 4 spaxels x 100 wavelengths, out/cubes.hdf5
    std::string configText;  // instead of config, where not empty
    std::vector<std::string> args;  // after `tessera run config.json`
    ProcessLimits limits;

    std::string chunk(int i) const;  // snapshot file i of 2
    std::string groups(int i) const;
    std::string library() const;
    std::string output() const;                // out/cubes.hdf5
    std::vector<std::string> outputs() const;  // file names in out/
    Outcome run() const;
};

// A library of 3 ages x 2 metallicities from 3000 to 7000 Angstrom, brighter where younger.
void saveSmallLibrary(const std::string& path);

}  // namespace tessera::test
