// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_inputs.hpp"

#include <span>
#include <type_traits>
#include <utility>

#include "device_spectra.hpp"
#include "kernels/star_inputs.hpp"
#include "stages/projected_kernel.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

void addInputs(const Stream& s, const AdjointTask& t, const DeviceBuffer<PieceBar>& pieces, AdjointSums& out) {
    const std::size_t n = t.stars.size();
    const Pieces& p = t.pieces;
    const bool moves = !p.whole(), sph = p.config.footprint == FootprintKind::sph,
               ownSmoothing = sph && !p.config.smoothing;
    const KernelTable table = sph ? projectedKernel() : KernelTable{};
    const std::span<const double> coefficients(table.coefficients, sph ? sq(std::size_t(table.cells) + 3) : 0);
    const auto blocks = upload(s, t.blocks);
    const auto velocity = upload(s, t.stars.velocity);
    const auto mass = upload(s, t.stars.mass);
    const auto dCoefficients = upload(s, coefficients);
    DeviceBuffer<Vec3d> position;
    DeviceBuffer<std::uint64_t> firstPiece;
    DeviceBuffer<std::uint32_t> spaxel;
    DeviceBuffer<float> smoothing;
    if (moves) {
        position = upload(s, t.stars.position);
        firstPiece = upload(s, p.first);
        spaxel = upload(s, p.spaxel);
    }
    if (ownSmoothing) smoothing = upload(s, t.stars.smoothing);
    DeviceBuffer<float> massBar(n, s), logAge(n, s), metallicity(n, s), smoothingBar(sph ? n : 0, s);
    DeviceBuffer<Vec3f> velocityBar(n, s), positionBar(moves ? n : 0, s);
    DeviceBuffer<ViewSums> partial(blocks.size() - 1, s);
    StarInputsArgs a;
    a.block = blocks.view();
    a.velocity = velocity.view();
    a.mass = mass.view();
    a.centre = t.frame.centre;
    a.systemicVelocity = t.frame.velocity;
    a.rotation = t.frame.rotation;
    a.doppler = t.doppler;
    a.piece = pieces.view();
    a.footprint = p.config.footprint;
    a.position = std::as_const(position).view();
    a.boxSize = p.boxSize;
    a.grid = p.grid;
    a.smoothing = p.config.smoothing.value_or(0);
    a.smoothingOfStar = std::as_const(smoothing).view();
    a.firstPiece = std::as_const(firstPiece).view();
    a.pieceSpaxel = std::as_const(spaxel).view();
    a.kernel.cells = table.cells;
    a.coefficients = dCoefficients.view();
    a.massBar = massBar.view();
    a.logAgeBar = logAge.view();
    a.metallicityBar = metallicity.view();
    a.smoothingBar = smoothingBar.view();
    a.velocityBar = velocityBar.view();
    a.positionBar = positionBar.view();
    a.partial = partial.view();
    starInputs(s, a);
    const auto toHost = [](auto& to, const auto& from) {
        to = std::remove_reference_t<decltype(to)>(from.size());
        from.download(to.data());
    };
    toHost(out.stars.mass, massBar);
    toHost(out.stars.logAge, logAge);
    toHost(out.stars.metallicity, metallicity);
    toHost(out.stars.velocity, velocityBar);
    if (moves) toHost(out.stars.position, positionBar);
    if (sph) toHost(out.stars.smoothing, smoothingBar);
    toHost(out.view, partial);
    s.synchronize();
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
