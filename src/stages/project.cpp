#include "tessera/physics/project.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "stages/spread.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"
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

// Of the stars inside the field.
struct BlockSums {
    float low = INFINITY, high = -INFINITY;
    std::size_t inside = 0;
};

static_assert(simd::outsideOfSky == outsideField);
static_assert(sizeof(Vec3d) == 3 * sizeof(double) && sizeof(Vec3f) == 3 * sizeof(float));

// Stars [first, first + count), each in its nearest spaxel.
BlockSums blockOfWhole(const Sky& sky, const SpaxelGrid& grid, Doppler kind, std::size_t first, std::size_t count,
                       Projected& p) {
    std::array<double, simd::skyBlock> speed;
    simd::SkyArgs a{};
    a.position = &sky.stars.position[first].x;
    a.velocity = &sky.stars.velocity[first].x;
    a.n = count;
    for (int k = 0; k < 3; ++k) {
        a.centre[k] = sky.frame.centre[k];
        a.velocityZero[k] = sky.frame.velocity[k];
        for (int j = 0; j < 3; ++j) a.axes[k][j] = sky.frame.rotation.row[k][j];
    }
    a.inverseC = 1 / units::c_km_s;
    a.box = sky.boxSize;
    a.halfDepth = sky.depth > 0 ? 0.5 * sky.depth : INFINITY;
    a.spaxelKpc = grid.spaxelKpc;
    a.side = grid.n;
    a.spaxel = &p.spaxel[first];
    a.speed = speed.data();
    a.shift = &p.shift[first];
    simd::kernels().sky(a);
    if (kind == Doppler::relativistic && a.slow) return {a.low, a.high, a.inside};
    BlockSums sums{INFINITY, -INFINITY, a.inside};
    for (std::size_t k = 0; k < count; ++k) {
        const float shift = a.shift[k] = float(dopplerShift(speed[k], kind));
        if (a.spaxel[k] == outsideField) continue;
        sums.low = std::min(sums.low, shift);
        sums.high = std::max(sums.high, shift);
    }
    return sums;
}

// The same of stars whose pieces are cut.
BlockSums blockOfPieces(const Sky& sky, Doppler kind, std::size_t first, std::size_t count, Projected& p) {
    BlockSums sums;
    for (std::size_t i = first; i < first + count; ++i) {
        p.shift[i] = sky.shift(i, kind);
        if (p.firstPiece[i + 1] == p.firstPiece[i]) continue;
        ++sums.inside;
        sums.low = std::min(sums.low, p.shift[i]);
        sums.high = std::max(sums.high, p.shift[i]);
    }
    return sums;
}

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
                  Doppler kind, double depth, const ProjectionConfig& config, Projected&& memory) {
    if (lacksSmoothing(stars, config))
        throw Error(
            "the stars have no smoothing lengths, which projection.footprint \"sph\" takes: give projection.smoothing "
            "in kpc");
    const std::size_t n = stars.size();
    const Sky sky{stars, f, boxSize, depth};
    Projected p = std::move(memory);
    p.shift.reshape(n);
    const bool whole = config.footprint == FootprintKind::nearest;
    if (whole)
        p.spaxel.reshape(n);
    else
        cut(exec, sky, grid, config, p);
    float low = INFINITY, high = -INFINITY;
    std::uint64_t inside = 0;
    const std::size_t blocks = (n + simd::skyBlock - 1) / simd::skyBlock;
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static) reduction(min : low) reduction(max : high) \
    reduction(+ : inside)
    for (std::size_t b = 0; b < blocks; ++b) {
        const std::size_t first = b * simd::skyBlock, count = std::min(simd::skyBlock, n - first);
        const BlockSums sums =
            whole ? blockOfWhole(sky, grid, kind, first, count, p) : blockOfPieces(sky, kind, first, count, p);
        inside += sums.inside;
        low = std::min(low, sums.low);
        high = std::max(high, sums.high);
    }
    if (whole) p.inside = inside;
    p.shiftMin = inside > 0 ? low : 0;
    p.shiftMax = inside > 0 ? high : 0;
    return p;
}

}  // namespace tessera
