// The stars' inputs from the cotangents of their records, against a plain loop in double precision.
#include "gpu/cotangents.hpp"
#include "gpu/device.hpp"
#include "kernels/star_inputs.hpp"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("stars' inputs and the view's sums are those of a plain loop", "[gpu][adjoint]") {
    const std::vector<double> ages{-3, -1, 0, 1.2}, zAxis{-4, -2.5, -1.3}, zLinear{1e-4, 3e-3, 5e-2};
    for (const bool rubix : {false, true})
        for (const std::size_t n : sizes()) {
            std::mt19937_64 rng(15);
            std::uniform_real_distribution<float> uniform;
            const std::size_t others = 7;  // stars without a record
            const HostStars stars = randomStars(n + others, 5);
            std::vector<StarRecord> star;
            std::vector<StarRecordBar> bar;
            for (std::size_t k = 0; k < n; ++k) {
                StarRecord r = randomRecord(rng, 0);
                r.source = std::uint32_t(n - 1 - k);
                r.age = k % 5 == 1 ? 20.0F : 1.0F;  // beyond the oldest
                r.metallicity = k % 7 == 2 ? 1e-6F : 0.01F;
                if (rubix && (k % 5 == 1 || k % 7 == 2)) r.mass = 0;
                star.push_back(r);
                bar.push_back({uniform(rng), uniform(rng), uniform(rng), uniform(rng)});
            }
            const auto& axis = rubix ? zLinear : zAxis;
            const AxisSlopeTable age = ageSlopes(ages), z = metallicitySlopes(axis, rubix);
            const Vec3d systemic{10, -20, 30}, sight{0.6, 0, 0.8};
            std::vector<double> mass(n + others, 0.0), logAge = mass, metallicity = mass, velocity = mass;
            SightSums expected;
            for (std::size_t k = 0; k < n; ++k) {
                const StarRecord& r = star[k];
                const bool clampedAge = k % 5 == 1, clampedZ = k % 7 == 2;
                if (rubix && (clampedAge || clampedZ)) continue;
                const std::size_t i = r.source, ia = std::size_t(r.corner) % 4, iz = std::size_t(r.corner) / 4;
                mass[i] = double(bar[k].mass);
                if (!clampedAge) logAge[i] = double(bar[k].ageFraction) / (ages[ia + 1] - ages[ia]);
                if (!clampedZ)
                    metallicity[i] = double(bar[k].zFraction) / (axis[iz + 1] - axis[iz]) /
                                     (rubix ? 1 : double(r.metallicity) * std::log(10.0));
                const Vec3d v = stars.velocity[i].to<double>() - systemic;
                const double beta = dot(sight, v) / units::c_km_s;
                const double vBar = double(bar[k].shift) / ((1 - beta * beta) * units::c_km_s);
                velocity[i] = vBar * sight.z;
                expected += {vBar, double(bar[k].shift), double(r.mass) * double(bar[k].mass), v * vBar};
            }
            const Stream s;
            const auto dStar = onDevice(s, star);
            const auto dBar = onDevice(s, bar);
            const auto dVelocity = onDevice(s, stars.velocity);
            const auto dAge = onDevice(s, age.slope), dZ = onDevice(s, z.slope);
            std::vector<float> massBar, logAgeBar, metallicityBar;
            std::vector<Vec3f> velocityBar;
            const auto parts = underSeeds([&] {
                DeviceBuffer<float> m(n + others, s), a(n + others, s), zBar(n + others, s);
                DeviceBuffer<Vec3f> v(n + others, s);
                for (auto* b : {&m, &a, &zBar}) b->zero();
                v.zero();
                DeviceBuffer<SightSums> partial(gpu::starInputBlocks(n), s);
                gpu::StarInputsArgs args;
                args.star = dStar.view();
                args.bar = dBar.view();
                args.velocity = dVelocity.view();
                args.systemicVelocity = systemic;
                args.lineOfSight = sight;
                args.slopes = {4, rubix, age.at(nullptr), z.at(nullptr)};
                args.age = dAge.view();
                args.z = dZ.view();
                args.massBar = m.view();
                args.logAgeBar = a.view();
                args.metallicityBar = zBar.view();
                args.velocityBar = v.view();
                args.partial = partial.view();
                gpu::starInputs(s, args);
                massBar = onHost(s, m);
                logAgeBar = onHost(s, a);
                metallicityBar = onHost(s, zBar);
                velocityBar = onHost(s, v);
                return onHost(s, partial);
            });
            SightSums sum;
            for (const SightSums& p : parts) sum += p;
            CHECK(sum.velocity == Approx(expected.velocity).epsilon(1e-12));
            CHECK(sum.shift == Approx(expected.shift).epsilon(1e-12));
            CHECK(sum.light == Approx(expected.light).epsilon(1e-12));
            for (int k = 0; k < 3; ++k) CHECK(sum.lineOfSight[k] == Approx(expected.lineOfSight[k]).epsilon(1e-10));
            std::vector<float> vz;
            for (const Vec3f& v : velocityBar) vz.push_back(v.z);
            CHECK(worst(massBar, mass) < 1e-6);
            CHECK(worst(logAgeBar, logAge) < 1e-6);
            CHECK(worst(metallicityBar, metallicity) < 1e-6);
            CHECK(worst(vz, velocity) < 1e-6);
        }
}
