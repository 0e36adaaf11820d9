// The adjoint on a device: what is given to it, and what is made of its sums.
#include <utility>

#include "linearisation.hpp"

namespace tessera {

ViewSums Linearisation::State::vjpOnDevice(const Cube& cubeBar, const std::vector<PsfParameter>& psfs,
                                           const std::vector<LsfParameter>& lsfs, InputsBar& g) const {
    AdjointTask task{stars,         frame,     plan.plan, binned, table, library,
                     view.redshift, doppler(), wanted,    {},     {},    config.resources.deviceMemory};
    for (const PsfParameter p : psfs) task.psfSlopes.push_back(psfSlope(p));
    if (!lsfs.empty()) task.lsfSlope = lsfSlope();
    AdjointSums sums = device->vjp(task, cubeBar);
    for (std::size_t k = 0; k < psfs.size(); ++k) psfBarOf(psfs[k], g) = sums.psf[k];
    for (const LsfParameter& p : lsfs) {
        double sum = 0;
        for (std::size_t j = 0; j < sums.sigma.size(); ++j) sum += sums.sigma[j] * p.sigmaSlope[j];
        addLsfBar(p, sum, g);
    }
    g.stars = std::move(sums.stars);
    ViewSums seen;
    seen.velocity = sums.view.velocity;
    seen.shift = sums.view.shift;
    seen.light = sums.view.light;
    seen.rotation.row[2] = sums.view.lineOfSight;
    return seen;
}

}  // namespace tessera
