// A library of simple stellar populations (SSP) in memory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tessera {

// L_lambda(Z, age) [Lsun/Angstrom per Msun formed], piecewise linear in wavelength between its samples and bilinear in
// (log10 age, log10 Z). A rectangular grid; template index t = iZ * nAge + iAge.
struct SspLibrary {
    std::string name;                 // "bc03lr"
    std::string sha256;               // of the file it was read from
    std::string source;               // where its data came from
    std::string medium = "unstated";  // of the wavelengths: air | vacuum | unstated
    std::vector<double> logAge;       // log10(age / yr), ascending
    std::vector<double> metallicity;  // mass fraction, ascending, > 0
    std::vector<double> wavelength;   // [Angstrom] rest frame, ascending
    std::vector<double> fwhm;         // [Angstrom] resolution at each wavelength; empty: the library states none
    std::vector<double> flux;         // [nZ][nAge][nLambda]

    std::size_t nAge() const { return logAge.size(); }
    std::size_t nZ() const { return metallicity.size(); }
    std::size_t nLambda() const { return wavelength.size(); }
    std::size_t nTemplates() const { return nAge() * nZ(); }
    const double* spectrum(std::size_t t) const { return flux.data() + t * nLambda(); }
};

}  // namespace tessera
