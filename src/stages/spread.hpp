// How a star's light is shared among spaxels: its pieces (physics/project.hpp). Derivations 19 and 20 of docs/adjoints.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/physics/project.hpp"
#include "tessera/stages.hpp"

namespace tessera {

struct Piece {
    std::uint32_t spaxel;  // of the grid
    double share;          // of the star's light
};

// One of these a thread. The same star has the same pieces whenever it is asked for.
class Spread {
public:
    Spread(const ProjectionConfig&, const SpaxelGrid&);

    // Pieces inside the grid of a star at (x, y) [kpc], ascending in their spaxel; what falls outside is no piece. Valid until the
    // next call. smoothing [kpc]: of sph alone; where it is below 1e-9 spaxels a star shines into its nearest one.
    std::span<const Piece> operator()(double x, double y, double smoothing);
    // The same with slopes, see slopes().
    std::span<const Piece> withSlopes(double x, double y, double smoothing);
    std::span<const PieceSlope> slopes() const { return slopes_; }

private:
    void cloud(double x, double y, bool slopes);
    void kernel(double x, double y, double smoothing, bool slopes);
    void spread(double x, double y, double smoothing, bool slopes);

    struct Corner {
        double value;
        PieceSlope slope;
    };
    FootprintKind kind_;
    SpaxelGrid grid_;
    KernelTable table_;
    std::vector<Piece> pieces_;
    std::vector<PieceSlope> slopes_;
    std::vector<KernelEdge<double>> edges_;
    std::vector<Corner> corners_;  // of two rows of edges
};

// [kpc] of star i; 0 where the footprint has none.
double smoothingOf(const ProjectionConfig&, const Stars&, std::size_t i);

}  // namespace tessera
