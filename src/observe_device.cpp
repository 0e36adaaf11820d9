// Observers on a device: galaxies of few stars together.
#include <chrono>
#include <deque>
#include <exception>
#include <new>
#include <utility>

#include "observer_state.hpp"
#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

void Observer::State::observeOnDevice(std::span<const GalaxyToObserve> galaxies, std::size_t viewIndex,
                                      const Comm& comm, const ObservedUse& use) {
    const auto start = std::chrono::steady_clock::now();
    const ViewConfig& view = config.views.at(viewIndex);
    View& v = viewAt(view.redshift);
    std::deque<Team> teams;
    std::vector<GalaxyCube> cubes;
    std::vector<DeviceGalaxy> onDevice;
    cubes.reserve(galaxies.size());
    for (const GalaxyToObserve& one : galaxies) {
        const Stars& stars = *one.stars;
        const GalaxyInput& input = *one.input;
        Team& team = teams.emplace_back(comm);
        GalaxyCube& cube = cubes.emplace_back(begin(stars, stars, input, v, one.noise.view, team));
        const bool few = cube.report.nStars <= fewStars;
        const auto findIt = [&](const DeviceGalaxy::FrameParts& parts) {
            SumFrame sums;
            if (parts) sums = [&](const auto&... a) { return sumInOrder(parts(a...), team.gather()); };
            return findFrame(stars, input, view, team, sums, cube.report);
        };
        onDevice.push_back({stars, rowBlocks(stars), few, input.boxSize, findIt, one.noise, team, cube});
    }
    const DeviceView task{v.plan,
                          v.grid,
                          doppler(),
                          view.redshift,
                          library,
                          [&](const TableKey& key, Team& team) -> Knots& {
                              Knots& knots = knotsOf(v, key);
                              team.agree(knots.table);
                              return knots;
                          },
                          [&] { return cubeOf(v); },
                          config.noise ? &*config.noise : nullptr,
                          config.resources,
                          config.spectra.coefficientsFrom};
    std::size_t observed = 0;
    device->observe(task, onDevice, [&](std::size_t i, const DeviceOutcome& outcome) {
        Observed o;
        if (outcome.fault) {
            o.fault = outcome.fault;
        } else if (outcome.empty) {
            o.fault = std::make_exception_ptr(emptyField(*galaxies[i].input, cubes[i].report, view));
        } else {
            // Its share of the time, where several were made at once.
            cubes[i].report.seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / double(++observed);
            o.cube = std::move(cubes[i]);
        }
        use(i, std::move(o));
    });
}

void Observer::observe(std::span<const GalaxyToObserve> galaxies, std::size_t view, const ObservedUse& use) {
    std::vector<std::size_t> together, others;
    for (std::size_t i = 0; i < galaxies.size(); ++i)
        (state_->fitsDevice(*galaxies[i].input) ? together : others).push_back(i);
    if (together.size() > 1) {
        std::vector<GalaxyToObserve> some;
        for (const std::size_t i : together) some.push_back(galaxies[i]);
        std::vector<bool> used(some.size());
        bool inUse = false;  // what is thrown then is the caller's
        try {
            state_->observeOnDevice(some, view, Comm::self(), [&](std::size_t k, Observed&& o) {
                used[k] = true;
                inUse = true;
                use(together[k], std::move(o));
                inUse = false;
            });
        } catch (const Error& e) {
            if (inUse || e.exitCode() == ExitCode::usage) throw;
        } catch (const std::bad_alloc&) {
            if (inUse) throw;
            // The device's or the host's memory: one by one there may be enough.
        }
        for (std::size_t k = 0; k < some.size(); ++k)
            if (!used[k]) others.push_back(together[k]);
    } else {
        others.insert(others.end(), together.begin(), together.end());
    }
    for (const std::size_t i : others) {
        Observed o;
        try {
            o.cube = observe(*galaxies[i].stars, *galaxies[i].input, view, galaxies[i].noise);
        } catch (const std::exception&) {
            o.fault = std::current_exception();
        }
        use(i, std::move(o));
    }
}

}  // namespace tessera
