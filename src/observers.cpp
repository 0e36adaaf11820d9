#include "observers.hpp"

#include <algorithm>

namespace tessera {

std::shared_ptr<Observer> Observers::of(std::size_t setup) {
    constexpr std::size_t most = 4;  // a few telescopes in turns; each keeps cubes' memory and tables of knots
    const auto known = std::find_if(kept_.begin(), kept_.end(), [&](const auto& k) { return k.first == setup; });
    if (known != kept_.end()) {
        kept_.splice(kept_.begin(), kept_, known);
    } else {
        if (kept_.size() == most) kept_.pop_back();
        const Setup& s = plan_.setups.at(setup);
        kept_.emplace_front(setup, std::make_shared<Observer>(Host{plan_.config.resources.threads}, s.config,
                                                              *s.library, s.cosmology, *s.tables));
    }
    return kept_.front().second;
}

std::shared_ptr<const GalaxyCube> Observers::observe(const Stars& stars, const GalaxyInput& input, const Observation& o,
                                                     const Comm& comm) {
    const std::shared_ptr<Observer> observer = of(o.setup);
    return {new GalaxyCube(observer->observe(stars, input, o.view, o.noise, comm)), [observer](GalaxyCube* cube) {
                observer->recycle(std::move(*cube));
                delete cube;
            }};
}

}  // namespace tessera
