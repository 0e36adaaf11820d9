// Transpose and tangent of maps(). Derivations 14 and 22 of docs/adjoints.md.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "stages/star_inputs.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// The maps that have a derivative, by their names in the cube file; "flux" is the cube's own sum, and not among them.
std::vector<std::string> differentiableMaps();

// Cotangents of maps by name as those of spaxels [n n]. Error: a map that there is not or that has no derivative, of another size,
// or not finite inside the mask. "flux" is left out.
std::vector<SpaxelMoments> spaxelMoments(const std::vector<Map>&, std::size_t n, std::span<const std::uint8_t> mask);

// Of stars in lit spaxels (after keepLit()) of a grid that is padded by pad, for maps of n x n spaxels inside.
class MapsDerivative {
public:
    MapsDerivative(Host, const BinnedStars&, const KnotTable&, Doppler, double redshift, const WavelengthGrid&,
                   std::size_t n, std::size_t pad, std::span<const std::uint8_t> mask);

    // bar[record] += cotangent of what makes its light, direct[record] += of its own age, metallicity, velocity.
    void adjoint(Host, const std::vector<SpaxelMoments>& mapsBar, StarRecordBar* bar, PieceBar* direct) const;
    // Tangents of the maps, NaN where maps() has NaN; of records and of what they are made of.
    std::vector<Map> tangent(Host, const StarRecordBar* dot, const PieceBar* direct) const;

private:
    MapStar starOf(const StarRecord&) const;
    // Field spaxel of a lit one; none: not in the field, or not inside the mask.
    static constexpr std::size_t none = ~std::size_t(0);
    std::size_t fieldSpaxel(std::size_t lit) const;

    const BinnedStars& stars_;
    const KnotTable& table_;
    Doppler doppler_;
    std::size_t n_, pad_;
    std::vector<std::uint8_t> mask_;
    BandLightTable light_;
    std::vector<SpaxelSums> sums_;  // of each lit spaxel
};

}  // namespace tessera
