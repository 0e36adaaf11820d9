#include "stages/spread.hpp"

#include <algorithm>
#include <cmath>

#include "stages/projected_kernel.hpp"

namespace tessera {

double smoothingOf(const ProjectionConfig& c, const Stars& stars, std::size_t i) {
    if (c.footprint != FootprintKind::sph) return 0;
    return c.smoothing ? *c.smoothing : double(stars.smoothing[i]);
}

Spread::Spread(const ProjectionConfig& c, const SpaxelGrid& grid) : kind_(c.footprint), grid_(grid) {
    if (kind_ == FootprintKind::sph) table_ = projectedKernel();
}

std::span<const Piece> Spread::operator()(double x, double y, double smoothing) {
    spread(x, y, smoothing, false);
    return pieces_;
}

std::span<const Piece> Spread::withSlopes(double x, double y, double smoothing) {
    spread(x, y, smoothing, true);
    return pieces_;
}

// One function for both, so that what is a piece is decided by the same instructions.
void Spread::spread(double x, double y, double smoothing, bool slopes) {
    pieces_.clear();
    slopes_.clear();
    if (kind_ == FootprintKind::cloudInCell) return cloud(x, y, slopes);
    if (kind_ == FootprintKind::sph && smoothing > narrowestKernel * grid_.spaxelKpc)
        return kernel(x, y, smoothing, slopes);
    const std::uint32_t spaxel = spaxelOf(x, y, grid_);
    if (spaxel == outsideField) return;
    pieces_.push_back({spaxel, 1});
    if (slopes) slopes_.push_back({});
}

void Spread::cloud(double x, double y, bool slopes) {
    const double d = grid_.spaxelKpc, n = double(grid_.n);
    const CloudAxis<double> ax = cloudAxis(x, d, grid_.n), ay = cloudAxis(y, d, grid_.n);
    PieceSlope gx{}, gy{};  // of the upper shares
    cloudAxisAdjoint(x, d, gx.x, gx.spaxel, 1.0);
    cloudAxisAdjoint(y, d, gy.y, gy.spaxel, 1.0);
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            const double ix = ax.lower + i, iy = ay.lower + j;
            if (!(ix >= 0 && ix < n && iy >= 0 && iy < n)) continue;
            const double sx = i ? ax.upper : 1 - ax.upper, sy = j ? ay.upper : 1 - ay.upper;
            pieces_.push_back({std::uint32_t(iy * n + ix), sx * sy});
            if (!slopes) continue;
            const double wx = (i ? 1 : -1) * sy, wy = (j ? 1 : -1) * sx;
            slopes_.push_back({wx * gx.x, wy * gy.y, 0, wx * gx.spaxel + wy * gy.spaxel});
        }
}

void Spread::kernel(double x, double y, double h, bool slopes) {
    const double d = grid_.spaxelKpc, n = double(grid_.n), half = 0.5 * n;
    // Spaxels that the kernel's square reaches: [low, high] along each axis.
    const double lowX = std::max(std::floor((x - h) / d + half), 0.0),
                 highX = std::min(std::floor((x + h) / d + half), n - 1),
                 lowY = std::max(std::floor((y - h) / d + half), 0.0),
                 highY = std::min(std::floor((y + h) / d + half), n - 1);
    if (!(highX >= lowX && highY >= lowY)) return;
    const std::size_t firstX = std::size_t(lowX), firstY = std::size_t(lowY), nx = std::size_t(highX) - firstX + 1,
                      ny = std::size_t(highY) - firstY + 1;
    edges_.resize(nx + 1);
    corners_.resize(2 * (nx + 1));
    for (std::size_t i = 0; i <= nx; ++i)
        edges_[i] = kernelEdge(edgeFromStar(double(firstX + i), x, h, d, grid_.n), table_.cells);
    Corner *below = corners_.data(), *above = below + nx + 1;
    const auto makeRow = [&](std::size_t iy, Corner* row) {
        const KernelEdge<double> ey = kernelEdge(edgeFromStar(double(iy), y, h, d, grid_.n), table_.cells);
        for (std::size_t i = 0; i <= nx; ++i) {
            row[i] = {kernelCorner(table_, edges_[i], ey), {}};
            if (!slopes) continue;
            double a = 0, b = 0;
            PieceSlope& s = row[i].slope;
            kernelCornerAdjoint(table_, edges_[i], ey, a, b, 1.0);
            edgeFromStarAdjoint(double(firstX + i), x, h, d, grid_.n, s.x, s.smoothing, s.spaxel, a);
            edgeFromStarAdjoint(double(iy), y, h, d, grid_.n, s.y, s.smoothing, s.spaxel, b);
        }
    };
    const auto mixed = [&](auto of) {
        return [&, of](std::size_t i) { return of(above[i + 1]) - of(above[i]) - (of(below[i + 1]) - of(below[i])); };
    };
    const auto share = mixed([](const Corner& c) { return c.value; });
    makeRow(firstY, below);
    for (std::size_t j = 0; j < ny; ++j, std::swap(below, above)) {
        makeRow(firstY + j + 1, above);
        for (std::size_t i = 0; i < nx; ++i) {
            // Corners of the square that the round kernel does not reach hold the table's rounding, of either sign.
            const double s = share(i);
            if (!(s > 0)) continue;
            pieces_.push_back({std::uint32_t((firstY + j) * grid_.n + firstX + i), s});
            if (slopes)
                slopes_.push_back({mixed([](const Corner& c) { return c.slope.x; })(i),
                                   mixed([](const Corner& c) { return c.slope.y; })(i),
                                   mixed([](const Corner& c) { return c.slope.smoothing; })(i),
                                   mixed([](const Corner& c) { return c.slope.spaxel; })(i)});
        }
    }
}

}  // namespace tessera
