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

std::shared_ptr<const GalaxyCube> Observers::observe(const Stars& stars, const GalaxyInput& input, const Observation& o,
                                                     const Comm& comm) {
    Kept& kept = of(o.setup);
    const std::shared_ptr<Observer> observer = kept.observer;
    auto cube = std::make_unique<GalaxyCube>(observer->observe(stars, input, o.view, o.noise, comm));
    if (!plan_.rowsSha256.empty() && comm.rank() == 0) {
        kept.config.views = {plan_.setupOf(o).config.views.at(o.view)};
        if (kept.config.noise) kept.config.noise->seed = o.noise.seed;
        cube->config = dumpConfig(kept.config);
        cube->report.row = std::int64_t(o.place);
    }
    return {cube.release(), [observer](GalaxyCube* c) {
                observer->recycle(std::move(*c));
                delete c;
            }};
}

}  // namespace tessera
