#include "config/parameters.hpp"

#include <fmt/format.h>

#include <utility>

#include "config/builders.hpp"

namespace tessera::parameters {

namespace {

const std::vector<std::pair<FaceOnFrom, std::string>> faceOnNames{{FaceOnFrom::angularMomentum, "angular-momentum"},
                                                                  {FaceOnFrom::inertia, "inertia"}};
const std::vector<std::pair<SystemicVelocity, std::string>> systemicNames{{SystemicVelocity::subhalo, "subhalo"},
                                                                          {SystemicVelocity::mean, "mean"},
                                                                          {SystemicVelocity::median, "median"},
                                                                          {SystemicVelocity::none, "none"}};
const std::vector<std::pair<Aperture, std::string>> apertureNames{
    {Aperture::square, "square"}, {Aperture::circle, "circle"}, {Aperture::hexagon, "hexagon"}};
const std::vector<std::pair<FootprintKind, std::string>> footprintNames{
    {FootprintKind::nearest, "nearest"}, {FootprintKind::cloudInCell, "cic"}, {FootprintKind::sph, "sph"}};
const std::vector<std::pair<Doppler, std::string>> dopplerNames{
    {Doppler::relativistic, "relativistic"}, {Doppler::classical, "classical"}, {Doppler::exponential, "exponential"}};
const std::vector<std::pair<Outside, std::string>> outsideNames{{Outside::error, "error"}, {Outside::nan, "nan"}};
const std::vector<std::pair<PsfKind, std::string>> psfNames{{PsfKind::gaussian, "gaussian"},
                                                            {PsfKind::moffat, "moffat"},
                                                            {PsfKind::doubleGaussian, "double-gaussian"},
                                                            {PsfKind::fits, "fits"}};
const std::vector<std::pair<PsfBorder, std::string>> borderNames{{PsfBorder::padded, "padded"},
                                                                 {PsfBorder::zero, "zero"}};
const std::vector<std::pair<CubeUnit, std::string>> unitNames{{CubeUnit::flux, "flux"},
                                                              {CubeUnit::luminosity, "luminosity"}};
const std::vector<std::pair<OutputLayout, std::string>> layoutNames{
    {OutputLayout::single, "single"}, {OutputLayout::parts, "parts"}, {OutputLayout::galaxies, "galaxies"}};
const std::vector<std::pair<Assembly, std::string>> assemblyNames{
    {Assembly::automatic, "auto"}, {Assembly::copy, "copy"}, {Assembly::collective, "collective"}};
const std::vector<std::pair<Compat, std::string>> compatNames{{Compat::none, "none"}, {Compat::rubix, "rubix"}};
const std::vector<std::pair<Backend, std::string>> backendNames{
    {Backend::automatic, "auto"}, {Backend::cpu, "cpu"}, {Backend::simt, "simt"}, {Backend::cuda, "cuda"}};
const std::vector<std::pair<ExchangeWay, std::string>> exchangeNames{
    {ExchangeWay::automatic, "auto"}, {ExchangeWay::nccl, "nccl"}, {ExchangeWay::mpi, "mpi"}};

Section snapshotSection() {
    using S = SnapshotConfig;
    Section s = ofMember("snapshot", "What is observed: a snapshot of a simulation, or a file of one galaxy.",
                         &Config::snapshot);
    s.required = true;
    s.parameters = {
        needed(text("path", &S::path,
                    "base directory of a tng tree (with snapdir_NNN and groups_NNN), or the HDF5 file of one galaxy")),
        words("format", &S::format, {"auto", "tng", "tng-cutout", "rubix"},
              "layout of the input; auto decides by what the path is and holds"),
        integer("number", &S::number, {-1, 99999}, "",
                "snapshot number of a tng base directory; -1: the highest there"),
    };
    return s;
}

Section galaxiesSection() {
    using S = GalaxiesConfig;
    Section s = ofMember("galaxies", "Which galaxies of the snapshot.", &Config::galaxies);
    s.parameters = {
        ids("subhalos", &S::subhalos,
            "ids of the subhalos and ranges of ids, each id once: [0, 3, \"10-19\"] or \"0,3,10-19\"; not given: all "
            "that "
            "pass the cuts"),
        optionalText(
            "file", &S::file,
            "instead of subhalos: a text file of ids, one a line, or a table (.csv, .ecsv, .hdf5) with a column "
            "subhalo"),
        optionalText(
            "rows", &S::rows,
            "instead of subhalos: a table (.csv, .ecsv, .hdf5) with a column subhalo and columns named after keys "
            "of the configuration; each row is a cube of its own"),
        integer("min_stars", &S::minStars, {0, 1e15}, "",
                "a subhalo with fewer star particles is skipped, and the catalogue says so"),
        interval("stellar_mass", &S::stellarMass, {0, 1e30}, "Msun",
                 "[min, max] of the current mass of the subhalo's stars (SubhaloMassType[4]); null: no bound"),
        interval("star_formation_rate", &S::sfr, {0, 1e30}, "Msun/yr", "[min, max] of SubhaloSFR; null: no bound"),
        interval("half_mass_radius", &S::halfMassRadius, {0, 1e30}, "kpc",
                 "[min, max] of the stars' half-mass radius (SubhaloHalfmassRadType[4]); null: no bound"),
        boolean("centrals", &S::centrals, "only the central subhalo of each FoF group (GroupFirstSub)"),
        words(
            "particles", &S::particles, {"subhalo", "group", "field"},
            "which stars are observed: those of the subhalo; or all of its FoF group, satellites and intra-halo light "
            "included; or all of the snapshot that lie in the field of view and in depth"),
        number("depth", &S::depth, {0, 1e9, true}, "kpc",
               "of particles field: the stars within half of it before and behind the galaxy's centre, physical"),
        optionalVector(
            "centre", &S::centre, "the file's own length unit",
            "centre of the galaxy; not given: the catalogue's position, else the densest point of the stars"),
    };
    for (Parameter& p : s.parameters)
        if (p.key == "depth") appliesWhen<S>(p, [](const S& g) { return g.particles == "field"; });
    return s;
}

Section viewSection() {
    using S = ViewConfig;
    Section s;
    s.key = "view";
    s.doc = "How a galaxy is seen. A list of views is observed from one reading of the particles.";
    s.list = true;
    s.make = [](Config& c, std::size_t i) -> void* {
        if (c.views.size() <= i) c.views.resize(i + 1);
        return &c.views[i];
    };
    s.instances = [](const Config& c) {
        std::vector<const void*> all;
        for (const ViewConfig& v : c.views) all.push_back(&v);
        return all;
    };
    s.defaultOf = [](const Parameter& p) {
        const ViewConfig v;
        return p.get(&v);
    };
    s.parameters = {
        number("redshift", &S::redshift, {1e-6, 20}, "", "observed redshift; sets distance, angular scale and shift"),
        orientation(
            "orientation",
            "none (the box's axes), face-on, edge-on, or one of {\"euler_deg\": [alpha, beta, gamma]} (row "
            "vectors, x' = x Rz(gamma) Ry(beta) Rx(alpha)), {\"matrix\": [[...], [...], [...]]} (row vectors, x' "
            "= x M, a proper rotation), {\"line_of_sight\": [x, y, z]} (from the observer, box frame)"),
        choice("face_on_from", &S::faceOnFrom, faceOnNames,
               "what face-on and edge-on refer to: the stars' angular momentum or their inertia tensor"),
        number("orientation_radius", &S::orientationRadius, {0, 1e6}, "kpc",
               "the stars within it define face-on and edge-on; 0: twice the stellar half-mass radius"),
        number("inclination", &S::inclination, {-360, 360}, "deg",
               "turn about the sky's x axis, after the orientation's frame"),
        number("position_angle", &S::positionAngle, {-360, 360}, "deg",
               "turn about the line of sight, after the inclination"),
        number("twist", &S::twist, {-360, 360}, "deg", "turn about the galaxy's own axis, before the inclination"),
        choice("systemic_velocity", &S::systemicVelocity, systemicNames,
               "zero point of velocities: the catalogue's, the mass-weighted mean or the median of the stars within "
               "systemic_radius, or none (as in the file)"),
        number("systemic_radius", &S::systemicRadius, {0, 1e6, true}, "kpc",
               "the stars within it give the mean or median systemic velocity"),
    };
    return s;
}

Section cosmologySection() {
    using S = CosmologyConfig;
    Section s =
        ofMember("cosmology",
                 "Distances from the observed redshift. A plain string is its name. Om0, h, w0 and wa belong to "
                 "the name custom (flat, no radiation), which needs Om0 and h.",
                 &Config::cosmology);
    s.shorthand = "name";
    s.parameters = {
        words("name", &S::name, {"Planck15", "Planck18", "TNG", "snapshot", "custom"},
              "a known cosmology; snapshot: from the header of the snapshot"),
        number("Om0", &S::Om0, {0, 1, true}, "", "matter density today in units of the critical density"),
        number("h", &S::h, {0.01, 10}, "100 km/s/Mpc", "Hubble constant"),
        number("w0", &S::w0, {-5, 1}, "", "dark energy's w today"),
        number("wa", &S::wa, {-5, 5}, "", "its change: w(a) = w0 + wa (1 - a); w0 + wa stays below 0"),
    };
    for (std::size_t i = 1; i < s.parameters.size(); ++i)
        appliesWhen<S>(s.parameters[i], [](const S& c) { return c.name == "custom"; });
    return s;
}

Section telescopeSection() {
    using S = Telescope;
    Section s = ofMember("telescope",
                         "A name of `tessera telescopes`; or a name with other values of some keys; or fov, spaxel, "
                         "aperture and wavelength, all given. A plain string is the name.",
                         &Config::telescope);
    s.required = true;
    s.shorthand = "name";
    s.parameters = {
        text("name", &S::name, "a known telescope, or a new name where all is given"),
        number("fov", &S::fov, {0, 1e6, true}, "arcsec",
               "side of the square field; diameter of a circle; corner-to-corner width of a hexagon"),
        number("spaxel", &S::spaxel, {0, 1e6, true}, "arcsec",
               "side of a spaxel; the field has round(fov / spaxel) a side"),
        choice("aperture", &S::aperture, apertureNames, "shape of the field"),
        wavelength(
            "wavelength", "Angstrom",
            "[min, max, step]: pixel centres at min + j step below max (max excluded); the step in dex where log"),
        boolean("log", &S::log, "pixels of equal width in log10(wavelength)"),
        number("lsf_fwhm", &S::lsfFwhm, {0, 1e6}, "Angstrom",
               "the instrument's own line spread, applied where lsf.fwhm is \"telescope\""),
        words("medium", &S::medium, {"air", "vacuum"}, "of the wavelengths"),
    };
    s.defaultOf = [](const Parameter& p) {
        const Telescope t;
        return p.key == "log" || p.key == "medium" || p.key == "lsf_fwhm" ? p.get(&t) : json();
    };
    return s;
}

Section projectionSection() {
    using S = ProjectionConfig;
    Section s = ofMember("projection", "How a star's light is laid on the spaxels.", &Config::projection);
    s.parameters = {
        choice(
            "footprint", &S::footprint, footprintNames,
            "nearest: all of it on the spaxel that the star falls into; cic: on the spaxels under a square of a "
            "spaxel's "
            "size; sph: under its cubic spline kernel seen along the line of sight. With the last two, which the GPU "
            "does not have, a cube is differentiable in positions"),
        numberOrWord("smoothing", &S::smoothing, "snapshot", {0, 1e6, true}, "kpc",
                     "of sph: the smoothing length, where the kernel ends; snapshot: each star's own (StellarHsml, "
                     "SubfindHsml)"),
    };
    appliesWhen<S>(s.parameters[1], [](const S& p) { return p.footprint == FootprintKind::sph; });
    return s;
}

Section sspSection() {
    Section s = ofMember("ssp", "The library of simple stellar populations.", &Config::ssp);
    s.shorthand = "library";
    s.parameters = {text("library", &SspConfig::library,
                         "a name in the data directory, or the path of an HDF5 file in Tessera's schema")};
    return s;
}

Section spectraSection() {
    using S = SpectraConfig;
    Section s = ofMember("spectra", "How spectra are computed.", &Config::spectra);
    s.parameters = {
        choice("doppler", &S::doppler, dopplerNames,
               "shift of ln(wavelength) by v: 1/2 ln((1+b)/(1-b)), ln(1+b), or b = v/c"),
        fixedWord("resample", "conserve",
                  "a pixel holds the exact mean over its width of the piecewise linear library"),
        number("accuracy", &S::accuracy, {1e-8, 1e-2}, "",
               "error allowed, as a fraction of a spaxel's mean flux density"),
        number("coefficients_from", &S::coefficientsFrom, {0, 1e30}, "stars",
               "stars for every node of velocity from which on a spaxel of a galaxy of a million stars is summed in "
               "coefficients; 0: where that is faster, as measured on this machine"),
        choice("outside", &S::outside, outsideNames,
               "wavelengths that the SSP library does not cover: an error, or NaN in the cube"),
    };
    return s;
}

Section psfSection() {
    using S = PsfConfig;
    Section s = ofOptional("psf", "Point spread function. Null or absent: none.", &Config::psf);
    s.parameters = {
        choice("kind", &S::kind, psfNames, "its shape"),
        number("fwhm", &S::fwhm, {0, 1e5, true}, "arcsec", "full width at half maximum"),
        number("beta", &S::beta, {1, 100, true}, "", "exponent of moffat"),
        number("fwhm_reference_wavelength", &S::referenceWavelength, {0, 1e9}, "Angstrom",
               "wavelength at which fwhm holds; 0: at all"),
        number("fwhm_power", &S::power, {-5, 5}, "", "fwhm(wavelength) = fwhm (wavelength / reference)^power"),
        choice("border", &S::border, borderNames,
               "padded: stars just outside the field shine into it; zero: nothing is outside"),
        text("path", &S::path, "FITS image of kind fits"),
        number("sigma_spaxels", &S::sigmaSpaxels, {0, 1e4}, "spaxels",
               "instead of fwhm: sigma of a Gaussian sampled on size x size spaxels; 0: not used"),
        integer("size", &S::size, {0, 4097}, "spaxels", "of sigma_spaxels"),
    };
    for (Parameter& p : s.parameters) {
        if (p.key.rfind("fwhm", 0) == 0)
            appliesWhen<S>(p, [](const S& psf) { return psf.sigmaSpaxels == 0 && psf.kind != PsfKind::fits; });
        if (p.key == "beta") appliesWhen<S>(p, [](const S& psf) { return psf.kind == PsfKind::moffat; });
        if (p.key == "path") appliesWhen<S>(p, [](const S& psf) { return psf.kind == PsfKind::fits; });
        if (p.key == "sigma_spaxels" || p.key == "size")
            appliesWhen<S>(p, [](const S& psf) { return psf.sigmaSpaxels > 0; });
    }
    return s;
}

Section lsfSection() {
    using S = LsfConfig;
    Section s = ofOptional("lsf", "Line spread function, a Gaussian. Null or absent: none.", &Config::lsf);
    s.exactlyOne = {"fwhm", "sigma", "resolution", "fwhm_polynomial", "table"};
    s.parameters = {
        fwhmOrTelescope("fwhm", &S::fwhm, {0, 1e6, true}, "Angstrom",
                        "full width at half maximum, or \"telescope\": the telescope's lsf_fwhm"),
        optionalNumber("sigma", &S::sigma, {0, 1e6, true}, "Angstrom", "standard deviation"),
        optionalNumber("resolution", &S::resolution, {1, 1e7}, "", "R = wavelength / FWHM"),
        polynomial("fwhm_polynomial", &S::fwhmPolynomial, "Angstrom",
                   "FWHM = c0 + c1 wavelength + c2 wavelength^2 ..., wavelength in Angstrom"),
        optionalText("table", &S::table, "text file of two columns: wavelength and FWHM in Angstrom"),
        boolean("subtract_library", &S::subtractLibrary,
                "the library's own resolution x (1 + redshift) is subtracted in quadrature"),
    };
    return s;
}

Section noiseSection() {
    using S = NoiseConfig;
    Section s = ofOptional("noise", "Noise, with its variance in the cube file. Null or absent: none.", &Config::noise);
    s.exactlyOne = {"signal_to_noise", "exposure_time"};
    s.parameters = {
        optionalNumber(
            "signal_to_noise", &S::signalToNoise, {0, 1e9, true}, "",
            "target signal to noise per voxel at the median flux density of the spaxels above 1 % of the brightest"),
        optionalNumber("exposure_time", &S::exposureTime, {0, 1e12, true}, "s",
                       "exposure mode: noise of source, sky and detector"),
        number("area", &S::area, {0, 1e10, true}, "cm^2", "collecting area"),
        number("throughput", &S::throughput, {0, 1, true}, "", "electrons per photon"),
        number("sky", &S::sky, {0, 1e12}, "1e-20 erg/s/cm^2/Angstrom/arcsec^2", "brightness of the sky"),
        number("read_noise", &S::readNoise, {0, 1e6}, "electrons", "per voxel and exposure"),
        integer("exposures", &S::exposures, {1, 1e6}, "", "number of exposures that the time is split into"),
        integer("seed", &S::seed, {0, 18446744073709551615.0}, "", "of the random numbers"),
    };
    for (Parameter& p : s.parameters)
        if (!p.optional && p.key != "seed") appliesWhen<S>(p, [](const S& n) { return n.exposureTime.has_value(); });
    return s;
}

Section outputSection() {
    using S = OutputConfig;
    Section s = ofMember("output", "What is written.", &Config::output);
    s.parameters = {
        text("path", &S::path, "the cube file (HDF5)"),
        choice("unit", &S::unit, unitNames,
               "flux: 1e-20 erg/s/cm^2/Angstrom per spaxel; luminosity: solar luminosities per Angstrom"),
        boolean("fits", &S::fits, "also a FITS cube of each galaxy and view: <stem>_<subhalo>[_view<k>].fits"),
        integer("compression", &S::compression, {0, 9}, "", "deflate level of the cubes; 0: none"),
        choice(
            "layout", &S::layout, layoutNames,
            "single: one file; parts: links to the cubes in <path>.parts/, which every rank wrote by itself; galaxies: "
            "the same with a file a galaxy, <path>.parts/<subhalo>.hdf5"),
        choice("assembly", &S::assembly, assemblyNames,
               "of layout single, after a run of several ranks: rank 0 copies the ranks' parts into one file (copy), "
               "or all "
               "ranks write it together (collective; needs parallel HDF5); auto: copy, or collective where that is "
               "quicker"),
        number("checkpoint", &S::checkpoint, {0, 1e6}, "s",
               "what was finished so long ago survives if the run is killed (--resume); 0: every galaxy at once"),
    };
    return s;
}

Section resourcesSection() {
    using S = ResourcesConfig;
    Section s = ofMember("resources", "What the computation may use.", &Config::resources);
    s.parameters = {
        choice("backend", &S::backend, backendNames,
               "on a GPU (cuda), with its kernels on the CPU to check them (simt, slow), or cpu; auto takes a GPU "
               "where the build has CUDA and one is found"),
        choice("exchange", &S::exchange, exchangeNames,
               "how the GPUs of ranks that share a galaxy exchange stars and spectra: directly (nccl, one GPU a rank) "
               "or through the hosts' memory (mpi); auto: nccl where the build has it and no two of the ranks have the "
               "same GPU"),
        number("exchange_timeout", &S::exchangeTimeout, {0.001, 1e6}, "s",
               "with nccl: the run ends with an error where another rank does not answer for so long"),
        integer("threads", &S::threads, {0, 4096}, "", "per rank; 0: all that OpenMP offers"),
        integer("memory_per_rank", &S::memoryPerRank, {0, 1e18}, "byte",
                "0: half of the node's memory, shared by its ranks"),
        integer("device_memory", &S::deviceMemory, {0, 1e18}, "byte", "of a rank on its GPU; 0: what is free there"),
        integer(
            "pinned_memory", &S::pinnedMemory, {1 << 24, 1e18}, "byte",
            "of a rank's memory that may be page-locked for copies to and from its GPU; what is more is copied by way "
            "of ordinary memory, which does not run beside the kernels"),
        integer("split_from", &S::splitFrom, {1, 1e15}, "",
                "galaxies of at least so many star particles may be shared by several ranks"),
        boolean("deterministic", &S::deterministic,
                "bitwise the same result for any number of threads and ranks; the cpu backend always gives that; a GPU "
                "sums dense spaxels faster without"),
    };
    return s;
}

Section topLevel() {
    Section s;
    s.doc = "Keys beside the sections.";
    s.parameters = {choice("compat", &Config::compat, compatNames,
                           "rubix: RUBIX's numerical conventions as a whole; see below for what it allows")};
    s.make = [](Config& c, std::size_t) -> void* { return &c; };
    s.instances = [](const Config& c) { return std::vector<const void*>{&c}; };
    s.defaultOf = [](const Parameter& p) {
        const Config c;
        return p.get(&c);
    };
    return s;
}

}  // namespace

const std::vector<Section>& table() {
    static const std::vector<Section> sections{
        snapshotSection(),   galaxiesSection(), viewSection(),    cosmologySection(), telescopeSection(),
        projectionSection(), sspSection(),      spectraSection(), psfSection(),       lsfSection(),
        noiseSection(),      outputSection(),   topLevel(),       resourcesSection()};
    return sections;
}

const Section* findSection(const std::string& key) {
    for (const Section& s : table())
        if (s.key == key) return &s;
    return nullptr;
}

const Parameter* findParameter(const Section& section, const std::string& key) {
    for (const Parameter& p : section.parameters)
        if (p.key == key) return &p;
    return nullptr;
}

}  // namespace tessera::parameters
