// One star as the stages behind the ordering read it: 32 bytes.
#pragma once

#include <cstdint>

#include "tessera/core/hd.hpp"

namespace tessera {

// A star that shines into several spaxels has a record in each, with its mass there. It is counted in one of them, that which
// its centre falls into; the sources of the others have this bit.
inline constexpr std::uint32_t countedElsewhere = 0x80000000U;

struct alignas(16) StarRecord {
    std::int32_t corner;   // SSP template iZ nAge + iAge of the lower corner
    float ageFraction;     // towards corner + 1
    float zFraction;       // towards corner + nAge
    float mass;            // [Msun]
    float shift;           // d ln(lambda) of the line-of-sight velocity
    float age;             // [Gyr]
    float metallicity;     // mass fraction
    std::uint32_t source;  // index into Stars, or of the piece of a star (Projected::firstPiece); see countedElsewhere

    TESSERA_HD bool counted() const { return (source & countedElsewhere) == 0; }
    TESSERA_HD std::uint32_t index() const { return source & ~countedElsewhere; }
};

// Cotangent or tangent of a star's record.
struct StarRecordBar {
    float mass, ageFraction, zFraction, shift;
};

}  // namespace tessera
