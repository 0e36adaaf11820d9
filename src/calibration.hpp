// How fast this machine makes and moves cubes of a configuration: `tessera plan` measures it on mock galaxies once and keeps
// it in the cache (tessera/io/cache.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cost.hpp"
#include "run_plan.hpp"
#include "tessera/model/particles.hpp"

namespace tessera {

// Seconds on the clock, and of all cores together.
struct Work {
    double wall = 0, cpu = 0;

    Work& operator+=(const Work& o) {
        wall += o.wall;
        cpu += o.cpu;
        return *this;
    }
    Work operator*(double f) const { return {wall * f, cpu * f}; }
};

// The cost model (cost.hpp) says how work grows with stars and volume; a calibration what it is at a few galaxies.
struct Calibration {
    struct Sample {
        double stars = 0;
        Work observe, write;  // as multiples of the model's seconds
        double stored = 0.6;  // bytes in the file of a byte of the cube
    };
    bool measured = false;
    int threads = 1;
    std::vector<Sample> samples;  // ascending, at least one
    Work read;                    // as multiples of the model's seconds, from the system's memory
    double diskRead = 1e9;        // [byte/s] of what is on disk only
    double diskWrite = 5e8;       // [byte/s] until it is on disk
    double copySeconds = 2e-9;    // [s] a byte of copying cubes from parts to the output, synced
    double startUp = 0.3;         // [s] until the first galaxy is read, tables of the first cube included

    Work observing(double stars, const CubeVolume&) const;
    Work writing(double stars, const CubeVolume&) const;
    Work reading(double stars) const;
    double stored(double stars) const;

private:
    Sample at(double stars) const;
};

// Without measuring: the model's constants, for so many threads.
Calibration builtInCalibration(int threads, bool compressed);

// What a calibration is made with; mock/ provides it.
struct MockSource {
    std::function<Stars(std::uint64_t stars, double mass)> galaxy;  // mass [Msun] formed
    // Makes a snapshot in a directory that is not there yet: its snapshot.path.
    std::function<std::string(const std::string& directory, std::uint64_t stars)> snapshot;
};

// Observes mock galaxies with the plan's first setup, writes and reads some 100 MB in a directory beside
// the output, which is removed again. Some seconds. Error: it cannot be written there.
Calibration measureCalibration(const RunPlan&, int threads, const MockSource&);

// The same from the cache where it is there, and into it; anew: measured in any case.
Calibration calibrated(const RunPlan&, int threads, const MockSource&, bool anew);

}  // namespace tessera
