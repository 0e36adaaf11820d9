// The dull oracle's adjoint against its own tangent and against central differences, for the whole chain of stages.
#include "adjoint_scene.hpp"
#include "gradcheck.hpp"

using namespace tessera;
using namespace tessera::test;

namespace {

void check(const SceneOptions& o, std::uint64_t seed) {
    AdjointScene s = makeScene(o);
    const Stars stars = sceneStars(6, seed);
    const std::vector<double> x = sceneInputs(s, stars);
    std::vector<double> steps(x.size(), 0.0);
    for (std::size_t i = 0; i < s.stars(); ++i) {
        steps[s.star(i, 0)] = 1e-3 * x[s.star(i, 0)];
        steps[s.star(i, 1)] = 1e-4;
        steps[s.star(i, 2)] = 1e-4 * x[s.star(i, 2)];
        for (std::size_t k = 3; k < 6; ++k) steps[s.star(i, k)] = 0.1;
        if (o.footprint == FootprintKind::nearest) continue;
        for (std::size_t k = 6; k < 9; ++k) steps[s.star(i, k)] = 1e-4;
        if (o.footprint == FootprintKind::sph) steps[s.star(i, 9)] = 1e-4;
    }
    if (o.footprint != FootprintKind::nearest)
        for (std::size_t k = 0; k < 3; ++k) steps[s.global(AdjointScene::centre + k)] = 1e-4;
    for (std::size_t k = 0; k < 3; ++k) steps[s.global(k)] = 0.1;
    steps[s.global(AdjointScene::redshiftShift)] = 1e-6;
    steps[s.global(AdjointScene::redshiftDistance)] = 1e-4;
    for (const auto k : {AdjointScene::inclination, AdjointScene::positionAngle, AdjointScene::twist})
        steps[s.global(k)] = 1e-3;
    if (o.psf) steps[s.global(AdjointScene::psfFwhm)] = 1e-3;
    if (o.psf == PsfKind::moffat) steps[s.global(AdjointScene::psfBeta)] = 1e-3;
    for (std::size_t k = 0; k < s.lsfSize(); ++k) steps[s.lsf(k)] = 1e-4 * std::fabs(x[s.lsf(k)]);
    for (const std::size_t m : {3UL, 5UL}) steps[s.spectrum(5, m)] = 1e-3 * x[s.spectrum(5, m)];
    checkAdjoint(
        [&](const auto& in) { return oracleObserve(s, in); },
        [&](const std::vector<double>& in, const std::vector<double>& bar) { return oracleAdjoint(s, in, bar); }, x,
        steps, seed);
}

}  // namespace

TEST_CASE("the oracle's adjoint is its tangent's transpose", "[adjoint]") {
    using Lsf = SceneOptions::Lsf;
    SceneOptions o;
    check(o, 1);
    o.log = true;
    o.lsf = Lsf::resolution;
    o.psf = PsfKind::doubleGaussian;
    check(o, 2);
    o.log = false;
    o.lsf = Lsf::polynomial;
    o.psf = PsfKind::moffat;
    o.doppler = Doppler::classical;
    o.pixels = 20;
    check(o, 3);
    o.psf.reset();
    o.lsf = Lsf::sigma;
    o.libraryResolution = true;
    o.doppler = Doppler::exponential;
    o.unit = CubeUnit::luminosity;
    check(o, 4);
    o.lsf = Lsf::none;
    o.libraryStep = 0.9;
    check(o, 5);
}

TEST_CASE("the oracle's adjoint with footprints is its tangent's transpose", "[adjoint]") {
    SceneOptions o;
    o.pixels = 20;
    o.footprint = FootprintKind::cloudInCell;
    check(o, 6);
    o.footprint = FootprintKind::sph;
    check(o, 7);
    o.unit = CubeUnit::luminosity;  // the distance acts through the kpc of a spaxel alone
    o.psf.reset();
    check(o, 8);
}
