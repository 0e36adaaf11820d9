#include "mock/model.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::mock {

namespace {

constexpr int nodes = 256;          // of the table, uniform in x = r / (r + discScale) on [0, lastNode]
constexpr double lastNode = 0.995;  // r = 199 scale lengths
constexpr double softDispersion =
    8;  // [km/s] added in quadrature: discs do not become colder than the gas they form from
constexpr double verticalRatio = 0.6;  // sigma_z / sigma_R (Gerssen & Shapiro Griffin 2012)

double nodeRadius(int i, double scale) {
    const double x = lastNode * i / (nodes - 1);
    return scale * x / (1 - x);
}

// Share of an NFW halo's mass within y scale radii, times a constant.
double nfw(double y) {
    return std::log1p(y) - y / (1 + y);
}

// Isotropic Jeans equation, sigma^2 = 1/rho * integral_r^inf of rho G M / r'^2 dr', from the outside in on the table's
// radii with 8 trapezia between two of them.
template <class Density, class Mass>
std::vector<double> isotropicDispersion(double scale, Density density, Mass mass) {
    std::vector<double> sigma(nodes);
    const auto integrand = [&](double r) { return density(r) * gravity * mass(r) / (r * r); };
    const double smallest = nodeRadius(1, scale) * 1e-2;
    double integral = 0;
    for (int i = nodes - 1; i >= 0; --i) {
        const double here = std::max(nodeRadius(i, scale), smallest);
        if (i + 1 < nodes) {
            const double outer = nodeRadius(i + 1, scale), step = std::log(outer / here) / 8;
            double left = integrand(here) * here;
            for (int k = 1; k <= 8; ++k) {
                const double r = here * std::exp(k * step), right = integrand(r) * r;
                integral += 0.5 * (left + right) * step;
                left = right;
            }
        }
        sigma[std::size_t(i)] = std::sqrt(integral / density(here));
    }
    return sigma;
}

}  // namespace

GalaxyParameters galaxyParameters(double stellarMass, double gasMass, const Epoch& epoch,
                                  const std::array<float, 4>& normal, float uniform) {
    // A galaxy of few or no particles still gets a sensible size.
    const double mass = std::max({stellarMass, gasMass, 1e6}), relative = mass / 5e10;
    const double stretch = 1 / (1 + epoch.redshift);
    GalaxyParameters p;
    p.stellarMass = stellarMass;
    p.gasMass = gasMass;
    p.bulgeFraction = 0.08 + 0.35 * uniform;
    p.discScale = 3.0 * std::pow(relative, 0.25) * std::pow(stretch, 0.75) * std::pow(10, 0.08 * double(normal[0]));
    p.discHeight = 0.14 * p.discScale;
    p.bulgeScale = 0.18 * p.discScale;
    p.gasScale = 1.8 * p.discScale;
    p.gasHeight = 0.4 * p.discHeight;
    p.haloMass = 1.8e12 * std::pow(relative, relative < 1 ? 0.5 : 1.2) * std::pow(10, 0.1 * double(normal[1]));
    p.haloRadius = std::cbrt(p.haloMass / (200 * epoch.criticalDensity() * 4 * units::pi / 3));
    p.concentration = std::clamp(8.5 * std::pow(p.haloMass / 1e12, -0.1) * stretch, 3.5, 20.0);
    p.metallicity = std::clamp(0.1 + 0.3 * std::log10(relative) + 0.08 * double(normal[2]), -2.0, 0.3);
    return p;
}

GalaxyModel::GalaxyModel(const GalaxyParameters& p) : p_(p), table_(nodes) {
    const double a = p.bulgeScale;
    const auto sigmaBulge = isotropicDispersion(
        p.discScale, [a](double r) { return 1 / (r * (r + a) * (r + a) * (r + a)); },
        [this](double r) { return sphericalMass(r); });
    const double surface0 = p.stellarMass * (1 - p.bulgeFraction) / (2 * units::pi * sq(p.discScale));
    const double gas0 = p.gasMass / (2 * units::pi * sq(p.gasScale));
    std::vector<double> radius(nodes), squared(nodes);
    for (int i = 0; i < nodes; ++i) {
        radius[std::size_t(i)] = std::max(nodeRadius(i, p.discScale), 1e-4 * p.discScale);
        squared[std::size_t(i)] = circularSquared(radius[std::size_t(i)]);
    }
    for (int i = 0; i < nodes; ++i) {
        const double r = radius[std::size_t(i)], x = r / p.discScale;
        const double circular2 = squared[std::size_t(i)], circular = std::sqrt(circular2);
        // kappa^2 / (4 Omega^2) = (1 + d ln v_c / d ln r) / 2
        const std::size_t below = i == 0 ? 0 : std::size_t(i) - 1,
                          above = std::min(std::size_t(i) + 1, std::size_t(nodes) - 1);
        const double slopeSquared = std::log(squared[above] / squared[below]) / std::log(radius[above] / radius[below]);
        const double epicycle = std::clamp(0.5 + 0.25 * slopeSquared, 0.25, 1.0);
        // An isothermal sheet of stars and gas: sigma_z^2 = pi G Sigma z0.
        const double surface = surface0 * std::exp(-x) + gas0 * std::exp(-r / p.gasScale);
        const double gaseous = surface > 0 ? gas0 * std::exp(-r / p.gasScale) / surface : 0;
        const double sheet = units::pi * gravity * surface * p.discHeight;
        const double vertical2 = sheet + sq(softDispersion);
        double radial2 = vertical2 / sq(verticalRatio);
        // Asymmetric drift: <v_phi>^2 = v_c^2 - sigma_R^2 (kappa^2/4Omega^2 - 1 - d ln(Sigma sigma_R^2)/d ln R).
        const double slope = -x - (sheet / vertical2) * (x * (1 - gaseous) + r / p.gasScale * gaseous);
        const double drift = epicycle - 1 - slope;
        if (drift > 0) radial2 = std::min(radial2, 0.9 * circular2 / drift);
        Kinematics& k = table_[std::size_t(i)];
        k.circular = float(circular);
        k.stream = float(std::sqrt(std::max(0.0, circular2 - radial2 * drift)));
        k.sigmaR = float(std::sqrt(radial2));
        k.sigmaPhi = float(std::sqrt(radial2 * epicycle));
        k.sigmaZ = float(std::sqrt(vertical2));
        k.sigmaBulge = float(sigmaBulge[std::size_t(i)]);
        if (circular > peakVelocity_) {
            peakVelocity_ = circular;
            peakRadius_ = r;
        }
    }
}

Kinematics GalaxyModel::at(float r) const {
    const float x = r / (r + float(p_.discScale)) * float((nodes - 1) / lastNode);
    const int i = std::min(int(x), nodes - 2);
    const float w = std::min(x - float(i), 1.0f), v = 1 - w;
    const Kinematics &a = table_[std::size_t(i)], &b = table_[std::size_t(i) + 1];
    return {v * a.circular + w * b.circular, v * a.stream + w * b.stream, v * a.sigmaR + w * b.sigmaR,
            v * a.sigmaPhi + w * b.sigmaPhi, v * a.sigmaZ + w * b.sigmaZ, v * a.sigmaBulge + w * b.sigmaBulge};
}

// Freeman 1970: a razor-thin exponential disc. Beyond 60 scale lengths the Bessel functions leave double's range and
// the disc is a point.
double GalaxyModel::discSquared(double r, double mass, double scale) const {
    const double y = r / (2 * scale);
    if (y > 30) return gravity * mass / r;
    return 2 * gravity * mass / scale * y * y *
           (std::cyl_bessel_i(0.0, y) * std::cyl_bessel_k(0.0, y) -
            std::cyl_bessel_i(1.0, y) * std::cyl_bessel_k(1.0, y));
}

double GalaxyModel::circularSquaredOfStars(double r) const {
    const double bulge = p_.stellarMass * p_.bulgeFraction;
    return gravity * bulge * r / sq(r + p_.bulgeScale) + discSquared(r, p_.stellarMass - bulge, p_.discScale);
}

double GalaxyModel::circularSquared(double r) const {
    const double c = p_.concentration;
    const double halo = p_.haloMass * nfw(std::min(r / p_.haloRadius, 1.0) * c) / nfw(c);
    return circularSquaredOfStars(r) + discSquared(r, p_.gasMass, p_.gasScale) + gravity * halo / r;
}

double GalaxyModel::sphericalMass(double r) const {
    const double bulge = p_.stellarMass * p_.bulgeFraction, c = p_.concentration;
    const double x = r / p_.discScale, y = r / p_.gasScale;
    return bulge * sq(r / (r + p_.bulgeScale)) + (p_.stellarMass - bulge) * (1 - (1 + x) * std::exp(-x)) +
           p_.gasMass * (1 - (1 + y) * std::exp(-y)) + p_.haloMass * nfw(std::min(r / p_.haloRadius, 1.0) * c) / nfw(c);
}

}  // namespace tessera::mock
