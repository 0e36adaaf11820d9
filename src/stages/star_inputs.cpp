#include "stages/star_inputs.hpp"

#include <cmath>

#include "stages/blocks.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera {

namespace {

// d fraction / d (log10 age) and / d metallicity of a star; 0 where it is clamped.
struct Slopes {
    double age, z;
    bool dark;  // RUBIX: outside the library's grid
};

// The cell is the record's, so that a star at a grid point has the slope on the side on which it was observed.
double slopeOn(const std::vector<double>& axis, std::size_t lower, double value, bool& outside) {
    constexpr double rounding = 2e-7;  // of logarithms in single precision
    if (axis.size() < 2) {
        outside = std::fabs(value - axis[0]) > rounding;
        return 0;
    }
    outside = !(value >= axis.front() - rounding) || value > axis.back() + rounding;
    return outside ? 0 : 1 / (axis[lower + 1] - axis[lower]);
}

Slopes slopesOf(const KnotTable& t, const StarRecord& r) {
    const std::size_t corner = std::size_t(r.corner), nAge = std::size_t(t.nAge);
    Slopes s{};
    bool oldOrYoung = false, richOrPoor = false;
    s.age = slopeOn(t.logAgeGyr, corner % nAge, std::log10(double(r.age)), oldOrYoung);
    const double z = r.metallicity;
    const double slope = slopeOn(t.zAxis, corner / nAge, t.rubix ? z : logMetallicity(z), richOrPoor);
    if (t.rubix)
        s.z = slope;
    else
        logMetallicityAdjoint(z, s.z, slope);
    s.dark = t.rubix && !(r.mass > 0) && (oldOrYoung || richOrPoor);
    return s;
}

double lineOfSightVelocity(const Stars& stars, const GalaxyFrame& f, std::size_t i) {
    return dot(f.rotation.row[2], stars.velocity[i].to<double>() - f.velocity);
}

}  // namespace

ViewSums inputsOfRecords(Host exec, const Stars& stars, const GalaxyFrame& f, const BinnedStars& b,
                         const KnotTable& table, Doppler doppler, const StarRecordBar* bar, StarsBar& out) {
    return sumBlocks<ViewSums>(exec, b.stars.size(), [&](std::size_t k) {
        const StarRecord& r = b.stars[k];
        const std::size_t i = r.source;
        const Slopes s = slopesOf(table, r);
        if (s.dark) return ViewSums{};
        out.mass[i] = bar[k].mass;
        out.logAge[i] = float(double(bar[k].ageFraction) * s.age);
        out.metallicity[i] = float(double(bar[k].zFraction) * s.z);
        double velocityBar = 0;
        dopplerShiftAdjoint(lineOfSightVelocity(stars, f, i), velocityBar, double(bar[k].shift), doppler);
        out.velocity[i] = (f.rotation.row[2] * velocityBar).to<float>();
        return ViewSums{velocityBar, double(bar[k].shift), double(r.mass) * double(bar[k].mass),
                        (stars.velocity[i].to<double>() - f.velocity) * velocityBar};
    });
}

void recordsOfInputs(Host exec, const Stars& stars, const GalaxyFrame& f, const BinnedStars& b, const KnotTable& table,
                     Doppler doppler, const StarsBar* tangent, const ViewDot& view, StarRecordBar* out) {
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < b.stars.size(); ++k) {
        const StarRecord& r = b.stars[k];
        const std::size_t i = r.source;
        const Slopes s = slopesOf(table, r);
        out[k] = {};
        if (s.dark) continue;
        double velocity = dot(view.lineOfSight, stars.velocity[i].to<double>() - f.velocity) -
                          dot(f.rotation.row[2], view.systemicVelocity);
        if (tangent) {
            velocity += dot(f.rotation.row[2], tangent->velocity[i].to<double>());
            out[k].mass = tangent->mass[i];
            out[k].ageFraction = float(double(tangent->logAge[i]) * s.age);
            out[k].zFraction = float(double(tangent->metallicity[i]) * s.z);
        }
        double slope = 0;
        dopplerShiftAdjoint(lineOfSightVelocity(stars, f, i), slope, 1.0, doppler);
        out[k].shift = float(slope * velocity + view.shift);
    }
}

}  // namespace tessera
