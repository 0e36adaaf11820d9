#include "mock/sample.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::mock {

namespace {

constexpr float twoPi = 2 * float(units::pi);
constexpr float solar = 0.0127f;     // metal mass fraction, TNG's reference
constexpr float hernquistCut = 100;  // a bulge ends at this many scale radii
constexpr float hotShare = 0.15f;    // of a galaxy's gas: a hot sphere instead of the disc

// Radius in units of the scale radius for M(<r)/M = u, Hernquist's profile cut at `cut`.
float hernquistRadius(float u, float cut) {
    const float end = cut / (cut + 1), s = std::sqrt(u) * end;
    return s / (1 - s);
}

Vec3f onSphere(float r, float u, float v) {
    const float z = 2 * u - 1, rho = r * std::sqrt(std::max(0.0f, 1 - z * z)), phi = twoPi * v;
    return {rho * std::cos(phi), rho * std::sin(phi), r * z};
}

// Radius of the sphere that holds 64 particles of this mass at this density.
float neighbourRadius(float mass, float density) {
    return std::cbrt(3 * 64 * mass / (2 * twoPi * std::max(density, 1e-3f)));
}

float withScatter(float logMetallicity) {
    return std::clamp(solar * std::pow(10.0f, logMetallicity), 1e-6f, 0.09f);
}

// Internal energy per mass [(km/s)^2] of a monatomic gas: u = 3/2 k T / (mu m_p).
float energyOf(float temperature, float mu) {
    return 1.5f * 8.2544e-3f * temperature / mu;
}

void finishMass(StarSample& s, const StarRecipe& recipe, float u) {
    s.initialMass = float(recipe.particleMass) * (0.75f + 0.5f * u);
    s.mass = s.initialMass * (1 - returnedFraction(s.age));
}

// A wind-phase cell: gas thrown out of the disc, carried in PartType4.
StarSample windCell(const GalaxyModel& model, const StarRecipe& recipe, Source source, std::uint64_t index,
                    const std::array<float, 4>& place, const std::array<float, 4>& shape) {
    const GalaxyParameters& p = model.parameters();
    const auto kick = normals(source, index, Purpose::kick);
    const float r = -float(p.gasScale) * 0.5f * std::log(place[1] * place[2]);
    const float phi = twoPi * place[3], c = std::cos(phi), s = std::sin(phi);
    const float side = shape[0] < 0.5f ? -1.0f : 1.0f, speed = 0.7f * float(model.peakVelocity());
    const float height = -4 * float(p.discHeight) * std::log(std::fabs(2 * shape[0] - 1) + 1e-6f);
    const float vr = 0.3f * speed + 20 * kick[0], vphi = 0.6f * model.at(r).circular + 20 * kick[1];
    StarSample w;
    w.position = {r * c, r * s, side * height};
    w.velocity = {vr * c - vphi * s, vr * s + vphi * c, side * (speed + 40 * kick[2])};
    w.initialMass = w.mass = float(recipe.particleMass) * (0.75f + 0.5f * shape[2]);
    w.metallicity = withScatter(float(p.metallicity) + 0.1f - 0.2f * r / float(p.discScale) + 0.1f * kick[3]);
    w.smoothing = neighbourRadius(w.mass, 1e6f);
    w.wind = true;
    w.windTime = 0.1f * shape[3];
    return w;
}

}  // namespace

float returnedFraction(float age) {
    return 0.046f * std::log1p(age / 2.76e-4f);
}

StarSample sampleStar(const GalaxyModel& model, const StarRecipe& recipe, Source source, std::uint64_t index) {
    const GalaxyParameters& p = model.parameters();
    const auto place = uniforms(source, index, Purpose::place);
    const auto shape = uniforms(source, index, Purpose::shape);
    if (shape[1] < float(recipe.windFraction)) return windCell(model, recipe, source, index, place, shape);
    const auto kick = normals(source, index, Purpose::kick);
    const float bulge = float(p.bulgeFraction), a = float(p.bulgeScale), rd = float(p.discScale);
    StarSample star;
    float logZ, x;
    if (place[0] < bulge) {
        const float r = a * hernquistRadius(place[1], hernquistCut);
        star.position = onSphere(r, place[2], place[3]);
        const float sigma = model.at(r).sigmaBulge;
        star.velocity = {sigma * kick[0], sigma * kick[1], sigma * kick[2]};
        star.age = float(recipe.oldest) * (1 - 0.45f * shape[3] * shape[3]);
        logZ = float(p.metallicity) + 0.2f - 0.15f * std::log10(1 + r / a) + 0.15f * kick[3];
        x = std::hypot(star.position.x, star.position.y) / rd;
    } else {
        // R/Rd is a sum of two exponential deviates: its density is x exp(-x). The height inverts tanh.
        const float product = place[1] * place[2];
        x = -std::log(product);
        const float r = rd * x, phi = twoPi * place[3], c = std::cos(phi), s = std::sin(phi);
        const float z = 0.5f * float(p.discHeight) * std::log(shape[0] / (1 - shape[0]));
        const Kinematics k = model.at(r);
        const float vr = k.sigmaR * kick[0], vphi = k.stream + k.sigmaPhi * kick[1];
        star.position = {r * c, r * s, z};
        star.velocity = {vr * c - vphi * s, vr * s + vphi * c, k.sigmaZ * kick[2]};
        // Star formation moved outwards: age = oldest * u^power, the mean falls with radius.
        star.age = float(recipe.oldest) * std::pow(shape[3], std::min(0.7f + 0.45f * x, 3.0f));
        logZ = float(p.metallicity) - 0.2f * (x - 1) - 0.15f * star.age / float(recipe.oldest) + 0.12f * kick[3];
    }
    star.age = std::clamp(star.age, 1e-4f, float(recipe.oldest));
    star.metallicity = withScatter(logZ);
    finishMass(star, recipe, shape[2]);
    const float r = norm(star.position), stars = float(p.stellarMass);
    const float cosh = std::cosh(std::min(std::fabs(star.position.z) / float(p.discHeight), 20.0f));
    const float density =
        stars * bulge * a / (twoPi * std::max(r, 1e-3f * a) * (r + a) * (r + a) * (r + a)) +
        stars * (1 - bulge) * std::exp(-x) / (2 * twoPi * rd * rd * float(p.discHeight) * cosh * cosh);
    star.smoothing = neighbourRadius(star.initialMass, density);
    return star;
}

GasSample sampleGas(const GalaxyModel& model, double cellMass, Source source, std::uint64_t index) {
    const GalaxyParameters& p = model.parameters();
    const auto place = uniforms(source, index, Purpose::place);
    const auto shape = uniforms(source, index, Purpose::shape);
    const auto kick = normals(source, index, Purpose::kick);
    GasSample gas;
    gas.mass = float(cellMass) * (0.75f + 0.5f * shape[2]);
    if (place[0] < hotShare) {
        const float scale = 5 * float(p.discScale), r = scale * hernquistRadius(place[1], 10);
        const float sigma = 0.4f * float(model.peakVelocity());
        gas.position = onSphere(r, place[2], place[3]);
        gas.velocity = {sigma * kick[0], sigma * kick[1], sigma * kick[2]};
        gas.density = hotShare * float(p.gasMass) * scale /
                      (twoPi * std::max(r, 0.05f * scale) * (r + scale) * (r + scale) * (r + scale));
        // Virial: k T = 1/2 mu m_p v_c^2.
        const float temperature = 36 * float(sq(model.peakVelocity())) * std::pow(10.0f, 0.2f * kick[3]);
        gas.internalEnergy = energyOf(temperature, 0.59f);
        gas.electronAbundance = 1.17f;
        gas.metallicity = withScatter(float(p.metallicity) - 0.7f + 0.2f * kick[3]);
    } else {
        const float product = place[1] * place[2], r = -float(p.gasScale) * std::log(product);
        const float phi = twoPi * place[3], c = std::cos(phi), s = std::sin(phi), h = float(p.gasHeight);
        const float z = 0.5f * h * std::log(shape[0] / (1 - shape[0]));
        const float vr = 9 * kick[0], vphi = model.at(r).circular + 9 * kick[1];
        gas.position = {r * c, r * s, z};
        gas.velocity = {vr * c - vphi * s, vr * s + vphi * c, 9 * kick[2]};
        // sech^2(z/h) = 4 u (1-u); clumps scatter the density by 0.3 dex.
        gas.density = (1 - hotShare) * float(p.gasMass) / (2 * twoPi * sq(float(p.gasScale)) * h) * product * 4 *
                      shape[0] * (1 - shape[0]) * std::pow(10.0f, 0.3f * kick[3]);
        gas.density = std::max(gas.density, 1.0f);
        // Springel & Hernquist 2003: stars form above n_H = 0.106 cm^-3 in t0 (rho/rho_th)^-1/2, t0 = 2.2 Gyr; the
        // equation of state stiffens there.
        constexpr float threshold = 0.106f * 3.25e7f;  // [Msun/kpc^3], hydrogen 0.76 by mass
        const float over = gas.density / threshold;
        const bool forming = over > 1;
        const float temperature = forming ? 1e4f * std::pow(over, 0.4f) : 1e4f * std::pow(10.0f, 0.1f * kick[3]);
        gas.starFormationRate = forming ? gas.mass / 2.2e9f * std::sqrt(over) : 0.0f;
        gas.internalEnergy = energyOf(temperature, 0.6f);
        gas.electronAbundance = forming ? 0.3f + 0.7f / over : 1.0f;
        gas.metallicity =
            withScatter(float(p.metallicity) + 0.1f - 0.2f * (r / float(p.discScale) - 1) + 0.1f * (2 * shape[3] - 1));
    }
    gas.smoothing = neighbourRadius(gas.mass, gas.density);
    return gas;
}

StarSample sampleFuzzStar(const FuzzRecipe& fuzz, const StarRecipe& recipe, Source source, std::uint64_t index) {
    const auto place = uniforms(source, index, Purpose::place);
    const auto kick = normals(source, index, Purpose::kick);
    const float sigma = float(fuzz.dispersion);
    StarSample star;
    if (fuzz.radius > 0)
        star.position = onSphere(float(fuzz.scale) * hernquistRadius(place[0], float(fuzz.radius / fuzz.scale)),
                                 place[1], place[2]);
    star.velocity = {sigma * kick[0], sigma * kick[1], sigma * kick[2]};
    const auto shape = uniforms(source, index, Purpose::shape);
    star.age = float(recipe.oldest) * (1 - 0.3f * shape[0] * shape[0]);
    star.metallicity = withScatter(-1.2f + 0.3f * kick[3]);
    finishMass(star, recipe, place[3]);
    star.smoothing = neighbourRadius(star.initialMass, 1e3f);
    return star;
}

GasSample sampleFuzzGas(const FuzzRecipe& fuzz, double cellMass, Source source, std::uint64_t index) {
    const auto place = uniforms(source, index, Purpose::place);
    const auto shape = uniforms(source, index, Purpose::shape);
    const auto kick = normals(source, index, Purpose::kick);
    const float sigma = float(fuzz.dispersion);
    GasSample gas;
    if (fuzz.radius > 0)
        gas.position = onSphere(float(fuzz.scale) * hernquistRadius(place[0], float(fuzz.radius / fuzz.scale)),
                                place[1], place[2]);
    gas.velocity = {sigma * kick[0], sigma * kick[1], sigma * kick[2]};
    gas.mass = float(cellMass) * (0.75f + 0.5f * place[3]);
    gas.density = 1e3f * std::pow(10.0f, 2 * shape[1]);
    gas.internalEnergy = energyOf(float(fuzz.temperature) * std::pow(10.0f, 0.3f * kick[3]), 0.59f);
    gas.electronAbundance = 1.17f;
    gas.metallicity = withScatter(-1.0f + 0.6f * (shape[0] - 0.5f));
    gas.smoothing = neighbourRadius(gas.mass, gas.density);
    return gas;
}

}  // namespace tessera::mock
