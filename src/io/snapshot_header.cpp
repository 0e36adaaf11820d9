#include "io/snapshot_header.hpp"

#include <cmath>

#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"

namespace tessera::snapshots {

namespace {

struct Rule {
    double unit;      // of a stored value, in internal units
    double internal;  // internal unit [cgs]
    double aPower, hPower;
};

Rule ruleOf(Quantity q, const Units& u) {
    constexpr double yr = units::Gyr_s * 1e-9;
    switch (q) {
        case Quantity::length:
            return {u.length, units::kpc_cm, 1, -1};
        case Quantity::mass:
            return {u.mass, units::Msun_g, 0, -1};
        case Quantity::velocity:
            return {u.velocity, 1e5, 0.5, 0};
        case Quantity::physicalVelocity:
            return {u.velocity, 1e5, 0, 0};
        case Quantity::density:
            return {u.mass / std::pow(u.length, 3), units::Msun_g / std::pow(units::kpc_cm, 3), -3, 2};
        case Quantity::specificEnergy:
            return {u.velocity * u.velocity, 1e10, 0, 0};
        case Quantity::massRate:
            return {1, units::Msun_g / yr, 0, 0};
        case Quantity::none:
            break;
    }
    return {1, 1, 0, 0};
}

// The named unit where a value is within 1 % of it.
double snap(double value, double named) {
    return std::fabs(value / named - 1) < 0.01 ? named : value;
}

double inRange(const std::string& where, const std::string& name, double value, double low, double high) {
    if (!(value >= low && value <= high))
        throw Error(where + " attribute " + name + ": is " + std::to_string(value) +
                    ", allowed: " + std::to_string(low) + " to " + std::to_string(high));
    return value;
}

std::optional<double> number(const h5::Group& g, const std::string& name, double low, double high) {
    const auto value = g.attribute<double>(name);
    if (value) inRange(g.where(), name, *value, low, high);
    return value;
}

std::optional<double> number(const h5::Dataset& d, const std::string& name, double low, double high) {
    const auto value = d.attribute<double>(name);
    if (value) inRange(d.where(), name, *value, low, high);
    return value;
}

}  // namespace

double Units::factor(Quantity q) const {
    const Rule r = ruleOf(q, *this);
    return r.unit * std::pow(a, r.aPower) * std::pow(h, r.hPower);
}

double Units::factor(Quantity q, const h5::Dataset& d) const {
    if (q == Quantity::none) return 1;
    const Rule r = ruleOf(q, *this);
    double unit = r.unit;
    if (const auto cgs = number(d, "to_cgs", 0, 1e200); cgs && *cgs != 0) unit = snap(*cgs / r.internal, r.unit);
    const double aPower = number(d, "a_scaling", -10, 10).value_or(r.aPower);
    const double hPower = number(d, "h_scaling", -10, 10).value_or(r.hPower);
    const double f = unit * std::pow(a, aPower) * std::pow(h, hPower);
    if (!(f > 1e-200 && f < 1e200)) throw Error(d.where() + ": its to_cgs, a_scaling and h_scaling give no unit");
    return f;
}

Header readHeader(const h5::File& file) {
    const auto g = file.root().group("Header");
    Header header;
    SnapshotInfo& info = header.info;
    info.path = file.path();

    const auto time = number(g, "Time", 1e-6, 1e3);
    const auto redshift = number(g, "Redshift", -0.999, 1e6);
    if (!time && !redshift) throw Error(g.where() + ": has neither Time nor Redshift");
    if (time && redshift && std::fabs(*time * (1 + *redshift) - 1) > 1e-3)
        throw Error(g.where() + ": Time " + std::to_string(*time) + " and Redshift " + std::to_string(*redshift) +
                    " contradict each other (Time = 1 / (1 + Redshift))");
    info.scaleFactor = time ? *time : 1 / (1 + *redshift);
    info.redshift = redshift ? *redshift : 1 / *time - 1;

    const auto h = number(g, "HubbleParam", 0.01, 10);
    if (!h) throw Error(g.where() + ": has no attribute HubbleParam");
    info.h = *h;
    if (const auto omega = number(g, "Omega0", 1e-6, 10)) {
        info.hasCosmology = true;
        info.omegaM = *omega;
        const auto lambda = number(g, "OmegaLambda", -10, 10);
        info.omegaL = lambda.value_or(1 - *omega);
        if (!lambda) info.notes.push_back("the header has no OmegaLambda: a flat universe is assumed");
    }

    Units& units = header.units;
    units.a = info.scaleFactor;
    units.h = info.h;
    if (const auto v = number(g, "UnitLength_in_cm", 1, 1e40)) units.length = snap(*v / units::kpc_cm, 1);
    units.length = snap(units.length, 1e3);
    if (const auto v = number(g, "UnitMass_in_g", 1, 1e70)) units.mass = snap(*v / units::Msun_g, 1e10);
    units.mass = snap(units.mass, 1);
    if (const auto v = number(g, "UnitVelocity_in_cm_per_s", 1e-5, 1e15)) units.velocity = snap(*v * 1e-5, 1);

    info.lengthUnit = units.factor(Quantity::length);
    info.boxSize = number(g, "BoxSize", 0, 1e15).value_or(0) * info.lengthUnit;
    info.simulation = g.attributeString("SimulationName").value_or("");
    info.number = g.attribute<std::int32_t>("SnapshotNumber").value_or(-1);
    return header;
}

}  // namespace tessera::snapshots
