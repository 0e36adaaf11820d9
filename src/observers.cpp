#include "observers.hpp"

#include <algorithm>

namespace tessera {

Observers::Kept& Observers::of(std::size_t setup) {
    constexpr std::size_t most = 4;  // a few telescopes in turns; each keeps cubes' memory and tables of knots
    const auto known = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.setup == setup; });
    if (known != kept_.end()) {
        kept_.splice(kept_.begin(), kept_, known);
    } else {
        if (kept_.size() == most) kept_.pop_back();
        const Setup& s = plan_.setups.at(setup);
        kept_.push_front({setup, s.config,
                          std::make_shared<Observer>(Host{plan_.config.resources.threads}, s.config, *s.library,
                                                     s.cosmology, *s.tables)});
    }
    return kept_.front();
}

std::shared_ptr<const GalaxyCube> Observers::finish(Kept& kept, const Observation& o, GalaxyCube&& made, bool owner) {
    auto cube = std::make_unique<GalaxyCube>(std::move(made));
    if (!plan_.rowsSha256.empty() && owner) {
        kept.config.views = {plan_.setupOf(o).config.views.at(o.view)};
        if (kept.config.noise) kept.config.noise->seed = o.noise.seed;
        cube->config = dumpConfig(kept.config);
        cube->report.row = std::int64_t(o.place);
    }
    return {cube.release(), [observer = kept.observer](GalaxyCube* c) {
                observer->recycle(std::move(*c));
                delete c;
            }};
}

std::shared_ptr<const GalaxyCube> Observers::observe(const Stars& stars, const GalaxyInput& input, const Observation& o,
                                                     const Comm& comm, const Observer::StarsDone& starsDone) {
    Kept& kept = of(o.setup);
    return finish(kept, o, kept.observer->observe(stars, input, o.view, o.noise, comm, starsDone), comm.rank() == 0);
}

void Observers::observe(std::span<const GalaxyToObserve> galaxies, std::span<const Observation* const> observations,
                        const Use& use) {
    if (galaxies.empty()) return;
    Kept& kept = of(observations[0]->setup);
    kept.observer->observe(galaxies, observations[0]->view, [&](std::size_t i, Observed&& o) {
        if (o.fault)
            use(i, {}, o.fault);
        else
            use(i, finish(kept, *observations[i], std::move(o.cube), true), {});
    });
}

}  // namespace tessera
