#include "stages/star_inputs.hpp"

#include <cmath>

#include "stages/blocks.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/ssp.hpp"

namespace tessera {

namespace {

// d fraction / d (log10 age) and / d metallicity of a star; 0 where it is clamped.
struct Slopes {
    float age, z;
    bool dark;  // RUBIX: outside the library's grid
};

// The cell is the record's, so that a star at a grid point has the slope on the side on which it was observed.
class AxisSlopes {
public:
    // limit(x): the value that a point of the axis stands for.
    template <class Limit>
    AxisSlopes(const std::vector<double>& axis, Limit limit) {
        constexpr double rounding = 5e-7;  // of logarithms in single precision
        low_ = float(limit(axis.front()) * (1 - rounding));
        high_ = float(limit(axis.back()) * (1 + rounding));
        for (std::size_t i = 0; i + 1 < axis.size(); ++i) slope_.push_back(float(1 / (axis[i + 1] - axis[i])));
        if (slope_.empty()) slope_.push_back(0);
    }
    bool outside(float value) const { return !(value >= low_) || value > high_; }
    float operator()(std::size_t lower) const { return slope_[lower]; }

private:
    float low_, high_;
    std::vector<float> slope_;
};

class RecordSlopes {
public:
    explicit RecordSlopes(const KnotTable& t)
        : nAge_(std::size_t(t.nAge)),
          rubix_(t.rubix),
          age_(t.logAgeGyr, [](double x) { return std::pow(10, x); }),
          z_(t.zAxis, [&](double x) { return t.rubix ? x : std::pow(10, x); }) {}

    Slopes operator()(const StarRecord& r) const {
        const std::size_t corner = std::size_t(r.corner);
        const bool age = age_.outside(r.age), z = z_.outside(r.metallicity);
        Slopes s{age ? 0 : age_(corner % nAge_), 0, rubix_ && !(r.mass > 0) && (age || z)};
        if (z) return s;
        if (rubix_)
            s.z = z_(corner / nAge_);
        else
            logMetallicityAdjoint(r.metallicity, s.z, z_(corner / nAge_));
        return s;
    }

private:
    std::size_t nAge_;
    bool rubix_;
    AxisSlopes age_, z_;
};

double lineOfSightVelocity(const Stars& stars, const GalaxyFrame& f, std::size_t i) {
    return dot(f.rotation.row[2], stars.velocity[i].to<double>() - f.velocity);
}

}  // namespace

ViewSums inputsOfRecords(Host exec, const Stars& stars, const GalaxyFrame& f, const BinnedStars& b,
                         const KnotTable& table, Doppler doppler, const StarRecordBar* bar, StarsBar& out) {
    const RecordSlopes slopes(table);
    const std::size_t n = stars.size();
    out.mass = Buffer<float>(n);
    out.logAge = Buffer<float>(n);
    out.metallicity = Buffer<float>(n);
    out.velocity = Buffer<Vec3f>(n);
#pragma omp parallel num_threads(threadsOf(exec))
    {
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < n; ++i) {
            out.mass[i] = out.logAge[i] = out.metallicity[i] = 0;
            out.velocity[i] = {};
        }
        // To the stars' own places; the shift's cotangent for now in that of a velocity.
#pragma omp for schedule(static)
        for (std::size_t k = 0; k < b.stars.size(); ++k) {
            const StarRecord& r = b.stars[k];
            const Slopes s = slopes(r);
            if (s.dark) continue;
            const std::size_t i = r.source;
            out.mass[i] = bar[k].mass;
            out.logAge[i] = bar[k].ageFraction * s.age;
            out.metallicity[i] = bar[k].zFraction * s.z;
            out.velocity[i].x = bar[k].shift;
        }
    }
    return sumBlocks<ViewSums>(exec, rowBlocks(stars), {}, [&](std::size_t i) {
        const double shiftBar = out.velocity[i].x;
        const Vec3d velocity = stars.velocity[i].to<double>() - f.velocity;
        double velocityBar = 0;
        dopplerShiftAdjoint(dot(f.rotation.row[2], velocity), velocityBar, shiftBar, doppler);
        out.velocity[i] = (f.rotation.row[2] * velocityBar).to<float>();
        return ViewSums{velocityBar, shiftBar, double(stars.mass[i]) * double(out.mass[i]), velocity * velocityBar};
    });
}

void recordsOfInputs(Host exec, const Stars& stars, const GalaxyFrame& f, const BinnedStars& b, const KnotTable& table,
                     Doppler doppler, const StarsBar* tangent, const ViewDot& view, StarRecordBar* out) {
    const RecordSlopes slopes(table);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < b.stars.size(); ++k) {
        const StarRecord& r = b.stars[k];
        const std::size_t i = r.source;
        const Slopes s = slopes(r);
        out[k] = {};
        if (s.dark) continue;
        double velocity = dot(view.lineOfSight, stars.velocity[i].to<double>() - f.velocity) -
                          dot(f.rotation.row[2], view.systemicVelocity);
        if (tangent) {
            velocity += dot(f.rotation.row[2], tangent->velocity[i].to<double>());
            out[k].mass = tangent->mass[i];
            out[k].ageFraction = tangent->logAge[i] * s.age;
            out[k].zFraction = tangent->metallicity[i] * s.z;
        }
        double slope = 0;
        dopplerShiftAdjoint(lineOfSightVelocity(stars, f, i), slope, 1.0, doppler);
        out[k].shift = float(slope * velocity + view.shift);
    }
}

}  // namespace tessera
