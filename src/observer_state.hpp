// What an Observer keeps between galaxies.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "device_observer.hpp"
#include "knot_cache.hpp"
#include "make_cube.hpp"
#include "team.hpp"
#include "tessera/pipeline.hpp"
#include "tessera/stages.hpp"
#include "view_plan.hpp"

namespace tessera {

struct Observer::State {
    // What the views of one redshift share, whatever the galaxy.
    struct View : ViewPlan {
        std::vector<std::pair<TableKey, Knots>> tables;  // newest last
    };

    Host exec;
    const Config& config;
    const SspLibrary& library;
    const Cosmology& cosmology;
    const InstrumentTables& instrumentTables;
    std::list<View> views;  // the last used first
    CubeWorkspace workspace;
    Projected projected;  // memory
    BinnedStars binned;   // memory
    std::mutex spareMutex;
    std::vector<Buffer<float>> spare;  // memory of cubes
    std::unique_ptr<DeviceObserver> device;
    KnotCache* known = nullptr;

    bool rubix() const { return config.compat == Compat::rubix; }
    View& viewAt(double redshift);
    Knots& knotsOf(View&, const TableKey&);
    void boundTables();
    Cube cubeOf(const View&);
    Doppler doppler() const { return rubix() ? Doppler::exponential : config.spectra.doppler; }

    // Footprints and fields with neighbours are the CPU's own.
    bool fitsDevice(const GalaxyInput& input) const {
        return device && config.projection.footprint == FootprintKind::nearest && !input.field;
    }
    // The cube as far as it is known before the stars are looked at. Throws Unobservable where smoothing lengths are missing.
    GalaxyCube begin(const Stars& stars, const Stars& own, const GalaxyInput&, const View&, std::uint32_t number,
                     const Team&) const;
    // Axes and systemic velocity, also for the report. sums: the device's, or none.
    GalaxyFrame findFrame(const Stars& own, const GalaxyInput&, const ViewConfig&, const Team&, const SumFrame& sums,
                          GalaxyReport&) const;
    EmptyField emptyField(const GalaxyInput&, const GalaxyReport&, const ViewConfig&) const;
    // Throws what is wrong with the device; use() was then not called for the rest. Several: each one rank's own.
    void observeOnDevice(std::span<const GalaxyToObserve>, std::size_t view, const Comm&, const ObservedUse&);
};

}  // namespace tessera
