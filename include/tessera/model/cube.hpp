// The axes of a data cube and the cube itself. Layout: [iy][ix][lambda], lambda fastest.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/core/memory.hpp"

namespace tessera {

// Pixels of a wavelength axis [Angstrom]. Linear: centre(j) = first + j step, edges at +- step/2.
// Logarithmic: centre(j) = first 10^(j step), edges at half a step in log10.
struct WavelengthGrid {
    double first = 0;  // centre of pixel 0 [Angstrom]
    double step = 0;   // [Angstrom], or [dex] where log
    std::size_t size = 0;
    bool log = false;

    double centre(double j) const { return log ? first * std::pow(10.0, j * step) : first + j * step; }
    double edge(double j) const { return centre(j - 0.5); }  // lower edge of pixel j; edge(size) is the last one
    double width(std::size_t j) const { return log ? edge(double(j) + 1) - edge(double(j)) : step; }
    std::vector<double> centres() const {
        std::vector<double> c(size);
        for (std::size_t j = 0; j < size; ++j) c[j] = centre(double(j));
        return c;
    }
    // Pixels [first, first + count) of this grid; negative first extends it to shorter wavelengths.
    WavelengthGrid window(std::ptrdiff_t from, std::size_t count) const {
        return {centre(double(from)), step, count, log};
    }
    bool operator==(const WavelengthGrid&) const = default;
};

// A square field of n x n spaxels. Index [iy][ix] = floor((coordinate + S/2) / d) with d = S/n.
struct SpaxelGrid {
    std::size_t n = 0;        // spaxels a side
    double spaxelArcsec = 0;  // angular size of a spaxel
    double spaxelKpc = 0;     // its physical size at the galaxy's angular-diameter distance

    double sideKpc() const { return double(n) * spaxelKpc; }
    // The same spaxels with `pad` more on every side.
    SpaxelGrid padded(std::size_t pad) const { return {n + 2 * pad, spaxelArcsec, spaxelKpc}; }
};

struct Cube {
    std::size_t ny = 0, nx = 0, nLambda = 0;
    Buffer<float> data;

    Cube() = default;
    Cube(std::size_t ny_, std::size_t nx_, std::size_t nLambda_)
        : ny(ny_), nx(nx_), nLambda(nLambda_), data(ny_ * nx_ * nLambda_) {}
    // In memory of this size that is there already.
    Cube(std::size_t ny_, std::size_t nx_, std::size_t nLambda_, Buffer<float>&& memory)
        : ny(ny_), nx(nx_), nLambda(nLambda_), data(std::move(memory)) {}
    std::size_t spaxels() const { return ny * nx; }
    float* spectrum(std::size_t iy, std::size_t ix) { return data.data() + (iy * nx + ix) * nLambda; }
    const float* spectrum(std::size_t iy, std::size_t ix) const { return data.data() + (iy * nx + ix) * nLambda; }
    float* spectrum(std::size_t spaxel) { return data.data() + spaxel * nLambda; }
    const float* spectrum(std::size_t spaxel) const { return data.data() + spaxel * nLambda; }
};

// One [ny][nx] image of a quantity with its unit.
struct Map {
    std::string name, unit;
    std::vector<float> data;
};

}  // namespace tessera
