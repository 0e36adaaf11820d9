#include <Eigen/Eigenvalues>
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/kernels.hpp"
#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

constexpr double degree = units::pi / 180;

struct Selection {
    Host exec;
    const Stars& stars;
    const Vec3d& centre;
    double boxSize;
    const Gather& gather;
    std::vector<std::size_t> blocks;
    const SumFrame& device;

    Vec3d relative(std::size_t i) const { return nearestImage(stars.position[i] - centre, boxSize); }
    template <class T, class Term>
    T sum(Term term) const {
        return sumBlocks<T>(exec, blocks, gather, term);
    }
    // radius 0: of all stars
    FrameSums frameSumsWithin(double radius, const Vec3d& velocity) const {
        if (device) return device(centre, boxSize, radius, velocity);
        const double most = radius > 0 ? sq(radius) : std::numeric_limits<double>::infinity();
        return sumParts<FrameSums>(exec, blocks, gather, [&](std::size_t begin, std::size_t end) {
            if (begin == end) return FrameSums{};  // wind alone
            simd::FrameArgs a{&stars.position.data()[begin].x,
                              &stars.velocity.data()[begin].x,
                              stars.mass.data() + begin,
                              end - begin,
                              {centre.x, centre.y, centre.z},
                              {velocity.x, velocity.y, velocity.z},
                              boxSize,
                              most,
                              {}};
            simd::kernels().sumFrame(a);
            const auto& s = a.sums;
            return FrameSums{s[0], {s[1], s[2], s[3]}, {s[4], s[5], s[6]}, {s[7], s[8], s[9], s[10], s[11], s[12]}};
        });
    }
};

// Mass-weighted mean velocity of the stars within the radius (0: all).
Vec3d meanVelocity(const Selection& s, double radius) {
    const FrameSums total = s.frameSumsWithin(radius, {});
    if (!(total.mass > 0))
        throw Error("systemic velocity: no stars with mass within " + std::to_string(radius) +
                    " kpc of the galaxy's centre (view.systemic_radius)");
    return total.momentum * (1 / total.mass);
}

// Unsigned integers in the order of the floats.
std::uint32_t orderedBits(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return bits >> 31 ? ~bits : bits | 0x80000000U;
}
float ofOrderedBits(std::uint32_t bits) {
    return std::bit_cast<float>(bits >> 31 ? bits & 0x7fffffffU : ~bits);
}

// Sums of everyone's numbers, place by place.
std::vector<double> sumOverParts(const std::vector<double>& mine, const Gather& gather) {
    const std::vector<double> all = gather(mine);
    std::vector<double> total(mine.size(), 0.0);
    for (std::size_t i = 0; i < all.size(); ++i) total[i % mine.size()] += all[i];
    return total;
}

// The middle velocity along each axis, by halving the range of its bits: everyone counts, no one holds all.
Vec3d medianVelocity(const Selection& s, double radius) {
    std::vector<std::uint32_t> component[3];
    for (std::size_t i = 0; i < s.stars.size(); ++i)
        if (norm(s.relative(i)) <= radius)
            for (int k = 0; k < 3; ++k) component[k].push_back(orderedBits(s.stars.velocity[i][k]));
    const double total = sumOverParts({double(component[0].size())}, s.gather)[0];
    if (!(total > 0))
        throw Error("systemic velocity: no stars within " + std::to_string(radius) +
                    " kpc of the galaxy's centre (view.systemic_radius)");
    // The lower and the upper of the two in the middle, or twice the one.
    const double wanted[2] = {std::floor((total - 1) / 2), std::floor(total / 2)};
    std::uint32_t low[6], high[6];
    std::fill_n(low, 6, 0U);
    std::fill_n(high, 6, std::numeric_limits<std::uint32_t>::max());
    for (int bit = 0; bit < 32; ++bit) {
        std::vector<double> atMost(6);
        for (int k = 0; k < 6; ++k) {
            const std::uint32_t middle = low[k] + (high[k] - low[k]) / 2;
            const auto& values = component[k / 2];
            atMost[std::size_t(k)] =
                double(std::count_if(values.begin(), values.end(), [&](std::uint32_t v) { return v <= middle; }));
        }
        atMost = sumOverParts(atMost, s.gather);
        for (int k = 0; k < 6; ++k) {
            const std::uint32_t middle = low[k] + (high[k] - low[k]) / 2;
            if (atMost[std::size_t(k)] > wanted[k % 2])
                high[k] = middle;
            else
                low[k] = middle + 1;
        }
    }
    Vec3d median;
    for (int k = 0; k < 3; ++k)
        median[k] = 0.5 * (double(ofOrderedBits(high[2 * k])) + double(ofOrderedBits(high[2 * k + 1])));
    return median;
}

Vec3d systemicVelocity(const Selection& s, const Subhalo& subhalo, const ViewConfig& view) {
    switch (view.systemicVelocity) {
        case SystemicVelocity::none:
            return {};
        case SystemicVelocity::mean:
            return meanVelocity(s, view.systemicRadius);
        case SystemicVelocity::median:
            return medianVelocity(s, view.systemicRadius);
        case SystemicVelocity::subhalo:
            break;
    }
    return subhalo.velocity ? *subhalo.velocity : meanVelocity(s, 0);
}

// Radius that holds half of the stars' mass, from the stars themselves: by halving the range it can lie in.
double halfMassRadius(const Selection& s) {
    std::vector<double> radius(s.stars.size());
    double largest = 0;
    for (std::size_t i = 0; i < radius.size(); ++i) largest = std::max(largest, radius[i] = norm(s.relative(i)));
    for (const double r : s.gather({largest})) largest = std::max(largest, r);
    const auto within = [&](double r) {
        return s.sum<Amount>([&](std::size_t i) { return Amount{radius[i] <= r ? double(s.stars.mass[i]) : 0.0}; })
            .value;
    };
    const double half = 0.5 * within(largest);
    double low = 0, high = largest;
    for (int i = 0; i < 50; ++i) {
        const double middle = 0.5 * (low + high);
        (within(middle) >= half ? high : low) = middle;
    }
    return high;
}

// Third axis: shortest axis of the mass distribution, turned to the side of the spin; first axis: the longest.
Mat3d principalFrame(const FrameSums& m) {
    Eigen::Matrix3d tensor;
    const auto& s = m.second;
    tensor << s.xx, s.xy, s.xz, s.xy, s.yy, s.yz, s.xz, s.yz, s.zz;
    const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(tensor);
    const auto column = [&](int k) {
        const Eigen::Vector3d e = solver.eigenvectors().col(k);
        return Vec3d{e.x(), e.y(), e.z()};
    };
    Vec3d shortest = column(0), longest = column(2);
    if (dot(shortest, m.spin) < 0) shortest *= -1;
    int largest = 0;
    for (int k = 1; k < 3; ++k)
        if (std::fabs(longest[k]) > std::fabs(longest[largest])) largest = k;
    if (longest[largest] < 0) longest *= -1;
    return {{longest, cross(shortest, longest), shortest}};
}

Mat3d galaxyAxes(const Selection& s, const Vec3d& velocity, const Subhalo& subhalo, const ViewConfig& view) {
    double radius = view.orientationRadius;
    if (radius <= 0)
        radius =
            2 * (subhalo.halfMassRadius && *subhalo.halfMassRadius > 0 ? *subhalo.halfMassRadius : halfMassRadius(s));
    const FrameSums moments = s.frameSumsWithin(radius, velocity);
    if (!(norm(moments.spin) > 0))
        throw Error("orientation: the stars within " + std::to_string(radius) +
                    " kpc have no angular momentum; use orientation none, matrix or line_of_sight");
    return view.faceOnFrom == FaceOnFrom::inertia ? principalFrame(moments) : frameOfAxis(moments.spin);
}

}  // namespace

GalaxyFrame frame(Host exec, const Stars& stars, const Subhalo& subhalo, const Vec3d& centre, double boxSize,
                  const ViewConfig& view, const Gather& gather, const SumFrame& device) {
    const Selection s{exec, stars, centre, boxSize, gather, rowBlocks(stars), device};
    GalaxyFrame f;
    f.centre = centre;
    f.velocity = systemicVelocity(s, subhalo, view);
    Mat3d axes;
    double inclination = view.inclination * degree;
    switch (view.orientation) {
        case Orientation::none:
            break;
        case Orientation::euler:
            axes = eulerRotation(view.eulerDeg.x * degree, view.eulerDeg.y * degree, view.eulerDeg.z * degree);
            break;
        case Orientation::matrix:
            axes = transpose(view.matrix);
            break;
        case Orientation::lineOfSight:
            axes = frameOfAxis(view.lineOfSight);
            break;
        case Orientation::edgeOn:
            inclination += units::pi / 2;
            [[fallthrough]];
        case Orientation::faceOn:
            axes = galaxyAxes(s, f.velocity, subhalo, view);
            break;
    }
    f.rotation = viewRotation(inclination, view.positionAngle * degree, view.twist * degree) * axes;
    return f;
}

}  // namespace tessera
