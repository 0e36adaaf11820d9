// From the cotangents of the stars' records to those of the stars' inputs and of the view (physics/star_inputs.hpp).
#pragma once

#include "tessera/core/hd.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"
#include "tessera/physics/star_inputs.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct StarInputsArgs {
    View<const StarRecord> star;
    View<const StarRecordBar> bar;
    View<const Vec3f> velocity;  // [all stars] as read
    Vec3d systemicVelocity, lineOfSight;
    Doppler doppler = Doppler::relativistic;
    RecordSlopes slopes;  // its pointers: of `age` and `z`
    View<const float> age, z;
    // [all stars], of which those with a record are written; RUBIX's dark ones are not.
    View<float> massBar, logAgeBar, metallicityBar;
    View<Vec3f> velocityBar;
    View<SightSums> partial;  // [starInputBlocks(records)] to be added up in order
};
unsigned starInputBlocks(std::size_t records);
void starInputs(const Stream&, StarInputsArgs);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
