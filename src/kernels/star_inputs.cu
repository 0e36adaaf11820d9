#include "kernels/star_inputs.hpp"

#include "kernels/reduce.hpp"
#include "tessera/physics/orient.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

constexpr int threads = 128;

__global__ void __launch_bounds__(threads) recordPiecesKernel(RecordPiecesArgs a) {
    const std::size_t k = std::size_t(blockIdx.x) * threads + threadIdx.x;
    if (k >= a.star.size()) return;
    const StarRecord r = a.star[k];
    const RecordSlope slope = a.slopes(r);
    if (slope.dark) return;
    const StarRecordBar bar = a.bar[k];
    a.piece[r.index()] = {bar.mass, bar.ageFraction * slope.age, bar.zFraction * slope.z, bar.shift, 0};
}

__device__ StarSums sumPieces(const StarInputsArgs& a, std::size_t i, const Vec3d& relative, double mass) {
    StarSums s;
    if (a.footprint == FootprintKind::nearest) {
        s.add(a.piece[i], 1);
        return s;
    }
    const double x = dot(a.rotation.row[0], relative), y = dot(a.rotation.row[1], relative);
    const double smoothing = a.smoothingOfStar.size() > 0 ? double(a.smoothingOfStar[i]) : a.smoothing;
    for (std::uint64_t k = a.firstPiece[i]; k < a.firstPiece[i + 1]; ++k) {
        const std::uint32_t spaxel = a.pieceSpaxel[k];
        if (spaxel == outsideField) continue;
        const PieceShare p = pieceShare(a.footprint, a.kernel, a.grid, x, y, smoothing, spaxel);
        s.add(a.piece[k], p.share, p.slope, mass);
    }
    return s;
}

// A star a thread, a block of stars a block of threads.
__global__ void __launch_bounds__(threads) starInputsKernel(StarInputsArgs a) {
    TESSERA_SHARED(Uninitialised<ViewSums>, all, [threads]);  // more than there are registers for
    ViewSums& sums = all[threadIdx.x].value();
    sums = {};
    for (std::size_t i = a.block[blockIdx.x] + threadIdx.x; i < a.block[blockIdx.x + 1]; i += threads) {
        const double mass = a.mass[i];
        Vec3d relative;
        if (a.position.size() > 0) relative = nearestImage(a.position[i] - a.centre, a.boxSize);
        const StarSums s = sumPieces(a, i, relative, mass);
        const StarOfView of =
            starOfView(s, mass, relative, a.velocity[i].to<double>() - a.systemicVelocity, a.rotation, a.doppler);
        a.massBar[i] = float(s.mass);
        a.logAgeBar[i] = float(s.logAge);
        a.metallicityBar[i] = float(s.metallicity);
        a.velocityBar[i] = of.velocity.to<float>();
        if (a.positionBar.size() > 0) a.positionBar[i] = of.position.to<float>();
        if (a.smoothingBar.size() > 0) a.smoothingBar[i] = float(s.smoothing);
        sums += of.sums;
    }
    addUp<threads>(&all[0]);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sums;
}

}  // namespace

void piecesOfRecords(const Stream& s, RecordPiecesArgs a) {
    a.slopes.age.slope = a.age.data();
    a.slopes.z.slope = a.z.data();
    launch(blocksFor(a.star.size(), threads), threads, 0, s, recordPiecesKernel, a);
}

void starInputs(const Stream& s, StarInputsArgs a) {
    a.kernel.coefficients = a.coefficients.data();
    launch(unsigned(a.partial.size()), threads, 0, s, starInputsKernel, a);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
