// The dull oracle: the forward model as plain double-precision loops over stars, spaxels and pixels. It shares no code
// with the stages but the SSP library, the telescope's grids and Vec3.
#pragma once

#include <cstddef>
#include <vector>

#include "tessera/model/cube.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/model/ssp.hpp"

namespace tessera::test {

struct OracleView {
    Vec3d centre, velocity;
    Mat3d rotation;
    double boxSize = 0;
    double redshift = 0.1;
    double scale = 1;  // of L_lambda
};

// [n n][pixels] L_lambda averaged over each pixel, relativistic Doppler shift.
std::vector<double> oracleSpectra(const Stars&, const OracleView&, const SspLibrary&, const SpaxelGrid&,
                                  const WavelengthGrid&);

// Spectrum of 1 Msun of one age [Gyr] and metallicity at the library's wavelengths.
std::vector<double> oracleTemplate(const SspLibrary&, double ageGyr, double metallicity);

// Sum over taps of the image of each pixel; kernel [2 radius + 1]^2, zero outside the field.
std::vector<double> oracleConvolve(const std::vector<double>& cube, std::size_t side, std::size_t pixels,
                                   const std::vector<double>& kernel, std::size_t radius);

// Kernel of a profile by brute-force integration over spaxels, normalised: f(x, y) in spaxels.
template <class Profile>
std::vector<double> oracleKernel(std::size_t radius, Profile f, int subsamples = 61) {
    const int r = int(radius), side = 2 * r + 1;
    std::vector<double> k;
    double sum = 0;
    for (int dy = -r; dy <= r; ++dy)
        for (int dx = -r; dx <= r; ++dx) {
            double cell = 0;
            for (int i = 0; i < subsamples; ++i)
                for (int j = 0; j < subsamples; ++j)
                    cell += f(dx - 0.5 + (i + 0.5) / subsamples, dy - 0.5 + (j + 0.5) / subsamples);
            k.push_back(cell);
            sum += cell;
        }
    (void)side;
    for (double& v : k) v /= sum;
    return k;
}

// A pixel's flux is spread with a Gaussian of its own sigma [Angstrom], sampled at the pixel centres and normalised.
std::vector<double> oracleLineSpread(const std::vector<double>& spectrum, const WavelengthGrid&,
                                     const std::vector<double>& sigma);

// Largest |a - b| of a spaxel relative to the mean of |b| over the spaxel's pixels, over all spaxels.
struct Difference {
    double worst = 0;
    std::size_t spaxel = 0, pixel = 0;
    double brightest = 0;  // largest spaxel mean of b: a guard that something was compared
};
Difference compareSpectra(const float* a, std::size_t stride, const std::vector<double>& b, std::size_t spaxels,
                          std::size_t pixels);

}  // namespace tessera::test
