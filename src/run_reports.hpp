// The rows of a run: one a galaxy and view, gathered from all ranks, and what the end of the run says of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "run_plan.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/model/galaxy.hpp"

namespace tessera {

struct RowOfRun {
    std::size_t place = 0;  // in the order of the configuration: galaxy, then view
    double mass = 0;        // [Msun] initial mass of all its stars; 0: not known, taken over from an earlier run
    GalaxyReport report;
    std::string part;  // the file of it, in the directory of the parts
};

// On rank 0 the rows of all ranks in the order of their places; elsewhere none.
std::vector<RowOfRun> gatherRows(const Comm&, const std::vector<RowOfRun>&);

// What a run did as a whole.
struct RunVolume {
    double seconds = 0;
    std::size_t takenOver = 0;     // galaxies, from an earlier run
    std::uint64_t rowsRead = 0;    // of stars, by all ranks
    std::uint64_t bytesMoved = 0;  // between ranks: stars and spectra of galaxies that ranks share
};
std::string summary(const RunPlan&, const std::vector<RowOfRun>&, const RunVolume&);

// How many galaxies failed and the first reasons; empty: none did.
std::string failures(const RunPlan&, const std::vector<RowOfRun>&);

// Of a run that ended early: what is done, and how to go on.
std::string stoppedEarly(const RunPlan&, const std::vector<RowOfRun>&, const std::string& reason);

}  // namespace tessera
