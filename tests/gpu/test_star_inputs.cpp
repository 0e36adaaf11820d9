// Cotangents of the stars' inputs and of the view from those of their records, against plain loops in double precision.
#include "gpu/cotangents.hpp"
#include "gpu/device.hpp"
#include "kernels/star_inputs.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

// What the kernels are given, and what they gave.
struct Inputs {
    HostStars stars;
    std::vector<PieceBar> piece;
    gpu::StarInputsArgs args;  // what is not on the device
    std::vector<std::size_t> block;
    std::vector<float> smoothing;
    std::vector<std::uint64_t> firstPiece;
    std::vector<std::uint32_t> pieceSpaxel;
    std::vector<double> coefficients;
    // Found.
    std::vector<float> mass, logAge, metallicity, smoothingBar;
    std::vector<Vec3f> velocity, position;
    ViewSums sums;
};

void run(Inputs& t) {
    const Stream s;
    const std::size_t n = t.stars.mass.size();
    const bool moves = t.args.footprint != FootprintKind::nearest;
    const auto block = onDevice(s, t.block);
    const auto velocity = onDevice(s, t.stars.velocity);
    const auto mass = onDevice(s, t.stars.mass), smoothing = onDevice(s, t.smoothing);
    const auto piece = onDevice(s, t.piece);
    const auto position = onDevice(s, t.stars.position);
    const auto firstPiece = onDevice(s, t.firstPiece);
    const auto pieceSpaxel = onDevice(s, t.pieceSpaxel);
    const auto coefficients = onDevice(s, t.coefficients);
    const auto parts = underSeeds([&] {
        DeviceBuffer<float> m(n, s), a(n, s), z(n, s), h(moves ? n : 0, s);
        DeviceBuffer<Vec3f> v(n, s), x(moves ? n : 0, s);
        DeviceBuffer<ViewSums> partial(t.block.size() - 1, s);
        gpu::StarInputsArgs args = t.args;
        args.block = block.view();
        args.velocity = velocity.view();
        args.mass = mass.view();
        args.piece = piece.view();
        if (moves) args.position = position.view();
        args.smoothingOfStar = smoothing.view();
        args.firstPiece = firstPiece.view();
        args.pieceSpaxel = pieceSpaxel.view();
        args.coefficients = coefficients.view();
        args.massBar = m.view();
        args.logAgeBar = a.view();
        args.metallicityBar = z.view();
        args.smoothingBar = h.view();
        args.velocityBar = v.view();
        args.positionBar = x.view();
        args.partial = partial.view();
        gpu::starInputs(s, args);
        t.mass = onHost(s, m);
        t.logAge = onHost(s, a);
        t.metallicity = onHost(s, z);
        t.smoothingBar = onHost(s, h);
        t.velocity = onHost(s, v);
        t.position = onHost(s, x);
        return onHost(s, partial);
    });
    t.sums = {};
    for (const ViewSums& p : parts) t.sums += p;
}

std::vector<PieceBar> randomPieces(std::size_t n) {
    std::mt19937_64 rng(16);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<PieceBar> out;
    for (std::size_t k = 0; k < n; ++k) out.push_back({uniform(rng), uniform(rng), uniform(rng), uniform(rng), 0});
    return out;
}

}  // namespace

TEST_CASE("records' cotangents are put to their pieces", "[gpu][adjoint]") {
    const std::vector<double> ages{-3, -1, 0, 1.2}, zAxis{-4, -2.5, -1.3}, zLinear{1e-4, 3e-3, 5e-2};
    for (const bool rubix : {false, true})
        for (const std::size_t n : sizes()) {
            std::mt19937_64 rng(15);
            std::uniform_real_distribution<float> uniform;
            const std::size_t others = 7;  // pieces without a record
            std::vector<StarRecord> star;
            std::vector<StarRecordBar> bar;
            for (std::size_t k = 0; k < n; ++k) {
                StarRecord r = randomRecord(rng, 0);
                r.source = std::uint32_t(n - 1 - k) | (k % 3 == 0 ? countedElsewhere : 0);
                r.age = k % 5 == 1 ? 20.0F : 1.0F;  // beyond the oldest
                r.metallicity = k % 7 == 2 ? 1e-6F : 0.01F;
                if (rubix && (k % 5 == 1 || k % 7 == 2)) r.mass = 0;
                star.push_back(r);
                bar.push_back({uniform(rng), uniform(rng), uniform(rng), uniform(rng)});
            }
            const auto& axis = rubix ? zLinear : zAxis;
            const AxisSlopeTable age = ageSlopes(ages), z = metallicitySlopes(axis, rubix);
            std::vector<double> mass(n + others, 0.0), logAge = mass, metallicity = mass, shift = mass;
            for (std::size_t k = 0; k < n; ++k) {
                const StarRecord& r = star[k];
                const bool clampedAge = k % 5 == 1, clampedZ = k % 7 == 2;
                if (rubix && (clampedAge || clampedZ)) continue;
                const std::size_t i = n - 1 - k, ia = std::size_t(r.corner) % 4, iz = std::size_t(r.corner) / 4;
                mass[i] = double(bar[k].mass);
                if (!clampedAge) logAge[i] = double(bar[k].ageFraction) / (ages[ia + 1] - ages[ia]);
                if (!clampedZ)
                    metallicity[i] = double(bar[k].zFraction) / (axis[iz + 1] - axis[iz]) /
                                     (rubix ? 1 : double(r.metallicity) * std::log(10.0));
                shift[i] = double(bar[k].shift);
            }
            const Stream s;
            const auto dStar = onDevice(s, star);
            const auto dBar = onDevice(s, bar);
            const auto dAge = onDevice(s, age.slope), dZ = onDevice(s, z.slope);
            const auto found = underSeeds([&] {
                DeviceBuffer<PieceBar> out(n + others, s);
                out.zero();
                gpu::piecesOfRecords(s, {dStar.view(),
                                         dBar.view(),
                                         {4, rubix, age.at(nullptr), z.at(nullptr)},
                                         dAge.view(),
                                         dZ.view(),
                                         out.view()});
                return onHost(s, out);
            });
            const auto check = [&](float PieceBar::*value, const std::vector<double>& expected) {
                std::vector<float> v;
                for (const PieceBar& p : found) v.push_back(p.*value);
                CHECK(worst(v, expected) < 1e-6);
            };
            check(&PieceBar::mass, mass);
            check(&PieceBar::logAge, logAge);
            check(&PieceBar::metallicity, metallicity);
            check(&PieceBar::shift, shift);
        }
}

TEST_CASE("stars' inputs and the view's sums are those of a plain loop", "[gpu][adjoint]") {
    const Vec3d systemic{10, -20, 30}, sight{0.6, 0, 0.8};
    for (const std::size_t n : sizes()) {
        Inputs t;
        t.stars = randomStars(n, 5);
        t.piece = randomPieces(n);
        t.block = {0, n / 3, n / 3, n};
        t.args.systemicVelocity = systemic;
        t.args.rotation = {{{0, 1, 0}, {-0.8, 0, 0.6}, sight}};
        run(t);
        std::vector<double> mass, logAge, metallicity, vz;
        ViewSums expected;
        for (std::size_t i = 0; i < n; ++i) {
            const PieceBar& b = t.piece[i];
            mass.push_back(double(b.mass));
            logAge.push_back(double(b.logAge));
            metallicity.push_back(double(b.metallicity));
            const Vec3d v = t.stars.velocity[i].to<double>() - systemic;
            const double beta = dot(sight, v) / units::c_km_s;
            const double vBar = double(b.shift) / ((1 - beta * beta) * units::c_km_s);
            vz.push_back(vBar * sight.z);
            expected.velocity += vBar;
            expected.shift += double(b.shift);
            expected.light += double(t.stars.mass[i]) * double(b.mass);
            expected.rotation.row[2] += v * vBar;
        }
        const auto near = [](double a, double b) { CHECK(a == Approx(b).epsilon(1e-10).margin(1e-10 * std::fabs(b))); };
        near(t.sums.velocity, expected.velocity);
        near(t.sums.shift, expected.shift);
        near(t.sums.light, expected.light);
        for (int k = 0; k < 3; ++k) near(t.sums.rotation.row[2][k], expected.rotation.row[2][k]);
        std::vector<float> found;
        for (const Vec3f& v : t.velocity) found.push_back(v.z);
        CHECK(worst(t.mass, mass) < 1e-6);
        CHECK(worst(t.logAge, logAge) < 1e-6);
        CHECK(worst(t.metallicity, metallicity) < 1e-6);
        CHECK(worst(found, vz) < 1e-6);
    }
}

// Seen along z, so that the sky is the plane of x and y. A table of one polynomial: shares are those of Q(a, b) = a b / 4 to 1.
TEST_CASE("stars gather the cotangents of their footprints' pieces", "[gpu][adjoint]") {
    constexpr int cells = 4;
    constexpr std::size_t side = 6;
    const double d = 0.5;
    for (const FootprintKind kind : {FootprintKind::cloudInCell, FootprintKind::sph})
        for (const std::size_t n : sizes()) {
            Inputs t;
            t.stars = randomStars(n, 5);
            t.args.footprint = kind;
            t.args.rotation = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
            t.args.centre = {10, 9.5, 0};
            t.args.grid = {side, 0.25, d};
            t.args.kernel.cells = cells;
            // Coefficients of a B-spline that is a b / 4: linear functions are their own coefficients.
            for (int j = -1; j < cells + 2; ++j)
                for (int i = -1; i < cells + 2; ++i) t.coefficients.push_back(0.25 * double(i * j) / (cells * cells));
            t.block = {0, n};
            t.firstPiece = {0};
            std::mt19937_64 rng(17);
            for (std::size_t i = 0; i < n; ++i) {
                const double h = i % 5 == 0 ? 0 : 0.3 + 0.1 * double(i % 7);  // some are points
                if (kind == FootprintKind::sph) t.smoothing.push_back(float(h));
                for (std::size_t k = 0; k < i % 4; ++k)
                    t.pieceSpaxel.push_back(k == 2 && i % 8 == 3 ? outsideField : std::uint32_t(rng() % (side * side)));
                t.firstPiece.push_back(t.pieceSpaxel.size());
            }
            t.piece = randomPieces(t.pieceSpaxel.size());
            run(t);
            std::vector<double> mass(n, 0.0), x = mass, smoothing = mass;
            ViewSums expected;
            const auto at = [&](double x0, double y0, double h, std::uint32_t spaxel, double size) {
                const double ix = double(spaxel % side) - 0.5 * double(side),
                             iy = double(spaxel / side) - 0.5 * double(side);
                if (kind == FootprintKind::cloudInCell) {
                    // As the kernel is asked: the lower or the upper one of two spaxels along each axis.
                    const auto along = [&](double i, double c) {
                        const double u = c / size - 0.5, lower = std::floor(u);
                        return i > lower ? u - lower : 1 - (u - lower);
                    };
                    return along(ix, x0) * along(iy, y0);
                }
                if (!(h > 1e-9 * d)) return 1.0;
                const auto edge = [&](double i, double c) { return std::clamp((i * size - c) / h, -1.0, 1.0); };
                return 0.25 * (edge(ix + 1, x0) - edge(ix, x0)) * (edge(iy + 1, y0) - edge(iy, y0));
            };
            for (std::size_t i = 0; i < n; ++i) {
                const double x0 = t.stars.position[i].x - 10, y0 = t.stars.position[i].y - 9.5,
                             h = t.smoothing.empty() ? 0 : double(t.smoothing[i]), m = double(t.stars.mass[i]);
                for (std::size_t k = t.firstPiece[i]; k < t.firstPiece[i + 1]; ++k) {
                    const std::uint32_t spaxel = t.pieceSpaxel[k];
                    if (spaxel == outsideField) continue;
                    const double b = double(t.piece[k].mass), e = 1e-6;
                    const auto slope = [&](double dx, double dh, double ds) {
                        return m * b *
                               (at(x0 + dx, y0, h + dh, spaxel, d + ds) - at(x0 - dx, y0, h - dh, spaxel, d - ds)) /
                               (2 * e);
                    };
                    mass[i] += b * at(x0, y0, h, spaxel, d);
                    x[i] += slope(e, 0, 0);
                    if (h > 0) smoothing[i] += slope(0, e, 0);
                    if (h > 0 || kind == FootprintKind::cloudInCell) expected.spaxel += slope(0, 0, e);
                    expected.shift += double(t.piece[k].shift);
                }
                expected.centre.x -= x[i];
                expected.smoothing += smoothing[i];
            }
            std::vector<float> found;
            for (const Vec3f& p : t.position) found.push_back(p.x);
            INFO("footprint " << int(kind) << ", " << n << " stars");
            CHECK(worst(t.mass, mass) < 1e-6);
            CHECK(worst(found, x) < 1e-5);  // differences
            if (kind == FootprintKind::sph) CHECK(worst(t.smoothingBar, smoothing) < 1e-5);
            const auto near = [&](double a, double b, double size) { CHECK(std::fabs(a - b) <= 1e-5 * size); };
            near(t.sums.centre.x, expected.centre.x, rmsOf(x) * double(n));
            near(t.sums.smoothing, expected.smoothing, rmsOf(smoothing) * double(n));
            near(t.sums.spaxel, expected.spaxel, std::max(std::fabs(expected.spaxel), rmsOf(x) * double(n)));
            near(t.sums.shift, expected.shift, double(t.piece.size() + 1));
        }
}
