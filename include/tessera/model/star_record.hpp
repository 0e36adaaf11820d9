// One star as the accumulation reads it: 20 bytes.
#pragma once

#include <cstdint>

namespace tessera {

struct StarRecord {
    std::int32_t corner;  // SSP template iZ nAge + iAge of the lower corner
    float ageFraction;    // towards corner + 1
    float zFraction;      // towards corner + nAge
    float mass;           // [Msun]
    float shift;          // d ln(lambda) of the line-of-sight velocity
};

}  // namespace tessera
