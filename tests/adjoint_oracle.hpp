// The dull oracle of tangents and adjoints: the whole forward model star by star in plain loops over T, double or
// Dual<double>, and its adjoint, the same loops backwards. It shares the functions of values in physics/ with the stages, and
// nothing else but the SSP library and the telescope's grids.
#pragma once

#include <cstddef>
#include <vector>

#include "tessera/core/dual.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/particles.hpp"
#include "tessera/model/ssp.hpp"
#include "tessera/physics/cosmology.hpp"

namespace tessera::test {

struct AdjointScene {
    Config config;  // view 0; PSF the same at all wavelengths
    SspLibrary library;
    Cosmology cosmology = planck15();
    Mat3d axes;  // what the view's rotation acts on
    std::size_t nStars = 0;
    std::size_t pad = 0, wings = 0;  // radii of PSF and LSF

    // Where each input stands in the one vector of them all.
    std::size_t stars() const { return nStars; }
    // mass, log10 age [yr], metallicity, velocity, position, smoothing length
    static constexpr std::size_t perStar = 10;
    enum Global {
        systemic,
        redshiftShift = 3,
        redshiftDistance,
        inclination,
        positionAngle,
        twist,
        centre,
        psfFwhm = centre + 3,
        psfBeta
    };
    std::size_t star(std::size_t i, std::size_t k) const { return perStar * i + k; }
    std::size_t global(std::size_t k) const { return perStar * stars() + k; }
    std::size_t lsf(std::size_t k) const { return global(psfBeta + 1 + k); }
    std::size_t lsfSize() const {
        const auto& l = config.lsf;
        return !l ? 0 : (l->fwhmPolynomial.empty() ? 1 : l->fwhmPolynomial.size());
    }
    std::size_t spectrum(std::size_t t, std::size_t m = 0) const { return lsf(lsfSize()) + t * library.nLambda() + m; }
    std::size_t inputs() const { return spectrum(library.nTemplates()); }
};

// All inputs as numbers.
std::vector<double> sceneInputs(AdjointScene&, const Stars&);

// [n n][pixels] of the field.
template <class T>
std::vector<T> oracleObserve(const AdjointScene&, const std::vector<T>& inputs);
extern template std::vector<double> oracleObserve(const AdjointScene&, const std::vector<double>&);
extern template std::vector<Dual<double>> oracleObserve(const AdjointScene&, const std::vector<Dual<double>>&);

// The inputs' cotangent.
std::vector<double> oracleAdjoint(const AdjointScene&, const std::vector<double>& inputs,
                                  const std::vector<double>& cubeBar);

}  // namespace tessera::test
