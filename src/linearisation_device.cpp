// The adjoint on a device: what is given to it, and what is made of its sums.
#include <utility>

#include "linearisation.hpp"
#include "stages/blocks.hpp"

namespace tessera {

ViewSums Linearisation::State::vjpOnDevice(const Cube& cubeBar, const std::vector<PsfParameter>& psfs,
                                           const std::vector<LsfParameter>& lsfs, InputsBar& g) const {
    AdjointTask task{stars,
                     rowBlocks(stars),
                     frame,
                     pieces,
                     plan.plan,
                     table,
                     library,
                     view.redshift,
                     doppler(),
                     team,
                     wanted,
                     {},
                     {},
                     lsfs,
                     config.resources.deviceMemory,
                     {}};
    if (!team.alone()) task.giveBack = [&](const Buffer<PieceBar>& shared) { return ownPieces(shared); };
    for (const PsfParameter p : psfs) task.psfSlopes.push_back(psfSlope(p));
    if (!lsfs.empty()) task.lsfSlope = lsfSlope();
    AdjointSums sums = device->vjp(task, cubeBar);
    for (std::size_t k = 0; k < psfs.size(); ++k) psfBarOf(psfs[k], g) = total(sums.psf[k]);
    for (std::size_t p = 0; p < lsfs.size(); ++p) addLsfBar(lsfs[p], total(sums.lsf[p]), g);
    g.stars = std::move(sums.stars);
    return sumInOrder(sums.view, team.gather());
}

}  // namespace tessera
