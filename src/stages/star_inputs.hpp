// Between the records of stars (template weights, mass, shift) and what the user gives (mass, age, metallicity, velocity, and with a
// footprint position and smoothing length), by way of the stars' pieces: transpose and tangent of project() and bin().
// Derivations 2, 6, 7, 19 and 20 of docs/adjoints.md.
#pragma once

#include "tessera/physics/star_inputs.hpp"
#include "tessera/stages.hpp"

namespace tessera {

// The pieces that stars were cut into by project(), which can be made again from this. Without a footprint a star is one piece.
struct Pieces {
    const ProjectionConfig& config;
    SpaxelGrid grid;               // that project() was given
    double boxSize = 0;            // [kpc]
    Buffer<std::uint64_t> first;   // Projected::firstPiece
    std::uint64_t number = 0;      // of pieces
    Buffer<std::uint32_t> spaxel;  // of every piece; where a device asks for it

    bool whole() const { return first.empty(); }
    std::uint64_t begin(std::size_t star) const { return whole() ? star : first[star]; }
};

// out[source] = the records' cotangents as those of their pieces, nothing for RUBIX's dark stars, and what these have beside,
// `direct` in the records' order or nullptr.
void piecesOfRecords(Host, const BinnedStars&, const KnotTable&, const StarRecordBar* bar, const PieceBar* direct,
                     PieceBar* out);
// From the order of the records to that of their sources, of which there are so many; those without a record, outside the field,
// get 0.
Buffer<PieceBar> bySource(Host, const BinnedStars&, const PieceBar* ofRecords, std::uint64_t sources);

// bar: by piece. Stars outside the field keep 0.
ViewSums inputsOfPieces(Host, const Stars&, const GalaxyFrame&, const Pieces&, Doppler, const PieceBar* bar,
                        const Gather&, StarsBar& out);

// Tangent of what the stars see of the view.
struct ViewDot {
    Vec3d systemicVelocity, centre;
    Mat3d rotation{{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}};
    double shift = 0, spaxel = 0, smoothing = 0;
};
// Tangent of every piece, of tangents of the stars (nullptr: none) and of the view.
Buffer<PieceBar> piecesOfInputs(Host, const Stars&, const GalaxyFrame&, const Pieces&, Doppler, const StarsBar* tangent,
                                const ViewDot&);
// dot[record] of the tangents of their pieces, in the records' order.
void recordsOfPieces(Host, const BinnedStars&, const KnotTable&, const PieceBar* pieces, StarRecordBar* dot);

}  // namespace tessera
