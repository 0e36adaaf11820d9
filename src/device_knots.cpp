// Compiled once for each backend, which TESSERA_GPU_CUDA chooses.
#include "device_knots.hpp"

#include <algorithm>
#include <cmath>

#include "device_spectra.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

namespace {

std::vector<AccumulateTile> tilesOf(const KnotTable& table, const WavelengthGrid& window, TileBytes bytesOf) {
    constexpr std::size_t widest = 1024, narrowest = 32, sharedBytes = 40 << 10;
    for (std::size_t most = widest;; most /= 2) {
        std::vector<AccumulateTile> tiles;
        std::size_t bytes = 0;
        for (std::size_t j = 0; j < window.size; j += most) {
            const std::size_t pixels = std::min(most, window.size - j);
            const KnotRange knots = knotRange(table, window.window(std::ptrdiff_t(j), pixels));
            tiles.push_back(
                {std::uint32_t(j), std::uint32_t(pixels), std::uint32_t(knots.first), std::uint32_t(knots.count)});
            bytes = std::max(bytes, bytesOf(tiles.back().pixels, tiles.back().knots));
        }
        if (bytes <= sharedBytes || most == narrowest) return tiles;
    }
}

}  // namespace

DeviceKnots::DeviceKnots(const Stream& s, const KnotTable& table)
    : flux(upload(s, table.flux)),
      position(upload(s, table.position)),
      lnPosition(upload(s, table.lnPosition)),
      inverseStep(upload(s, table.inverseStep)) {}

TableOrder::TableOrder(const Stream& s, const KnotTable& table, std::size_t spaxels)
    : logAgeGyr(upload(s, table.logAgeGyr)), zAxis(upload(s, table.zAxis)) {
    plan.spaxels = spaxels;
    plan.shiftMin = table.shiftMin;
    plan.shiftMax = table.shiftMax;
    plan.shiftStep = float(table.shiftStep);
    plan.logAgeGyr = logAgeGyr.view();
    plan.zAxis = zAxis.view();
    plan.rubix = table.rubix;
}

DeviceWindow::DeviceWindow(const Stream& s, const DeviceKnots& knots, const KnotTable& table,
                           const WavelengthGrid& window, TileBytes bytesOf)
    : hostTiles_(tilesOf(table, window, bytesOf)) {
    std::vector<double> edge(window.size + 1);
    for (std::size_t j = 0; j <= window.size; ++j) edge[j] = window.edge(double(j));
    edge_ = upload(s, edge);
    tiles_ = upload(s, hostTiles_);
    s.synchronize();
    for (const AccumulateTile& t : hostTiles_) {
        args_.mostPixels = std::max(args_.mostPixels, t.pixels);
        args_.mostKnots = std::max(args_.mostKnots, t.knots);
    }
    args_.tile = tiles_.view();
    args_.flux = knots.flux.view();
    args_.fluxStride = table.stride;
    args_.zStep = table.zStep();
    args_.ageStep = table.ageStep();
    args_.position = knots.position.view();
    args_.lnPosition = knots.lnPosition.view();
    args_.inverseStep = knots.inverseStep.view();
    args_.edge = edge_.view();
    args_.log = window.log;
    args_.inverseWidth = 1 / (window.log ? window.step * std::log(10.0) : window.step);
}

AccumulateArgs DeviceWindow::args(std::size_t firstTile, std::size_t tiles) const {
    AccumulateArgs a = args_;
    a.tile = tiles_.view().part(firstTile, tiles);
    a.outFirst = tiles > 0 ? hostTiles_[firstTile].firstPixel : 0;
    return a;
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
