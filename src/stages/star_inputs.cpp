#include "stages/star_inputs.hpp"

#include "stages/blocks.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera {

namespace {

// Of a table, with the slopes themselves.
class TableSlopes {
public:
    explicit TableSlopes(const KnotTable& t)
        : age_(ageSlopes(t.logAgeGyr)),
          z_(metallicitySlopes(t.zAxis, t.rubix)),
          slopes_{t.nAge, t.rubix, age_.at(age_.slope.data()), z_.at(z_.slope.data())} {}
    TableSlopes(const TableSlopes&) = delete;
    TableSlopes& operator=(const TableSlopes&) = delete;
    RecordSlope operator()(const StarRecord& r) const { return slopes_(r); }

private:
    AxisSlopeTable age_, z_;
    RecordSlopes slopes_;
};

double lineOfSightVelocity(const Stars& stars, const GalaxyFrame& f, std::size_t i) {
    return dot(f.rotation.row[2], stars.velocity[i].to<double>() - f.velocity);
}

}  // namespace

ViewSums inputsOfRecords(Host exec, const Stars& stars, const GalaxyFrame& f, const BinnedStars& b,
                         const KnotTable& table, Doppler doppler, const StarRecordBar* bar, StarsBar& out) {
    const TableSlopes slopes(table);
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
            const RecordSlope s = slopes(r);
            if (s.dark) continue;
            const std::size_t i = r.source;
            out.mass[i] = bar[k].mass;
            out.logAge[i] = bar[k].ageFraction * s.age;
            out.metallicity[i] = bar[k].zFraction * s.z;
            out.velocity[i].x = bar[k].shift;
        }
    }
    return sumBlocks<ViewSums>(exec, rowBlocks(stars), {}, [&](std::size_t i) {
        const VelocityBar v = velocityOfShiftBar(stars.velocity[i], f.velocity, f.rotation.row[2], doppler,
                                                 out.velocity[i].x, double(stars.mass[i]) * double(out.mass[i]));
        out.velocity[i] = v.velocity;
        return v.sums;
    });
}

void recordsOfInputs(Host exec, const Stars& stars, const GalaxyFrame& f, const BinnedStars& b, const KnotTable& table,
                     Doppler doppler, const StarsBar* tangent, const ViewDot& view, StarRecordBar* out) {
    const TableSlopes slopes(table);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < b.stars.size(); ++k) {
        const StarRecord& r = b.stars[k];
        const std::size_t i = r.source;
        const RecordSlope s = slopes(r);
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
