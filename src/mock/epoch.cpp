#include "mock/epoch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "tessera/core/error.hpp"

namespace tessera::mock {

namespace {

struct Listed {
    int number;
    double redshift;
    bool full;
};
constexpr std::array listed{
    Listed{0, 20.05, false}, Listed{2, 12, true},   Listed{3, 11, true},   Listed{4, 10, true},   Listed{6, 9, true},
    Listed{8, 8, true},      Listed{11, 7, true},   Listed{13, 6, true},   Listed{17, 5, true},   Listed{21, 4, true},
    Listed{25, 3, true},     Listed{33, 2, true},   Listed{40, 1.5, true}, Listed{50, 1, true},   Listed{59, 0.7, true},
    Listed{67, 0.5, true},   Listed{72, 0.4, true}, Listed{78, 0.3, true}, Listed{84, 0.2, true}, Listed{91, 0.1, true},
    Listed{99, 0, true}};

double hubbleTime(const Cosmology& c) {
    return units::Mpc_cm * 1e-5 / (100 * c.h) / units::Gyr_s;
}

}  // namespace

Epoch epochOf(int snapshot) {
    if (snapshot < 0 || snapshot > lastSnapshot)
        throw ConfigError("snapshot number " + std::to_string(snapshot) + " is outside 0-" +
                          std::to_string(lastSnapshot));
    const auto next = std::lower_bound(listed.begin(), listed.end(), snapshot,
                                       [](const Listed& l, int number) { return l.number < number; });
    Epoch e;
    e.number = snapshot;
    if (next->number == snapshot) {
        e.redshift = next->redshift;
        e.full = next->full;
    } else {
        const Listed &a = *(next - 1), &b = *next;
        const double w = double(snapshot - a.number) / (b.number - a.number);
        e.redshift = std::expm1((1 - w) * std::log1p(a.redshift) + w * std::log1p(b.redshift));
        e.full = false;
    }
    e.scaleFactor = 1 / (1 + e.redshift);
    e.cosmology = illustrisTng();
    e.age = cosmicTimeGyr(e.cosmology, e.scaleFactor);
    e.oldest = e.age - std::min(0.5, 0.3 * e.age);
    return e;
}

double Epoch::formation(double starAge) const {
    const Cosmology& c = cosmology;
    const double t = age - starAge;
    const double x = std::sinh(1.5 * std::sqrt(c.omegaDe) * t / hubbleTime(c));
    return std::min(scaleFactor, std::cbrt(c.omegaM / c.omegaDe * x * x));
}

double Epoch::criticalDensity() const {
    const double hubble = 0.1 * cosmology.h * hubbleRatio(cosmology, scaleFactor);  // [km/s/kpc]
    return 3 * hubble * hubble / (8 * units::pi * gravity);
}

}  // namespace tessera::mock
