#include "footprint.hpp"

#include <unistd.h>

#include <algorithm>

#include "device_observer.hpp"
#include "tessera/physics/cosmology.hpp"

namespace tessera {

namespace {

constexpr double process = 45e6;          // [byte] the program, MPI, HDF5
constexpr double star = 52, record = 32;  // [byte] as read; ordered by spaxel
constexpr double projected = 8;           // [byte] place and shift, until it is ordered

// Records that a star becomes: one a spaxel that its footprint lies on. Of kernels of the stars' own lengths a guess.
double piecesOf(const Setup& setup) {
    const ProjectionConfig& p = setup.config.projection;
    if (p.footprint == FootprintKind::nearest) return 1;
    if (p.footprint == FootprintKind::cloudInCell) return 4;
    constexpr double ownLength = 1;  // [kpc]
    const double spaxel = setup.config.telescope.spaxel * kpcPerArcsec(setup.cosmology, setup.config.views[0].redshift);
    return units::pi * sq(p.smoothing.value_or(ownLength) / spaxel + 1);
}

// Spectra of the lit spaxels, in blocks of wavelengths: see blockBytes() in make_cube.cpp.
double spectraBytes(const RunPlan& plan, const Setup& setup, double stars) {
    const CubeVolume v = setup.volume();
    const double lit = std::min(stars, 1.2 * double(v.spaxels));
    const double block = plan.config.resources.memoryPerRank > 0 ? 0.25 * double(plan.config.resources.memoryPerRank)
                                                                 : 134e6 + std::min(8 * stars, 134e6);
    return std::min(block, lit * 4 * double(v.wavelengths + 64));
}

}  // namespace

Footprint footprint(const RunPlan& plan, std::span<const Share> shares, bool overlap) {
    Footprint f;
    f.fixed = process;
    if (!plan.setups.empty()) f.fixed += 2.0 * double(plan.setups.front().library->flux.size()) * sizeof(double);
    double spectra = 0, records = 0, cube = 0, pieces = 1;  // memory that is kept
    const bool device = deviceIsUsed(plan.config.resources.backend);
    std::size_t cubes = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const Share& s = shares[i];
        const std::uint64_t all = plan.rowsOf(s.galaxy);
        const auto rows = double(s.rows.count);
        for (const Observation& o : plan.observationsOf(s.galaxy)) {
            spectra = std::max(spectra, spectraBytes(plan, plan.setupOf(o), double(all)));
            pieces = std::max(pieces, piecesOf(plan.setupOf(o)));
            if (s.rows.first == 0) {
                cube = std::max(cube, plan.setupOf(o).cubeBytes());
                ++cubes;
            }
        }
        // Shared galaxies have the records they send and those they get; else what was projected goes before spectra.
        const double recordRows = pieces * rows;
        const double before =
            star * rows + std::max(records, (s.alone() ? 1 : 3) * record * recordRows) + projected * recordRows;
        records = std::max(records, (s.alone() ? 1 : 2) * record * recordRows);
        const double ahead = overlap && i + 1 < shares.size() ? star * double(shares[i + 1].rows.count) : 0;
        // The first galaxy's stars are gone before its spectra are asked for, unless other views follow or a device has them;
        // what it leaves is there while the next one's are read.
        const bool gone = i == 0 && plan.observationsOf(s.galaxy).size() == 1 && !device;
        const double kept = records + spectra + cube;
        const double now = gone ? std::max(before, kept) : std::max(before + cube, star * rows + kept);
        f.galaxy = std::max(f.galaxy, now + ahead);
    }
    if (overlap && cubes > 1) f.ahead = cube;
    return f;
}

Footprint footprint(const RunPlan& plan, bool overlap) {
    std::vector<Share> all;
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) all.push_back({g, {0, plan.rowsOf(g)}, 0, 0});
    return footprint(plan, all, overlap);
}

double nodeMemory() {
    return double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGESIZE));
}

bool mayOverlap(const RunPlan& plan, int ranksOnNode) {
    const std::uint64_t given = plan.config.resources.memoryPerRank;
    const double allowed = given > 0 ? double(given) : 0.5 * nodeMemory() / ranksOnNode;
    return footprint(plan, true).total() <= allowed;
}

}  // namespace tessera
