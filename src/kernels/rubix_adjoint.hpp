// Transpose of accumulateRubix(). Derivation 18 of docs/adjoints.md.
#pragma once

#include "kernels/rubix.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct RubixAdjointArgs {
    RubixArgs sum;                 // whose transpose is wanted; its spaxels, factors and output are not looked at
    View<const float> spectraBar;  // [spaxels][sum.stride], from pixel sum.offset on
    View<StarRecordBar> bar;       // [stars] +=
};
void rubixAdjoint(const Stream&, const RubixAdjointArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
