// What a cube is made with, and which cubes are made of a galaxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cost.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"
#include "tessera/model/ssp.hpp"
#include "tessera/physics/cosmology.hpp"
#include "tessera/pipeline.hpp"

namespace tessera {

// One instrument, library and cosmology, with all the views in which galaxies are seen through them.
struct Setup {
    Config config;
    std::shared_ptr<const SspLibrary> library;
    std::shared_ptr<const InstrumentTables> tables;
    Cosmology cosmology;

    CubeVolume volume() const;
    double cubeBytes() const;  // of one cube in memory, its variance included
};

// One cube to be made of a galaxy.
struct Observation {
    std::size_t setup = 0, view = 0;  // in RunPlan::setups, in the views of its configuration
    // Its view is the number of the cube among its galaxy's: /galaxies/<id>/view_<number>.
    NoiseKey noise;
    std::size_t place = 0;  // of its row in the catalogue of all shards
};

// Setups from configurations: libraries and files that several of them name are read once.
class SetupMaker {
public:
    explicit SetupMaker(const SnapshotInfo& info) : info_(info) {}
    // Error where a view cannot be made: the library does not reach.
    Setup make(const Config&);

private:
    const SnapshotInfo& info_;
    std::map<std::string, std::shared_ptr<const SspLibrary>> libraries_;
    std::map<std::string, std::shared_ptr<const InstrumentTables>> tables_;
};

// Error: the library does not reach what the telescope sees in this view.
void checkView(const Setup&, const ViewConfig&);

// How the library's resolution and the line spread asked for go together: sentences for the user.
std::vector<std::string> resolutionNotes(const Setup&);

}  // namespace tessera
