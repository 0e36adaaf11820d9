// The mass model of a mock galaxy and the velocities that follow from it. Galaxy frame: spin axis +z, units kpc
// (physical), km/s, Msun.
#pragma once

#include <array>
#include <vector>

#include "mock/epoch.hpp"
#include "mock/random.hpp"

namespace tessera::mock {

struct GalaxyParameters {
    double stellarMass = 0;    // formed; the potential counts stars at this mass
    double gasMass = 0;        // disc and hot gas
    double bulgeFraction = 0;  // of the stellar mass
    double discScale = 1;      // exponential scale length of the surface density
    double discHeight = 0.1;   // z0 of sech^2(z/z0)
    double bulgeScale = 0.2;   // a of Hernquist's rho ~ 1/(r (r+a)^3)
    double gasScale = 1.8;
    double gasHeight = 0.05;
    double haloMass = 0;       // M200 (200 times the critical density)
    double haloRadius = 0;     // R200
    double concentration = 8;  // R200 over NFW's scale radius
    double metallicity = 0;    // [Z/H] of the disc at one scale length
};

// Scaling relations with scatter: halo mass and size with stellar mass, size with redshift, metallicity with mass.
// u: three standard normals and a uniform.
GalaxyParameters galaxyParameters(double stellarMass, double gasMass, const Epoch&, const std::array<float, 4>& normal,
                                  float uniform);

// The velocity distribution at one radius.
struct Kinematics {
    float circular = 0;                          // of all components
    float stream = 0;                            // mean v_phi of the disc's stars: circular less asymmetric drift
    float sigmaR = 0, sigmaPhi = 0, sigmaZ = 0;  // of the disc's stars
    float sigmaBulge = 0;                        // of the bulge in each direction
};

class GalaxyModel {
public:
    explicit GalaxyModel(const GalaxyParameters&);

    const GalaxyParameters& parameters() const noexcept { return p_; }
    // At radius r (cylindrical for the disc, spherical for the bulge), linear in the table.
    Kinematics at(float r) const;
    // v_c^2 of the stars alone (disc and bulge) and of everything, in the disc's plane, from the formulae.
    double circularSquaredOfStars(double r) const;
    double circularSquared(double r) const;
    // The highest circular velocity and where it is.
    double peakVelocity() const noexcept { return peakVelocity_; }
    double peakRadius() const noexcept { return peakRadius_; }

private:
    double discSquared(double r, double mass, double scale) const;
    double sphericalMass(double r) const;  // everything within r, discs as if spherical

    GalaxyParameters p_;
    std::vector<Kinematics> table_;
    double peakVelocity_ = 0, peakRadius_ = 0;
};

}  // namespace tessera::mock
