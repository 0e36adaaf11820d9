// RUBIX's convention of spectra (accumulateRubix() of stages.hpp): interpolated at the pixel centres, star by star, and
// rescaled as a whole.
#pragma once

#include <cstdint>

#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

struct RubixArgs {
    View<const StarRecord> star;
    View<const std::uint32_t> first;   // [spaxels + 1] first star of each
    View<const std::uint32_t> spaxel;  // [rows] of the spaxels that are lit
    View<const double> wavelength;     // [samples] rest frame
    View<const double> flux;           // [template][samples]
    int zStep = 0, ageStep = 0;
    double redshift = 0;
    View<const double> centre;  // [pixels]
    View<double> factor;        // [stars] mass times T/N
    View<float> out;            // [rows][stride], from pixel `offset` on
    std::size_t stride = 0, offset = 0;
    View<double> precise{};  // instead of out, where it is given
};
void accumulateRubix(const Stream&, const RubixArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
