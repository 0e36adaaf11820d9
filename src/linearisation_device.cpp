// The adjoint on a device: what is given to it, and what is made of its sums.
#include <utility>

#include "linearisation.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera {

InputsBar Linearisation::State::vjpOnDevice(const Cube& cubeBar, const std::vector<PsfParameter>& psfs,
                                            const std::vector<LsfParameter>& lsfs) const {
    AdjointTask task{stars,         frame,     plan.plan, binned, table, library,
                     view.redshift, doppler(), wanted,    {},     {},    config.resources.deviceMemory};
    for (const PsfParameter p : psfs) task.psfSlopes.push_back(psfSlope(p));
    if (!lsfs.empty()) task.lsfSlope = lsfSlope();
    AdjointSums sums = device->vjp(task, cubeBar);
    return inputsOf(std::move(sums.stars), sums.view, psfs, sums.psf, lsfs, sums.sigma);
}

InputsBar Linearisation::State::inputsOf(StarsBar&& starsBar, const ViewSums& sums,
                                         const std::vector<PsfParameter>& psfs, const std::vector<double>& psfBar,
                                         const std::vector<LsfParameter>& lsfs,
                                         const std::vector<double>& sigmaBar) const {
    InputsBar g;
    g.stars = std::move(starsBar);
    g.systemicVelocity = frame.rotation.row[2] * -sums.velocity;
    cosmologicalShiftAdjoint(view.redshift, g.redshiftShift, sums.shift);
    distanceOfLight(sums.light, g);
    g.rotation.row[2] = sums.lineOfSight;
    viewOfRotation(g);
    for (std::size_t k = 0; k < psfs.size(); ++k)
        (psfs[k] == PsfParameter::fwhm ? g.psfFwhm : (psfs[k] == PsfParameter::beta ? g.psfBeta : g.psfSigmaSpaxels)) =
            psfBar[k];
    for (const LsfParameter& p : lsfs) {
        double& sum = g.lsf.emplace_back(0.0);
        for (std::size_t j = 0; j < sigmaBar.size(); ++j) sum += sigmaBar[j] * p.sigmaSlope[j];
    }
    return g;
}

}  // namespace tessera
