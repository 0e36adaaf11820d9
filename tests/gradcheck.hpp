// Checks of an adjoint against central differences: the error must fall four times when the step is halved.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>

namespace tessera::test {

// f(x) -> value, adjoint: its derivative as the adjoint gives it. Double precision.
template <class F>
void checkDerivative(F f, double x, double derivative, double step) {
    const auto central = [&](double h) { return (f(x + h) - f(x - h)) / (2 * h); };
    const double coarse = std::fabs(central(step) - derivative), fine = std::fabs(central(step / 2) - derivative);
    const double noise = 1e-11 * (std::fabs(f(x)) / step + std::fabs(derivative));
    INFO("x " << x << " derivative " << derivative << " central " << central(step / 2) << " errors " << coarse << " "
              << fine);
    CHECK((fine < noise || fine < 0.3 * coarse));
    CHECK(fine <= 1e-4 * std::fabs(derivative) + noise);
}

}  // namespace tessera::test
