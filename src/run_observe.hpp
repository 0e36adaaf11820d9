// Rows and cubes of a run's galaxies: one galaxy that several ranks may share, or several of one rank together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "observers.hpp"
#include "run_galaxy.hpp"
#include "run_plan.hpp"
#include "run_reports.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/pipeline.hpp"

namespace tessera {

// The cube on the owner of the galaxy, the first rank of the communicator; elsewhere an empty one. None where it cannot be
// observed: the row says why. last: the galaxy's stars are given up as they are done with.
std::shared_ptr<const GalaxyCube> observeView(Observers&, const RunPlan&, Galaxy&, const Observation&, const Comm&,
                                              bool strict, bool last, RowOfRun&);

// Galaxies of this rank that wait to be observed together, as a device wants it.
class GalaxyBatch {
public:
    GalaxyBatch(Observers& observers, const RunPlan& plan, bool strict)
        : observers_(observers), plan_(plan), strict_(strict) {}

    // place: in the plan.
    void add(std::size_t place, Galaxy&&);
    bool empty() const { return galaxies_.empty(); }
    bool full() const;
    // Observes them all. made: of each cube as soon as it is there; end: of each galaxy with all its rows, after the last cube;
    // asked: whether to stop, between views: galaxies whose rows are not all there then have no end.
    void observe(const std::function<void(const Observation&, std::shared_ptr<const GalaxyCube>)>& made,
                 const std::function<void(const std::vector<RowOfRun>&)>& end, const std::function<bool()>& asked);

private:
    struct Waiting {
        Galaxy galaxy;
        std::vector<Observation> observations;
        std::vector<RowOfRun> rows;
    };
    struct View {  // what is observed at once
        std::size_t setup, view;
        std::vector<std::pair<std::size_t, std::size_t>> galaxyAndRow;
    };
    std::vector<View> views() const;

    Observers& observers_;
    const RunPlan& plan_;
    bool strict_;
    std::vector<Waiting> galaxies_;
    std::uint64_t stars_ = 0;
};

}  // namespace tessera
