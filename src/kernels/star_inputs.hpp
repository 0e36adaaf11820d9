// From the cotangents of the stars' records to those of the stars' inputs and of the view (physics/star_inputs.hpp), by way of the
// stars' pieces.
#pragma once

#include "tessera/core/hd.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/physics/star_inputs.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// piece[source of a record] = its cotangent; none of RUBIX's dark stars.
struct RecordPiecesArgs {
    View<const StarRecord> star;
    View<const StarRecordBar> bar;
    RecordSlopes slopes;  // its pointers: of `age` and `z`
    View<const float> age, z;
    View<PieceBar> piece;
};
void piecesOfRecords(const Stream&, RecordPiecesArgs);

struct StarInputsArgs {
    View<const std::size_t> block;  // [blocks + 1] first star of each, whose sums are taken together
    View<const Vec3f> velocity;
    View<const float> mass;
    Vec3d centre, systemicVelocity;
    Mat3d rotation;
    Doppler doppler = Doppler::relativistic;
    View<const PieceBar> piece;
    // Of footprints; without them a star is one piece, and none of these is given.
    FootprintKind footprint = FootprintKind::nearest;
    View<const Vec3d> position;
    double boxSize = 0;
    SpaxelGrid grid;
    double smoothing = 0;                   // [kpc] of all stars where
    View<const float> smoothingOfStar;      // is not given
    View<const std::uint64_t> firstPiece;   // [stars + 1]
    View<const std::uint32_t> pieceSpaxel;  // or outsideField: of no piece that counts
    KernelTable kernel;                     // its pointer: of `coefficients`
    View<const double> coefficients;
    // [stars]; of positions and smoothing lengths where they are given.
    View<float> massBar, logAgeBar, metallicityBar, smoothingBar;
    View<Vec3f> velocityBar, positionBar;
    View<ViewSums> partial;  // [blocks] to be added up in order
};
void starInputs(const Stream&, StarInputsArgs);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
