#include "stages/projected_kernel.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <vector>

#include "tessera/core/units.hpp"

namespace tessera {

namespace {

using Rule = boost::math::quadrature::gauss<double, 20>;

// Mass inside the cylinder of radius R along the line of sight. A shell of radius r > R has the part 1 - sqrt(1 - R^2/r^2) in it;
// with r^2 = R^2 + t^2 the rest is 4 pi int W(r) t^2 dt.
double massInCylinder(double radius) {
    if (radius >= 1) return 1;
    const auto part = [&](double from, double to) {
        if (!(to > from)) return 0.0;
        return Rule::integrate([&](double t) { return cubicSpline(std::hypot(radius, t)) * t * t; }, from, to);
    };
    const auto reach = [&](double r) { return r > radius ? std::sqrt(r * r - radius * radius) : 0.0; };
    // The kernel's third derivative jumps at 1/2.
    return 1 - 4 * units::pi * (part(0, reach(0.5)) + part(reach(0.5), reach(1)));
}

// Of the triangle between the axis a, its end at distance a and the angle `angle`: int dphi M(min(a / cos phi, 1)) / 2 pi.
double triangle(double a, double angle) {
    if (!(a > 0)) return 0;
    // At the angle where a / cos phi is 1/2 the kernel's second piece begins, and at that where it is 1 it ends; in between and
    // below the radius grows twofold from one to the next.
    std::vector<double> breaks{0};
    const int steps = int(std::ceil(-std::log2(a)));
    for (double r = std::ldexp(1.0, -steps + 1); r <= 1 && a < 1; r *= 2)
        breaks.push_back(std::min(angle, std::acos(a / r)));
    breaks.push_back(angle);
    double sum = 0;
    for (std::size_t i = 0; i + 1 < breaks.size(); ++i)
        if (breaks[i + 1] > breaks[i])
            sum += Rule::integrate([&](double phi) { return massInCylinder(a / std::cos(phi)); }, breaks[i],
                                   breaks[i + 1]);
    return sum / (2 * units::pi);
}

// Coefficients (numbers -1 to n + 1, at index + 1) of the cubic B-spline through f(i/n), i = 0 ... n, odd about 0 and of slope
// 0 at 1: (c[i-1] + 4 c[i] + c[i+1])/6 = f[i], c[-1] = -c[1], c[0] = 0 = f[0], c[n+1] = c[n-1].
void splineThrough(const double* f, int n, std::ptrdiff_t stride, double* c) {
    std::vector<double> diagonal(std::size_t(n) + 1), right(diagonal.size());
    for (int i = 1; i <= n; ++i) {
        const double below = i == 1 ? 0 : (i == n ? 2 : 1);  // c[0] = 0
        const std::size_t k = std::size_t(i);
        diagonal[k] = i == 1 ? 4 : 4 - below / diagonal[k - 1];
        right[k] = 6 * f[i * stride] - (i == 1 ? 0 : below / diagonal[k - 1] * right[k - 1]);
    }
    const auto at = [&](int i) -> double& { return c[(i + 1) * stride]; };
    at(n) = right[std::size_t(n)] / diagonal[std::size_t(n)];
    for (int i = n - 1; i >= 1; --i) at(i) = (right[std::size_t(i)] - at(i + 1)) / diagonal[std::size_t(i)];
    at(0) = 0;
    at(-1) = -at(1);
    at(n + 1) = at(n - 1);
}

std::vector<double> makeCoefficients(int n) {
    const std::ptrdiff_t width = n + 3;
    std::vector<double> rows(std::size_t((n + 1) * width)), out(std::size_t(width * width)), values(std::size_t(n) + 1);
    std::vector<double> q(values.size() * values.size());
#pragma omp parallel for schedule(dynamic, 4)
    for (int i = 0; i <= n; ++i)
        for (int k = 0; k <= i; ++k)
            q[std::size_t(i * (n + 1) + k)] = q[std::size_t(k * (n + 1) + i)] =
                kernelCornerExact(double(i) / n, double(k) / n);
    for (int i = 0; i <= n; ++i) splineThrough(q.data() + i * (n + 1), n, 1, rows.data() + i * width);
    for (std::ptrdiff_t k = 0; k < width; ++k) splineThrough(rows.data() + k, n, width, out.data() + k);
    return out;
}

}  // namespace

double kernelCornerExact(double a, double b) {
    if (!(a > 0) || !(b > 0)) return 0;
    return triangle(a, std::atan2(b, a)) + triangle(b, std::atan2(a, b));
}

KernelTable projectedKernel() {
    constexpr int cells = 128;
    static const std::vector<double> coefficients = makeCoefficients(cells);
    return {coefficients.data(), cells};
}

}  // namespace tessera
