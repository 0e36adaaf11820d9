#include "tessera/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "stages/blocks.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/instrument_files.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/project.hpp"
#include "tessera/stages.hpp"

namespace tessera {

namespace {

// Runs a stage under its timer.
template <class Stage>
auto timed(const char* name, Stage stage) {
    const StageTimer timer(name);
    return stage();
}

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::vector<std::uint8_t> apertureMask(const Telescope& t, std::size_t n) {
    std::vector<std::uint8_t> mask(n * n);
    for (std::size_t iy = 0; iy < n; ++iy)
        for (std::size_t ix = 0; ix < n; ++ix) {
            const double x = (double(ix) + 0.5 - 0.5 * double(n)) * t.spaxel;
            const double y = (double(iy) + 0.5 - 0.5 * double(n)) * t.spaxel;
            mask[iy * n + ix] = insideAperture(t.aperture, x, y, t.fov);
        }
    return mask;
}

// Stars in the padding are left out.
void cropToField(Projected& p, std::size_t n, std::size_t pad) {
    const std::size_t side = n + 2 * pad;
    for (std::size_t i = 0; i < p.spaxel.size(); ++i) {
        if (p.spaxel[i] == outsideField) continue;
        const std::size_t x = p.spaxel[i] % side, y = p.spaxel[i] / side;
        if (x >= pad && x < pad + n && y >= pad && y < pad + n) continue;
        p.spaxel[i] = outsideField;
        --p.inside;
    }
}

bool anyInMask(const Projected& p, std::span<const std::uint8_t> mask, std::size_t n, std::size_t pad) {
    const std::size_t side = n + 2 * pad;
    for (const std::uint32_t s : p.spaxel) {
        if (s == outsideField) continue;
        const std::size_t x = s % side - pad, y = s / side - pad;  // wraps to a huge number left of the field
        if (x < n && y < n && mask[y * n + x]) return true;
    }
    return false;
}

// The instrument as the stages need it for one view.
struct Instrument {
    WavelengthGrid grid;
    Psf psf;
    Lsf lsf;
    std::size_t pad = 0;    // spaxels on each side of the field
    std::size_t wings = 0;  // pixels on each side of the wavelength range
    bool hasPsf = false, hasLsf = false;
};

Instrument instrumentOf(const Config& c, const InstrumentTables& tables, const SspLibrary& library, double redshift) {
    Instrument i;
    i.grid = c.telescope.wavelengths();
    if (c.psf) {
        i.hasPsf = true;
        i.psf = makePsf(*c.psf, tables.psfImage ? &*tables.psfImage : nullptr, i.grid, c.telescope.spaxel);
        if (c.compat == Compat::rubix) i.psf.padded = false;
        i.pad = i.psf.radius;
    }
    if (c.lsf) {
        i.hasLsf = true;
        i.lsf = c.compat == Compat::rubix
                    ? makeRubixLsf(c.lsf->sigma ? *c.lsf->sigma : *c.lsf->fwhm / units::fwhm_per_sigma, i.grid.step)
                    : makeLsf(*c.lsf, tables.lineWidths ? &*tables.lineWidths : nullptr, i.grid, library, redshift);
        i.wings = i.lsf.radius;
    }
    return i;
}

// Wavelength pixels that are worked on at once: as many as the budget holds of the padded field.
std::size_t blockPixels(const Instrument& i, std::size_t side, std::uint64_t memoryPerRank) {
    const std::uint64_t budget =
        memoryPerRank > 0 ? memoryPerRank / 4 : std::uint64_t(64) << 20;  // stays near the caches
    const std::uint64_t perPixel = std::uint64_t(side) * side * sizeof(float);
    const std::uint64_t fits = budget / perPixel;
    const std::uint64_t least = 64;
    if (fits >= i.grid.size + 2 * i.wings) return i.grid.size;
    return std::size_t(std::min<std::uint64_t>(std::max(fits, least + 2 * i.wings) - 2 * i.wings, i.grid.size));
}

void computeCube(Host exec, const Config& c, const Instrument& instrument, const BinnedStars& binned,
                 const KnotTable& table, const SspLibrary& library, double redshift, double scale, Cube& flux) {
    const std::size_t n = flux.nx, pad = instrument.pad, side = n + 2 * pad, wings = instrument.wings;
    const bool rubix = c.compat == Compat::rubix;
    // RUBIX's rescaling needs whole spectra.
    const std::size_t block = rubix ? flux.nLambda : blockPixels(instrument, side, c.resources.memoryPerRank);
    const std::size_t stride = (block + 2 * wings + 15) / 16 * 16;
    Buffer<float> work(side * side * stride + 32);
    std::fill(work.end() - 32, work.end(), 0.0F);

    for (std::size_t first = 0; first < flux.nLambda; first += block) {
        const std::size_t count = std::min(block, flux.nLambda - first);
        const std::ptrdiff_t from = std::ptrdiff_t(first) - std::ptrdiff_t(wings);
        if (rubix) {
            const StageTimer timer("accumulate");
            // Zero border in wavelength, as RUBIX has it.
            std::fill(work.begin(), work.end(), 0.0F);
            accumulateRubix(exec, binned, library, redshift, instrument.grid, work.data() + wings, stride);
        } else {
            const StageTimer timer("accumulate");
            accumulate(exec, binned, table, instrument.grid.window(from, count + 2 * wings), scale, work.data(),
                       stride);
        }
        if (instrument.hasPsf) {
            const StageTimer timer("psf");
            convolvePsf(exec, instrument.psf, n, pad, count + 2 * wings, from, work.data(), stride);
        }
        const StageTimer timer("lsf");
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t s = 0; s < n * n; ++s) {
            const float* in = work.data() + ((s / n + pad) * side + s % n + pad) * stride;
            float* out = flux.spectrum(s) + first;
            if (instrument.hasLsf)
                convolveLsf(instrument.lsf, flux.nLambda, first, count, in, out);
            else
                std::memcpy(out, in, count * sizeof(float));
        }
    }
}

// NaN outside the aperture and where the library does not reach.
void blank(Host exec, std::span<const std::uint8_t> mask, std::span<const std::uint8_t> covered, Cube& cube) {
    const bool whole = std::find(covered.begin(), covered.end(), 0) == covered.end();
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < cube.spaxels(); ++s) {
        if (mask[s] && whole) continue;
        float* spectrum = cube.spectrum(s);
        for (std::size_t j = 0; j < cube.nLambda; ++j)
            if (!mask[s] || !covered[j]) spectrum[j] = nan;
    }
}

Map fluxMap(Host exec, const Cube& cube, const WavelengthGrid& grid, bool luminosity) {
    Map m{"flux", luminosity ? "Lsun" : "1e-20 erg s-1 cm-2", std::vector<float>(cube.spaxels(), nan)};
    std::vector<double> width(grid.size);
    for (std::size_t j = 0; j < grid.size; ++j) width[j] = grid.width(j);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < cube.spaxels(); ++s) {
        double sum = 0;
        bool lit = false;
        for (std::size_t j = 0; j < grid.size; ++j)
            if (const float v = cube.spectrum(s)[j]; !std::isnan(v)) {
                sum += double(v) * width[j];
                lit = true;
            }
        if (lit) m.data[s] = float(sum);
    }
    return m;
}

}  // namespace

InstrumentTables loadInstrumentTables(const Config& c) {
    InstrumentTables t;
    if (c.psf && c.psf->kind == PsfKind::fits) t.psfImage = readPsfImage(c.psf->path);
    if (c.lsf && !c.lsf->table.empty()) t.lineWidths = readLineWidths(c.lsf->table);
    return t;
}

Cosmology cosmologyOf(const CosmologyConfig& c, const SnapshotInfo& info) {
    if (c.name == "Planck15") return planck15();
    if (c.name == "Planck18") return planck18();
    if (c.name == "TNG") return illustrisTng();
    if (c.name == "custom") return {c.h, c.Om0, 1 - c.Om0, c.w0, c.wa};
    if (c.name != "snapshot") throw ConfigError("cosmology.name \"" + c.name + "\" is not known");
    if (!info.hasCosmology)
        throw Error(info.path + ": the snapshot names no cosmology (cosmology.name \"snapshot\"): give one by name");
    return {info.h, info.omegaM, info.omegaL, -1, 0};
}

std::vector<std::uint8_t> coveredPixels(const WavelengthGrid& grid, const SspLibrary& library, double redshift,
                                        Outside outside) {
    const double low = library.wavelength.front() * (1 + redshift), high = library.wavelength.back() * (1 + redshift);
    const double tolerance = 1e-3;  // media differ by 3e-4
    std::vector<std::uint8_t> covered(grid.size);
    bool all = true;
    for (std::size_t j = 0; j < grid.size; ++j) {
        covered[j] =
            grid.edge(double(j)) >= low * (1 - tolerance) && grid.edge(double(j) + 1) <= high * (1 + tolerance);
        all = all && covered[j];
    }
    if (!all && outside == Outside::error)
        throw Error(
            fmt::format("SSP library {} covers {:.1f} to {:.1f} Angstrom, but at redshift {} the telescope sees "
                        "{:.1f} to {:.1f} Angstrom of the rest frame; choose another library, redshift or "
                        "telescope.wavelength, or set spectra.outside to \"nan\"",
                        library.name, library.wavelength.front(), library.wavelength.back(), redshift,
                        grid.edge(0) / (1 + redshift), grid.edge(double(grid.size)) / (1 + redshift)));
    return covered;
}

GalaxyCube observe(Host exec, const Stars& stars, const GalaxyInput& input, const Config& c, std::size_t viewIndex,
                   const SspLibrary& library, const Cosmology& cosmology, const InstrumentTables& tables) {
    const auto begin = std::chrono::steady_clock::now();
    const ViewConfig& view = c.views.at(viewIndex);
    const bool rubix = c.compat == Compat::rubix, luminosity = rubix || c.output.unit == CubeUnit::luminosity;
    const double z = view.redshift;

    GalaxyCube g;
    g.report.subhalo = input.subhalo.id;
    g.report.view = narrow<int>(viewIndex);
    g.report.redshift = z;
    g.report.luminosityDistanceMpc = luminosityDistanceMpc(cosmology, z);
    g.report.angularDistanceMpc =
        rubix ? rubixComovingDistanceMpc(cosmology, z) / (1 + z) : angularDistanceMpc(cosmology, z);
    g.report.kpcPerArcsec = g.report.angularDistanceMpc * 1e3 * units::arcsec_rad;
    g.report.spaxelArcsec = c.telescope.spaxel;
    g.report.nStars = stars.size();
    g.report.nWind = stars.windRows.size();
    g.wavelength = c.telescope.wavelengths();
    g.grid = {c.telescope.spaxels(), c.telescope.spaxel, c.telescope.spaxel * g.report.kpcPerArcsec};
    // RUBIX lays its spaxels over fov * kpc per arcsec, whatever their number.
    if (rubix) g.grid.spaxelKpc = c.telescope.fov * g.report.kpcPerArcsec / double(g.grid.n);
    g.unit = luminosity ? "Lsun Angstrom-1" : "1e-20 erg s-1 cm-2 Angstrom-1";

    const std::size_t n = g.grid.n;
    const auto covered = coveredPixels(g.wavelength, library, z, c.spectra.outside);
    const auto mask = apertureMask(c.telescope, n);
    const Instrument instrument = timed("instrument", [&] { return instrumentOf(c, tables, library, z); });

    const GalaxyFrame f =
        timed("frame", [&] { return frame(exec, stars, input.subhalo, input.centre, input.boxSize, view); });
    g.report.rotation = f.rotation;
    g.report.centre = f.centre;
    g.report.systemicVelocity = f.velocity;

    const SpaxelGrid padded = g.grid.padded(instrument.pad);
    const Doppler doppler = rubix ? Doppler::exponential : c.spectra.doppler;
    Projected projected = timed("project", [&] { return project(exec, stars, f, input.boxSize, padded, doppler); });
    if (instrument.hasPsf && !instrument.psf.padded) cropToField(projected, n, instrument.pad);
    if (!anyInMask(projected, mask, n, instrument.pad))
        throw EmptyField(
            fmt::format("subhalo {}: none of its {} stars lies in the field of view ({} arcsec = {:.3g} kpc at "
                        "redshift {})",
                        input.subhalo.id, stars.size(), c.telescope.fov, c.telescope.fov * g.report.kpcPerArcsec, z));

    const WavelengthGrid extended =
        g.wavelength.window(-std::ptrdiff_t(instrument.wings), g.wavelength.size + 2 * instrument.wings);
    KnotTable table =
        knots(library, z, c.telescope.medium, extended, projected.shiftMin, projected.shiftMax, c.spectra.accuracy);
    if (rubix) {
        table.rubix = true;
        table.zAxis = library.metallicity;
    }
    const BinnedStars binned =
        timed("bin", [&] { return bin(exec, stars, std::move(projected), padded.n * padded.n, table); });

    const double scale = luminosity ? 1 : fluxPerLuminosity(z, g.report.luminosityDistanceMpc);
    g.flux = Cube(n, n, g.wavelength.size);
    computeCube(exec, c, instrument, binned, table, library, z, scale, g.flux);
    blank(exec, mask, covered, g.flux);

    MapResult m =
        timed("maps", [&] { return maps(exec, binned, table, doppler, z, g.wavelength, n, instrument.pad, mask); });
    g.maps = std::move(m.maps);
    g.maps.push_back(timed("flux map", [&] { return fluxMap(exec, g.flux, g.wavelength, luminosity); }));
    g.report.nStarsInField = m.stars;
    g.report.massInField = m.mass;
    g.report.luminosityInBand = m.luminosity;
    g.report.nClampedAge = m.clampedAge;
    g.report.nClampedMetallicity = m.clampedMetallicity;
    g.report.massClamped = m.clampedMass;

    if (c.noise) {
        const StageTimer timer("noise");
        addNoise(exec, *c.noise, g.wavelength, g.grid, input.subhalo.id, std::uint32_t(viewIndex), g.flux, g.variance);
    }
    g.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return g;
}

}  // namespace tessera
