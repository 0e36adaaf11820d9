// Checks of the configuration's values against each other.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "config/validate.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"

namespace tessera {

using nlohmann::json;

namespace {

void checkTelescope(const Telescope& t) {
    const double side = t.fov / t.spaxel;
    if (!(side >= 0.5))
        throw ConfigError(
            fmt::format("telescope.spaxel: {:g} arcsec does not fit into telescope.fov of {:g} arcsec; "
                        "allowed: at most twice the field, so that round(fov / spaxel) is 1 or more",
                        t.spaxel, t.fov));
    const double min = t.wavelengthMin, max = t.wavelengthMax, step = t.wavelengthStep;
    if (!(min < max))
        throw ConfigError(fmt::format("telescope.wavelength: min {:g} is not below max {:g} Angstrom", min, max));
    const double range = t.log ? std::log10(max / min) : max - min;
    if (!(step <= range))
        throw ConfigError(
            fmt::format("telescope.wavelength: a step of {:g} {} is larger than the range of {:g} from {:g} to "
                        "{:g} Angstrom",
                        step, t.log ? "dex" : "Angstrom", range, min, max));
    constexpr double mostVoxels = 1e12;
    const double voxels = side * side * range / step;
    if (!(voxels <= mostVoxels) || !(side <= 1e6) || !(range / step <= 1e9))
        throw ConfigError(
            fmt::format("telescope: a cube of {:.4g} x {:.4g} spaxels x {:.4g} wavelengths = {:.3g} voxels; "
                        "allowed: at most 1e12. Check telescope.fov ({:g}), telescope.spaxel ({:g}) and "
                        "telescope.wavelength ([{:g}, {:g}, {:g}])",
                        side, side, range / step, voxels, t.fov, t.spaxel, min, max, step));
}

// Keys that were given but play no part in what the others say.
void checkUnused(const char* sectionKey, const void* instance, const json& given, const std::string& because) {
    const parameters::Section& section = *parameters::findSection(sectionKey);
    for (const parameters::Parameter& p : section.parameters)
        if (p.applies && !p.applies(instance) && given.contains(p.key))
            throw ConfigError(
                fmt::format("{}.{}: plays no part beside the other keys given: {}", sectionKey, p.key, because));
}

void checkPsf(const PsfConfig& p, const Telescope& t, const json& given) {
    if (p.sigmaSpaxels > 0 || p.size > 0) {
        if (p.kind != PsfKind::gaussian) throw ConfigError("psf.sigma_spaxels: belongs to psf.kind \"gaussian\" alone");
        if (!(p.sigmaSpaxels > 0)) throw ConfigError("psf.sigma_spaxels: missing; psf.size needs it (> 0)");
        if (p.size < 1) throw ConfigError("psf.size: missing; psf.sigma_spaxels needs it (1 or more)");
    }
    checkUnused("psf", &p, given,
                "the forms are fwhm (gaussian, moffat with beta, double-gaussian), sigma_spaxels with size (gaussian), "
                "and path (fits)");
    if (p.sigmaSpaxels > 0) return;
    if (p.kind == PsfKind::fits) {
        if (p.path.empty()) throw ConfigError("psf.path: missing; psf.kind \"fits\" needs the image's path");
        return;
    }
    if (p.power != 0 && p.referenceWavelength <= 0)
        throw ConfigError("psf.fwhm_reference_wavelength: missing; psf.fwhm_power needs it (> 0)");
    if (p.power == 0) {
        if (p.fwhm > 10 * t.fov)
            throw ConfigError(fmt::format(
                "psf.fwhm: {:g} arcsec; allowed: at most 10 times telescope.fov ({:g} arcsec)", p.fwhm, t.fov));
        return;
    }
    for (const double wavelength : {t.wavelengthMin, t.wavelengthMax}) {
        const double fwhm = p.fwhm * std::pow(wavelength / p.referenceWavelength, p.power);
        if (!(fwhm > 0 && fwhm <= 10 * t.fov))
            throw ConfigError(
                fmt::format("psf.fwhm_power: makes the FWHM {:g} arcsec at {:g} Angstrom; allowed: above 0 and "
                            "at most 10 times telescope.fov ({:g} arcsec)",
                            fwhm, wavelength, t.fov));
    }
}

void checkLsf(const LsfConfig& l, const Telescope& t) {
    const double range = t.wavelengthMax - t.wavelengthMin;
    const auto check = [&](const char* key, double fwhm, double wavelength) {
        if (!(fwhm > 0 && fwhm < range))
            throw ConfigError(
                fmt::format("lsf.{}: a FWHM of {:g} Angstrom at {:g} Angstrom; allowed: above 0 and below the "
                            "telescope's range of {:g} Angstrom",
                            key, fwhm, wavelength, range));
    };
    if (l.fwhm) check("fwhm", *l.fwhm, t.wavelengthMin);
    if (l.sigma) check("sigma", *l.sigma * units::fwhm_per_sigma, t.wavelengthMin);
    if (l.resolution) check("resolution", t.wavelengthMax / *l.resolution, t.wavelengthMax);
    if (l.fwhmPolynomial.empty()) return;
    constexpr int samples = 1000;
    for (int i = 0; i <= samples; ++i) {
        const double wavelength = t.wavelengthMin + range * i / samples;
        double fwhm = 0;
        for (auto c = l.fwhmPolynomial.rbegin(); c != l.fwhmPolynomial.rend(); ++c) fwhm = fwhm * wavelength + *c;
        check("fwhm_polynomial", fwhm, wavelength);
    }
}

void checkCosmology(const CosmologyConfig& c, const json& given) {
    const bool custom = c.name == "custom";
    checkUnused("cosmology", &c, given, "Om0, h, w0 and wa belong to cosmology.name \"custom\" alone");
    for (const char* key : {"Om0", "h"})
        if (custom && !given.contains(key))
            throw ConfigError(fmt::format("cosmology.{}: missing; cosmology.name \"custom\" needs it", key));
    if (custom && !(c.w0 + c.wa < 0))
        throw ConfigError(
            fmt::format("cosmology.wa: w0 + wa = {:g}; allowed: below 0 (else dark energy rules the early "
                        "universe)",
                        c.w0 + c.wa));
}

void checkNoise(const NoiseConfig& n, const Config& config, const json& given) {
    if (n.exposureTime && config.output.unit != CubeUnit::flux)
        throw ConfigError("noise.exposure_time: counts photons, so output.unit must be \"flux\", not \"luminosity\"");
    checkUnused("noise", &n, given, "area, throughput, sky, read_noise and exposures belong to noise.exposure_time");
}

void checkGalaxies(const GalaxiesConfig& g, const json& keys) {
    checkUnused("galaxies", &g, keys, "depth belongs to galaxies.particles \"field\"");
    std::string given;
    for (const auto& [key, there] :
         {std::pair{"subhalos", !g.subhalos.empty()}, {"file", !g.file.empty()}, {"rows", !g.rows.empty()}}) {
        if (!there) continue;
        if (!given.empty())
            throw ConfigError(
                fmt::format("galaxies.{}: galaxies.{} names galaxies already; allowed: one of subhalos, "
                            "file and rows",
                            key, given));
        given = key;
    }
}

void checkProjection(const Config& c, const json& given) {
    checkUnused("projection", &c.projection, given, "smoothing belongs to projection.footprint \"sph\"");
    const Backend backend = c.resources.backend;
    if (c.projection.footprint != FootprintKind::nearest && (backend == Backend::simt || backend == Backend::cuda))
        throw ConfigError(
            fmt::format("projection.footprint: with resources.backend \"{}\" allowed: \"nearest\"; the backends "
                        "\"cpu\" and \"auto\" "
                        "have the others",
                        backend == Backend::simt ? "simt" : "cuda"));
}

// What RUBIX cannot do.
void checkCompat(const Config& c) {
    const auto refuse = [](const std::string& key, const std::string& what) {
        throw ConfigError(fmt::format("{}: with compat \"rubix\" {}", key, what));
    };
    if (c.telescope.log) refuse("telescope.log", "allowed: false");
    if (c.psf && c.psf->kind != PsfKind::gaussian) refuse("psf.kind", "allowed: \"gaussian\"");
    if (c.noise && c.noise->exposureTime) refuse("noise", "allowed: a signal_to_noise, or null");
    if (c.projection.footprint != FootprintKind::nearest) refuse("projection.footprint", "allowed: \"nearest\"");
    if (c.lsf && !(c.lsf->fwhm || c.lsf->sigma)) refuse("lsf", "allowed: a constant fwhm or sigma, or null");
}

void checkBackend(Backend backend) {
    bool simt = false, cuda = false;
#ifdef TESSERA_HAS_SIMT
    simt = true;
#endif
#ifdef TESSERA_HAS_CUDA
    cuda = true;
#endif
    if ((backend != Backend::simt || simt) && (backend != Backend::cuda || cuda)) return;
    throw NotCompiled(fmt::format(
        "resources.backend: \"{}\" is not in this build (compiled without it); allowed: \"auto\", \"cpu\"{}{}",
        backend == Backend::cuda ? "cuda" : "simt", simt ? ", \"simt\"" : "", cuda ? ", \"cuda\"" : ""));
}

void checkExchange(const ResourcesConfig& r) {
#if defined(TESSERA_HAS_CUDA) && !defined(TESSERA_CUDA_HAS_NCCL)
    if (r.exchange == ExchangeWay::nccl && (r.backend == Backend::cuda || r.backend == Backend::automatic))
        throw NotCompiled(
            "resources.exchange: \"nccl\" is not in this build (compiled without it); allowed: \"auto\", \"mpi\"");
#else
    (void)r;
#endif
}

}  // namespace

void checkTogether(const Config& config, const json& given) {
    const json empty = json::object();
    const auto section = [&](const char* key) -> const json& {
        return given.contains(key) && given[key].is_object() ? given[key] : empty;
    };
    checkTelescope(config.telescope);
    checkCosmology(config.cosmology, section("cosmology"));
    if (config.psf) checkPsf(*config.psf, config.telescope, section("psf"));
    if (config.lsf) checkLsf(*config.lsf, config.telescope);
    if (config.noise) checkNoise(*config.noise, config, section("noise"));
    checkGalaxies(config.galaxies, section("galaxies"));
    checkProjection(config, section("projection"));
    if (config.galaxies.centre && config.galaxies.subhalos.size() > 1)
        throw ConfigError(fmt::format("galaxies.centre: one centre for {} subhalos; allowed: with one galaxy",
                                      config.galaxies.subhalos.size()));
    checkBackend(config.resources.backend);
    checkExchange(config.resources);
    if (config.compat == Compat::rubix) checkCompat(config);
}

}  // namespace tessera
