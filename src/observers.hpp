// The observers of a run: one a setup, made when first needed; those not used for longest go when there are several.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <span>

#include "run_plan.hpp"

namespace tessera {

class Observers {
public:
    explicit Observers(const RunPlan& plan) : plan_(plan) {}  // which must outlive it and all observers

    // Of this rank's part of the stars, with the other ranks of the communicator (see Observer::observe). The cube's
    // memory goes back to its observer when it has served, in whichever thread that is.
    std::shared_ptr<const GalaxyCube> observe(const Stars&, const GalaxyInput&, const Observation&, const Comm&,
                                              const Observer::StarsDone&);
    // Several galaxies of this rank, of one setup and view. use: see ObservedUse.
    using Use = std::function<void(std::size_t, std::shared_ptr<const GalaxyCube>, const std::exception_ptr& fault)>;
    void observe(std::span<const GalaxyToObserve>, std::span<const Observation* const>, const Use& use);

private:
    struct Kept {
        std::size_t setup;
        Config config;  // of the setup, to be given the view of a cube
        std::shared_ptr<Observer> observer;
    };
    Kept& of(std::size_t setup);
    std::shared_ptr<const GalaxyCube> finish(Kept&, const Observation&, GalaxyCube&&, bool owner);

    const RunPlan& plan_;
    std::list<Kept> kept_;  // the last used first
};

}  // namespace tessera
