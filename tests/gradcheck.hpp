// Checks of an adjoint against central differences, whose error must fall four times when the step is halved, and
// against forward mode (dual numbers), with which it must agree to rounding.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "tessera/core/dual.hpp"

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

// |a - b| <= 1e-12 of the larger; both must not vanish.
inline void checkDots(double a, double b, double tolerance = 1e-12) {
    INFO("<Jv, w> " << a << ", <v, J^T w> " << b);
    CHECK(a != 0);
    CHECK(std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b)));
}

// A vector function of values as a template of its number type, f(std::vector<T>) -> std::vector<T>, and its adjoint
// (inputs, outputs' cotangent) -> inputs' cotangent, at one point: the dot-product test with a seeded direction and
// cotangent, and central differences in every input. steps: of each input; 0: not differentiated.
template <class F, class Adjoint>
void checkAdjoint(F f, Adjoint adjoint, const std::vector<double>& x, const std::vector<double>& steps,
                  std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::uniform_real_distribution<double> uniform(0.2, 1);  // one sign: sums do not vanish by chance
    std::vector<Dual<double>> dual;
    std::vector<double> v, w;
    for (std::size_t i = 0; i < x.size(); ++i) {
        v.push_back(steps[i] > 0 ? steps[i] * uniform(rng) : 0);
        dual.emplace_back(x[i], v.back());
    }
    const std::vector<double> values = f(x);
    for (std::size_t k = 0; k < values.size(); ++k) w.push_back(uniform(rng) * (k % 2 ? 1 : 0.7));
    const std::vector<Dual<double>> out = f(dual);
    const std::vector<double> bar = adjoint(x, w);
    double forward = 0, backward = 0, size = 0;
    for (std::size_t k = 0; k < out.size(); ++k) {
        CHECK(out[k].v == Approx(values[k]).epsilon(1e-13).margin(1e-300));
        forward += out[k].d * w[k];
        size += std::fabs(out[k].d * w[k]);
    }
    for (std::size_t i = 0; i < x.size(); ++i) backward += bar[i] * v[i];
    INFO("<Jv, w> " << forward << ", <v, J^T w> " << backward);
    CHECK(size > 0);
    CHECK(std::fabs(forward - backward) <= 1e-12 * size);
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (!(steps[i] > 0)) continue;
        checkDerivative(
            [&](double at) {
                std::vector<double> moved = x;
                moved[i] = at;
                const std::vector<double> y = f(moved);
                double sum = 0;
                for (std::size_t k = 0; k < y.size(); ++k) sum += y[k] * w[k];
                return sum;
            },
            x[i], bar[i], steps[i]);
    }
}

}  // namespace tessera::test
