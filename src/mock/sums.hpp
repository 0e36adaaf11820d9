// What the group catalogue says of a galaxy, a group or a piece of fuzz, summed over the rows as they are written, in
// the order of the snapshot: the same numbers whatever the blocks.
#pragma once

#include <array>
#include <vector>

#include "mock/block.hpp"

namespace tessera::mock {

// Sums over particles in snapshot units: x [ckpc/h] from a centre (nearest periodic image), v [km/s] peculiar, m
// [1e10 Msun/h].
struct Sums {
    std::array<std::uint64_t, typeCount> length{};  // rows; wind-phase cells count as type 4
    std::array<double, typeCount> mass{};           // wind-phase cells count as gas, as in TNG
    double total = 0;
    Vec3d massX, massV, angular;  // m x, m v, m x cross v
    double massV2 = 0;
    double rate = 0;  // [Msun/yr]
    std::uint64_t wind = 0;

    // Adds sums that were taken about another centre: shift = its centre - this centre.
    void add(const Sums&, const Vec3d& shift);
};

// The radius that holds half of the mass: a histogram with 512 bins an octave, linear inside a bin.
class RadialMass {
public:
    RadialMass();
    void clear();
    void add(float radiusSquared, double mass);
    double halfMassRadius() const;  // 0 where there is no mass

private:
    std::vector<double> bins_;
    double total_ = 0;
};

// One entry a segment; half-mass radii for one type at a time.
struct SegmentSums {
    Sums sums;
    double halfMassRadius = 0;  // [ckpc/h] of stars without wind, or of gas cells
};

class Accumulator {
public:
    Accumulator(const Census&, const std::vector<Segment>&);
    // Blocks must come in the order of the rows.
    void add(const Block&);
    std::vector<SegmentSums> finish();

private:
    void close();

    const Census& census_;
    const std::vector<Segment>& segments_;
    std::vector<SegmentSums> sums_;
    std::size_t current_ = 0;
    RadialMass radial_;
};

// The nearest periodic image of b - a.
Vec3d separationOf(const Vec3d& a, const Vec3d& b);

}  // namespace tessera::mock
