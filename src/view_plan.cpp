#include "view_plan.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "coefficients.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/project.hpp"

namespace tessera {

namespace {

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

Optics opticsOf(const Config& c, const InstrumentTables& tables, const SspLibrary& library, double redshift) {
    const StageTimer timer("instrument");
    const WavelengthGrid grid = c.telescope.wavelengths();
    std::optional<Psf> psf;
    if (c.psf) {
        psf = makePsf(*c.psf, tables.psfImage ? &*tables.psfImage : nullptr, grid, c.telescope.spaxel);
        if (c.compat == Compat::rubix) psf->padded = false;
    }
    std::optional<Lsf> lsf;
    if (c.lsf)
        lsf = c.compat == Compat::rubix
                  ? makeRubixLsf(c.lsf->sigma ? *c.lsf->sigma : *c.lsf->fwhm / units::fwhm_per_sigma, grid.step)
                  : makeLsf(*c.lsf, tables.lineWidths ? &*tables.lineWidths : nullptr, grid, library, redshift);
    return Optics(std::move(psf), std::move(lsf), c.telescope.spaxels(), grid);
}

double viewDistanceMpc(const Config& c, const Cosmology& cosmology, double z) {
    if (c.compat == Compat::rubix) return rubixComovingDistanceMpc(cosmology, z) / (1 + z);
    return angularDistanceMpc(cosmology, z);
}

// Ranges of shifts are widened to whole multiples of this, so that galaxies share tables of knots: about 290 km/s. A
// power of two, exact in floats.
constexpr float shiftQuantum = 0x1p-10F;

// Galaxies of so many stars in the field have their dense spaxels summed in coefficients; for smaller ones finding out
// about them costs more than it gains.
constexpr std::uint64_t coefficientsFrom = 1'000'000;

}  // namespace

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

TableKey tableKeyOf(float shiftMin, float shiftMax, std::uint64_t starsInside) {
    return {std::floor(shiftMin / shiftQuantum) * shiftQuantum, std::ceil(shiftMax / shiftQuantum) * shiftQuantum,
            starsInside >= coefficientsFrom};
}

double kpcPerArcsecOf(const Config& c, const Cosmology& cosmology, double z) {
    return viewDistanceMpc(c, cosmology, z) * 1e3 * units::arcsec_rad;
}

SpaxelGrid fieldGrid(const Config& c, double kpcPerArcsec) {
    SpaxelGrid grid{c.telescope.spaxels(), c.telescope.spaxel, c.telescope.spaxel * kpcPerArcsec};
    // RUBIX lays its spaxels over fov * kpc per arcsec, whatever their number.
    if (c.compat == Compat::rubix) grid.spaxelKpc = c.telescope.fov * kpcPerArcsec / double(grid.n);
    return grid;
}

ViewPlan planView(const Config& c, const SspLibrary& library, const Cosmology& cosmology,
                  const InstrumentTables& tables, double z) {
    const bool rubix = c.compat == Compat::rubix;
    ViewPlan v;
    GalaxyReport& r = v.report;
    r.redshift = z;
    r.luminosityDistanceMpc = luminosityDistanceMpc(cosmology, z);
    r.angularDistanceMpc = viewDistanceMpc(c, cosmology, z);
    r.kpcPerArcsec = kpcPerArcsecOf(c, cosmology, z);
    r.spaxelArcsec = c.telescope.spaxel;
    v.grid = fieldGrid(c, r.kpcPerArcsec);
    const WavelengthGrid grid = c.telescope.wavelengths();
    const bool luminosity = rubix || c.output.unit == CubeUnit::luminosity;
    v.plan = CubePlan(opticsOf(c, tables, library, z), apertureMask(c.telescope, v.grid.n),
                      coveredPixels(grid, library, z, c.spectra.outside));
    v.plan.scale = luminosity ? 1 : fluxPerLuminosity(z, r.luminosityDistanceMpc);
    v.plan.fluxUnit = luminosity ? "Lsun" : "1e-20 erg s-1 cm-2";
    return v;
}

KnotTable makeKnots(Host exec, const Config& config, const SspLibrary& library, const ViewPlan& v,
                    const TableKey& key) {
    const Optics& o = v.plan.optics;
    const WavelengthGrid extended = o.grid().window(-std::ptrdiff_t(o.wings()), o.grid().size + 2 * o.wings());
    const auto [shiftMin, shiftMax, large] = key;
    KnotTable t = [&, low = shiftMin, high = shiftMax] {
        const StageTimer timer("knots");
        return knots(library, v.report.redshift, config.telescope.medium, extended, low, high, config.spectra.accuracy);
    }();
    if (config.compat == Compat::rubix) {
        t.rubix = true;
        t.zAxis = library.metallicity;
    } else if (large) {
        useCoefficients(exec, config, library, v.report.redshift, extended, o.lsf() ? &*o.lsf() : nullptr, t);
    }
    return t;
}

}  // namespace tessera
