#include "tessera/physics/project.hpp"

#include <algorithm>
#include <cmath>

#include "stages/blocks.hpp"
#include "stages/spread.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

struct Sky {
    const Stars& stars;
    const GalaxyFrame& frame;
    double boxSize, depth;
    Vec3d position(std::size_t i) const {
        return frame.rotation * nearestImage(stars.position[i] - frame.centre, boxSize);
    }
    // Farther along the line of sight than what is observed.
    bool deep(const Vec3d& x) const { return depth > 0 && !(std::fabs(x.z) <= 0.5 * depth); }
    float shift(std::size_t i, Doppler kind) const {
        return float(dopplerShift(dot(frame.rotation.row[2], stars.velocity[i].to<double>() - frame.velocity), kind));
    }
};

// Pieces of the stars: counted, then made again in their places, so that none is there twice.
void cut(Host exec, const Sky& sky, const SpaxelGrid& grid, const ProjectionConfig& config, Projected& p) {
    const std::size_t n = sky.stars.size();
    p.firstPiece = Buffer<std::uint64_t>(n + 1);
    p.centre = Buffer<std::uint32_t>(n);
    p.firstPiece[0] = 0;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Spread spread(config, grid);
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < n; ++i) {
            const Vec3d x = sky.position(i);
            const bool deep = sky.deep(x);
            p.centre[i] = deep ? outsideField : spaxelOf(x.x, x.y, grid);
            p.firstPiece[i + 1] = deep ? 0 : spread(x.x, x.y, smoothingOf(config, sky.stars, i)).size();
        }
    }
    for (std::size_t i = 0; i < n; ++i) p.firstPiece[i + 1] += p.firstPiece[i];
    const std::uint64_t pieces = p.firstPiece[n];
    if (pieces >= countedElsewhere)
        throw Error(
            "the footprints (projection.footprint) of " + std::to_string(n) + " stars are " + std::to_string(pieces) +
            " pieces on one rank: at most 2147483647 are supported; use more ranks, larger spaxels or a smaller "
            "projection.smoothing");
    p.spaxel = Buffer<std::uint32_t>(pieces);
    p.mass = Buffer<float>(pieces);
    p.inside = pieces;
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Spread spread(config, grid);
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t at = p.firstPiece[i];
            if (at == p.firstPiece[i + 1]) continue;
            const Vec3d x = sky.position(i);
            for (const Piece& piece : spread(x.x, x.y, smoothingOf(config, sky.stars, i))) {
                p.spaxel[at] = piece.spaxel;
                p.mass[at++] = float(piece.share * double(sky.stars.mass[i]));
            }
        }
    }
}

}  // namespace

bool lacksSmoothing(const Stars& stars, const ProjectionConfig& c) {
    return c.footprint == FootprintKind::sph && !c.smoothing && stars.smoothing.size() < stars.size();
}

Projected project(Host exec, const Stars& stars, const GalaxyFrame& f, double boxSize, const SpaxelGrid& grid,
                  Doppler kind, double depth, const ProjectionConfig& config) {
    if (lacksSmoothing(stars, config))
        throw Error(
            "the stars have no smoothing lengths, which projection.footprint \"sph\" takes: give projection.smoothing "
            "in kpc");
    const std::size_t n = stars.size();
    const Sky sky{stars, f, boxSize, depth};
    Projected p;
    p.shift = Buffer<float>(n);
    const bool whole = config.footprint == FootprintKind::nearest;
    if (whole)
        p.spaxel = Buffer<std::uint32_t>(n);
    else
        cut(exec, sky, grid, config, p);
    float low = INFINITY, high = -INFINITY;
    std::uint64_t inside = 0;
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static) reduction(min : low) reduction(max : high) \
    reduction(+ : inside)
    for (std::size_t i = 0; i < n; ++i) {
        p.shift[i] = sky.shift(i, kind);
        if (whole) {
            const Vec3d x = sky.position(i);
            p.spaxel[i] = sky.deep(x) ? outsideField : spaxelOf(x.x, x.y, grid);
            if (p.spaxel[i] == outsideField) continue;
        } else if (p.firstPiece[i + 1] == p.firstPiece[i]) {
            continue;
        }
        ++inside;
        low = std::min(low, p.shift[i]);
        high = std::max(high, p.shift[i]);
    }
    if (whole) p.inside = inside;
    if (inside > 0) {
        p.shiftMin = low;
        p.shiftMax = high;
    }
    return p;
}

}  // namespace tessera
