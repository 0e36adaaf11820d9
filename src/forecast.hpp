// What a run with so many ranks will take: the galaxies are dealt as run() deals them, and each rank's work is followed
// with the times of a calibration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calibration.hpp"
#include "footprint.hpp"
#include "run_plan.hpp"

namespace tessera {

struct ForecastOptions {
    int ranks = 1;
    int perNode = 1;         // ranks on a node
    bool fromDisk = false;   // the snapshot is not in the system's memory
    double planSeconds = 0;  // of opening snapshot, catalogue and library
};

struct RankForecast {
    std::uint64_t rows = 0;    // star particles it reads
    std::size_t galaxies = 0;  // it has all or a part of
    std::size_t cubes = 0;     // it makes
    double seconds = 0;        // until it has nothing more to do
    double waited = 0;         // [s] of it for others, in shared galaxies
    double cubeBytes = 0, storedBytes = 0;
    Footprint memory;
};

struct SharedGalaxy {
    std::int64_t subhalo = 0;
    std::uint64_t rows = 0, leastRows = 0;  // of its stars; of the smallest part
    int firstRank = 0, ranks = 1;
    double bytesMoved = 0;
    double stall = 0;  // [s] the longest that one rank waits for the others
};

struct Forecast {
    ForecastOptions options;
    int threads = 1;
    bool calibrated = false, overlap = false;
    std::vector<RankForecast> ranks;
    std::vector<SharedGalaxy> shared;
    std::uint64_t rows = 0;
    double bytesRead = 0, cubeBytes = 0, storedBytes = 0, bytesMoved = 0;
    double startUp = 0, slowest = 0, mean = 0, assembly = 0;  // [s]
    double stall = 0;    // [s] the longest that a rank waits, in a shared galaxy or at the end
    double memory = 0;   // [byte] of the hungriest rank
    double largest = 0;  // [s] of the galaxy that takes longest, alone
    std::vector<std::string> warnings;

    double seconds() const { return startUp + slowest + assembly; }
    double efficiency() const { return slowest > 0 ? mean / slowest : 1; }
};

Forecast forecast(const RunPlan&, const Calibration&, const ForecastOptions&);

}  // namespace tessera
