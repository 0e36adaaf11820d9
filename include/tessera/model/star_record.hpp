// One star as the stages behind the ordering read it: 32 bytes.
#pragma once

#include <cstdint>

namespace tessera {

struct alignas(16) StarRecord {
    std::int32_t corner;   // SSP template iZ nAge + iAge of the lower corner
    float ageFraction;     // towards corner + 1
    float zFraction;       // towards corner + nAge
    float mass;            // [Msun]
    float shift;           // d ln(lambda) of the line-of-sight velocity
    float age;             // [Gyr]
    float metallicity;     // mass fraction
    std::uint32_t source;  // index into Stars
};

// Cotangent or tangent of a star's record.
struct StarRecordBar {
    float mass, ageFraction, zFraction, shift;
};

}  // namespace tessera
