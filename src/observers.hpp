// The observers of a run: one a setup, made when first needed; those not used for longest go when there are several.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "run_plan.hpp"

namespace tessera {

class Observers {
public:
    explicit Observers(const RunPlan& plan) : plan_(plan) {}  // which must outlive it and all observers

    // Of this rank's part of the stars, with the other ranks of the communicator (see Observer::observe). The cube's
    // memory goes back to its observer when it has served, in whichever thread that is.
    std::shared_ptr<const GalaxyCube> observe(const Stars&, const GalaxyInput&, const Observation&, const Comm&);

private:
    struct Kept {
        std::size_t setup;
        Config config;  // of the setup, to be given the view of a cube
        std::shared_ptr<Observer> observer;
    };
    Kept& of(std::size_t setup);

    const RunPlan& plan_;
    std::list<Kept> kept_;  // the last used first
};

}  // namespace tessera
