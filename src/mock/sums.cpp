#include "mock/sums.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tessera::mock {

namespace {

// A bin is what a float's exponent and 8 leading bits of its fraction say: 256 bins an octave of the squared radius.
constexpr int dropped = 15;
constexpr std::uint32_t lowestBits = std::bit_cast<std::uint32_t>(0x1p-30f) >> dropped;
constexpr std::uint32_t highestBits = std::bit_cast<std::uint32_t>(0x1p40f) >> dropped;

Vec3d centreOf(const Census& c, const Segment& s) {
    if (s.kind == Segment::Kind::galaxy) return c.galaxies[s.owner].centre;
    if (s.kind == Segment::Kind::innerFuzz) return c.groups[s.owner].centre;
    return {};
}

// A row's share in all sums; x from the centre.
void addRow(Sums& s, Type type, double m, const Vec3d& x, const Vec3d& v) {
    s.total += m;
    s.massX += m * x;
    s.massV += m * v;
    s.angular += m * cross(x, v);
    s.massV2 += m * dot(v, v);
    ++s.length[type];
}

}  // namespace

Vec3d separationOf(const Vec3d& a, const Vec3d& b) {
    Vec3d d = b - a;
    for (int i = 0; i < 3; ++i) {
        if (d[i] > boxSize / 2) d[i] -= boxSize;
        if (d[i] < -boxSize / 2) d[i] += boxSize;
    }
    return d;
}

void Sums::add(const Sums& o, const Vec3d& shift) {
    for (std::size_t t = 0; t < typeCount; ++t) {
        length[t] += o.length[t];
        mass[t] += o.mass[t];
    }
    total += o.total;
    massX += o.massX + shift * o.total;
    massV += o.massV;
    angular += o.angular + cross(shift, o.massV);
    massV2 += o.massV2;
    rate += o.rate;
    wind += o.wind;
}

RadialMass::RadialMass() : bins_(highestBits - lowestBits + 1) {}

void RadialMass::clear() {
    if (total_ > 0) std::fill(bins_.begin(), bins_.end(), 0.0);
    total_ = 0;
}

void RadialMass::add(float radiusSquared, double mass) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(radiusSquared) >> dropped;
    bins_[std::clamp(bits, lowestBits, highestBits) - lowestBits] += mass;
    total_ += mass;
}

double RadialMass::halfMassRadius() const {
    double below = 0;
    for (std::size_t i = 0; i < bins_.size() && total_ > 0; ++i) {
        if (below + bins_[i] >= total_ / 2) {
            const auto edge = [](std::uint32_t bin) {
                return std::sqrt(double(std::bit_cast<float>((bin + lowestBits) << dropped)));
            };
            const double low = edge(std::uint32_t(i)), high = edge(std::uint32_t(i) + 1);
            return low + (high - low) * (total_ / 2 - below) / bins_[i];
        }
        below += bins_[i];
    }
    return 0;
}

Accumulator::Accumulator(const Census& census, const std::vector<Segment>& segments)
    : census_(census), segments_(segments), sums_(segments.size()) {}

void Accumulator::close() {
    sums_[current_].halfMassRadius = radial_.halfMassRadius();
    radial_.clear();
    ++current_;
}

void Accumulator::add(const Block& b) {
    const bool star = b.type == starType;
    const double rootA = std::sqrt(census_.epoch.scaleFactor);
    const auto& masses = b.fields[star ? int(starMasses) : int(gasMasses)].values;
    const auto& velocities = b.fields[star ? int(starVelocities) : int(gasVelocities)];
    for (std::size_t i = 0; i < b.rows;) {
        while (b.first + i >= segments_[current_].first + segments_[current_].count) close();
        const Segment& segment = segments_[current_];
        const Vec3d centre = centreOf(census_, segment);
        const std::size_t end = std::min<std::uint64_t>(b.rows, segment.first + segment.count - b.first);
        Sums& s = sums_[current_].sums;
        for (; i < end; ++i) {
            const double m = double(masses[i]);
            const double* c = b.coordinates.row(i);
            const float* v = velocities.row(i);
            const Vec3d x = separationOf(centre, {c[0], c[1], c[2]});
            addRow(s, b.type, m, x, Vec3d{double(v[0]), double(v[1]), double(v[2])} * rootA);
            const bool wind = star && b.fields[starFormation].values[i] <= 0;
            if (wind) {
                s.mass[gasType] += m;
                ++s.wind;
                continue;
            }
            s.mass[b.type] += m;
            if (!star) s.rate += double(b.fields[gasRate].values[i]);
            radial_.add(float(dot(x, x)), m);
        }
    }
}

std::vector<SegmentSums> Accumulator::finish() {
    while (current_ < segments_.size()) close();
    return std::move(sums_);
}

}  // namespace tessera::mock
