#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

constexpr double degree = units::pi / 180;

struct Selection {
    const Stars& stars;
    const Vec3d& centre;
    double boxSize;

    Vec3d relative(std::size_t i) const { return nearestImage(stars.position[i] - centre, boxSize); }
};

struct WeightedVelocity {
    double mass = 0;
    Vec3d momentum;
    WeightedVelocity& operator+=(const WeightedVelocity& o) {
        mass += o.mass;
        momentum += o.momentum;
        return *this;
    }
};

// Mass-weighted mean velocity of the stars within the radius (0: all).
Vec3d meanVelocity(Host exec, const Selection& s, double radius) {
    const auto total = sumBlocks<WeightedVelocity>(exec, s.stars.size(), [&](std::size_t i) {
        if (radius > 0 && norm(s.relative(i)) > radius) return WeightedVelocity{};
        const double m = s.stars.mass[i];
        return WeightedVelocity{m, s.stars.velocity[i].to<double>() * m};
    });
    if (!(total.mass > 0))
        throw Error("systemic velocity: no stars with mass within " + std::to_string(radius) +
                    " kpc of the galaxy's centre (view.systemic_radius)");
    return total.momentum * (1 / total.mass);
}

Vec3d medianVelocity(const Selection& s, double radius) {
    std::vector<float> component[3];
    for (std::size_t i = 0; i < s.stars.size(); ++i)
        if (norm(s.relative(i)) <= radius)
            for (int k = 0; k < 3; ++k) component[k].push_back(s.stars.velocity[i][k]);
    if (component[0].empty())
        throw Error("systemic velocity: no stars within " + std::to_string(radius) +
                    " kpc of the galaxy's centre (view.systemic_radius)");
    Vec3d median;
    for (int k = 0; k < 3; ++k) {
        auto& c = component[k];
        const auto middle = c.begin() + std::ptrdiff_t(c.size() / 2);
        std::nth_element(c.begin(), middle, c.end());
        median[k] = *middle;
        if (c.size() % 2 == 0) median[k] = 0.5 * (median[k] + double(*std::max_element(c.begin(), middle)));
    }
    return median;
}

Vec3d systemicVelocity(Host exec, const Selection& s, const Subhalo& subhalo, const ViewConfig& view) {
    switch (view.systemicVelocity) {
        case SystemicVelocity::none:
            return {};
        case SystemicVelocity::mean:
            return meanVelocity(exec, s, view.systemicRadius);
        case SystemicVelocity::median:
            return medianVelocity(s, view.systemicRadius);
        case SystemicVelocity::subhalo:
            break;
    }
    return subhalo.velocity ? *subhalo.velocity : meanVelocity(exec, s, 0);
}

// Radius that holds half of the stars' mass, from the stars themselves.
double halfMassRadius(const Selection& s) {
    std::vector<std::pair<double, double>> shells(s.stars.size());
    for (std::size_t i = 0; i < s.stars.size(); ++i) shells[i] = {norm(s.relative(i)), double(s.stars.mass[i])};
    std::sort(shells.begin(), shells.end());
    const double total = std::accumulate(shells.begin(), shells.end(), 0.0,
                                         [](double sum, const auto& shell) { return sum + shell.second; });
    double inside = 0;
    for (const auto& [radius, mass] : shells) {
        inside += mass;
        if (inside >= 0.5 * total) return radius;
    }
    return shells.empty() ? 0 : shells.back().first;
}

struct Moments {
    Vec3d spin;
    Symmetric3<double> second;
    Moments& operator+=(const Moments& o) {
        spin += o.spin;
        second += o.second;
        return *this;
    }
};

// Third axis: shortest axis of the mass distribution, turned to the side of the spin; first axis: the longest.
Mat3d principalFrame(const Moments& m) {
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

Mat3d galaxyAxes(Host exec, const Selection& s, const Vec3d& velocity, const Subhalo& subhalo, const ViewConfig& view) {
    double radius = view.orientationRadius;
    if (radius <= 0)
        radius =
            2 * (subhalo.halfMassRadius && *subhalo.halfMassRadius > 0 ? *subhalo.halfMassRadius : halfMassRadius(s));
    const auto moments = sumBlocks<Moments>(exec, s.stars.size(), [&](std::size_t i) {
        const Vec3d x = s.relative(i);
        if (norm(x) > radius) return Moments{};
        const double m = s.stars.mass[i];
        return Moments{angularMomentum(m, x, s.stars.velocity[i].to<double>() - velocity), secondMoments(m, x)};
    });
    if (!(norm(moments.spin) > 0))
        throw Error("orientation: the stars within " + std::to_string(radius) +
                    " kpc have no angular momentum; use orientation none, matrix or line_of_sight");
    return view.faceOnFrom == FaceOnFrom::inertia ? principalFrame(moments) : frameOfAxis(moments.spin);
}

}  // namespace

GalaxyFrame frame(Host exec, const Stars& stars, const Subhalo& subhalo, const Vec3d& centre, double boxSize,
                  const ViewConfig& view) {
    const Selection s{stars, centre, boxSize};
    GalaxyFrame f;
    f.centre = centre;
    f.velocity = systemicVelocity(exec, s, subhalo, view);
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
            axes = galaxyAxes(exec, s, f.velocity, subhalo, view);
            break;
    }
    f.rotation = viewRotation(inclination, view.positionAngle * degree, view.twist * degree) * axes;
    return f;
}

}  // namespace tessera
