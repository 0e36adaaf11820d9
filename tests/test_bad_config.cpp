// Malformed configurations and command lines: each gives one message that names what is wrong and where, exit code 2.
#include <catch2/catch.hpp>
#include <filesystem>

#include "bad_input.hpp"

using namespace tessera;
using test::BadInput;
using test::checkBadInput;
using test::Outcome;
using test::set;
using test::Workshop;

namespace {

std::function<void(Workshop&)> text(std::string document) {
    return [document](Workshop& w) { w.configText = document; };
}

}  // namespace

TEST_CASE("the workshop's configuration works") {
    const Workshop w;
    const Outcome o = w.run();
    INFO(o.err);
    CHECK(o.code == 0);
    CHECK(w.outputs() == std::vector<std::string>{"cubes.hdf5"});
}

TEST_CASE("malformed configurations") {
    const std::string need = R"("snapshot": {"path": "p"}, "telescope": "MUSE")";
    const std::vector<BadInput> rows{
        {"unknown key",
         set("view.redshfit=0.1"),
         2,
         {"config.json", "view.redshfit", "unknown key", "nearest valid key: view.redshift"}},
        {"unknown section", set("telescpe.fov=3"), 2, {"telescpe", "nearest valid key: telescope"}},
        {"key of another section", set("view.fov=3"), 2, {"view.fov", "telescope.fov"}},
        {"unknown key of an orientation",
         set("view.orientation.euler=[1,2,3]"),
         2,
         {"view.orientation.euler", "view.orientation.euler_deg"}},
        {"unknown key in a list of views", set(R"(view=[{}, {"twst": 3}])"), 2, {"view[1].twst", "view[1].twist"}},
        {"text where a number belongs",
         set("view.redshift=near"),
         2,
         {"view.redshift", "\"near\"", "not a number", "20"}},
        {"number where text belongs", text("{" + need + R"(, "output": {"path": 3}})"), 2, {"output.path", "not text"}},
        {"fraction where an integer belongs",
         set("galaxies.min_stars=1.5"),
         2,
         {"galaxies.min_stars", "1.5", "integer"}},
        {"word where a truth value belongs", set("output.fits=1"), 2, {"output.fits", "true or false"}},
        {"section that is no object", set("psf=3"), 2, {"psf", "3", "object or null"}},
        {"redshift zero with flux", set("view.redshift=0"), 2, {"view.redshift", "0", "redshift"}},
        {"negative redshift", set("view.redshift=-0.1"), 2, {"view.redshift", "-0.1"}},
        {"redshift beyond 20", set("view.redshift=21"), 2, {"view.redshift", "21", "20"}},
        {"FWHM zero", set("psf.fwhm=0"), 2, {"psf.fwhm", "0 < number", "arcsec"}},
        {"negative spaxel", set("telescope.spaxel=-0.2"), 2, {"telescope.spaxel", "-0.2"}},
        {"wavelengths upside down",
         set("telescope.wavelength=[5000,4000,1]"),
         2,
         {"telescope.wavelength", "5000", "4000"}},
        {"step larger than the range",
         set("telescope.wavelength=[4000,4010,20]"),
         2,
         {"telescope.wavelength", "20", "larger"}},
        {"absurd cube", set("telescope.spaxel=0.00001"), 2, {"telescope", "voxels", "1e12"}},
        {"not finite", text("{" + need + R"(, "view": {"redshift": 1e999}})"), 2, {"config.json", "1e999"}},
        {"NaN", text("{" + need + R"(, "view": {"redshift": NaN}})"), 2, {"config.json", "line 1"}},
        {"empty file", text(" "), 2, {"config.json", "not valid JSON"}},
        {"brace missing", text("{" + need), 2, {"config.json", "not valid JSON"}},
        {"list instead of an object", text("[1, 2]"), 2, {"config.json", "object"}},
        {"key given twice", text("{" + need + R"(, "psf": {"fwhm": 1, "fwhm": 2}})"), 2, {"psf.fwhm", "twice"}},
        {"no snapshot", text(R"({"telescope": "MUSE"})"), 2, {"snapshot", "missing", "snapshot.path"}},
        {"no snapshot.path", text(R"({"telescope": "MUSE", "snapshot": {}})"), 2, {"snapshot.path", "missing"}},
        {"no telescope", text(R"({"snapshot": {"path": "p"}})"), 2, {"telescope", "missing"}},
        {"unknown telescope", set("telescope=MNGA_12"), 2, {"telescope.name", "MNGA_12", "MaNGA_12"}},
        {"half a telescope of one's own",
         set(R"(telescope={"fov": 3, "spaxel": 1})"),
         2,
         {"telescope.aperture", "telescope.wavelength"}},
        {"unknown aperture", set("telescope.aperture=hexagonal"), 2, {"telescope.aperture", "hexagonal", "hexagon"}},
        {"the same subhalo twice", set("galaxies.subhalos=[1,2,1]"), 2, {"galaxies.subhalos", "1 twice"}},
        {"negative subhalo", set("galaxies.subhalos=[-1]"), 2, {"galaxies.subhalos", "-1"}},
        {"no subhalo at all", set("galaxies.subhalos=[]"), 2, {"galaxies.subhalos", "0 members"}},
        {"no view", set("view=[]"), 2, {"view", "0 members"}},
        {"signal to noise of zero", set("noise.signal_to_noise=0"), 2, {"noise.signal_to_noise", "0 < number"}},
        {"both kinds of noise",
         set(R"(noise={"signal_to_noise": 3, "exposure_time": 9})"),
         2,
         {"noise.signal_to_noise", "noise.exposure_time", "exactly one"}},
        {"noise of no kind", set(R"(noise={"seed": 3})"), 2, {"noise", "exactly one"}},
        {"reflection as a matrix",
         set("view.orientation.matrix=[[1,0,0],[0,1,0],[0,0,-1]]"),
         2,
         {"view.orientation.matrix", "determinant -1"}},
        {"stretching matrix",
         set("view.orientation.matrix=[[1,0,0],[0,1,0],[0,0,1.001]]"),
         2,
         {"view.orientation.matrix", "orthonormal"}},
        {"two Euler angles", set("view.orientation.euler_deg=[1,2]"), 2, {"view.orientation.euler_deg", "3 numbers"}},
        {"line of sight of no length",
         set("view.orientation.line_of_sight=[0,0,0]"),
         2,
         {"view.orientation.line_of_sight", "no direction"}},
        {"two orientations at once",
         set(R"(view.orientation={"euler_deg": [1,2,3], "line_of_sight": [1,0,0]})"),
         2,
         {"view.orientation", "2 keys"}},
        {"two line spreads at once",
         set(R"(lsf={"fwhm": 2, "sigma": 1})"),
         2,
         {"lsf.fwhm", "lsf.sigma", "exactly one"}},
        {"line spread as wide as the range", set("lsf.fwhm=2000"), 2, {"lsf.fwhm", "2000"}},
        {"negative polynomial", set("lsf.fwhm_polynomial=[2,-1e-3]"), 2, {"lsf.fwhm_polynomial"}},
        {"the telescope's own line spread, which it lacks",
         set("lsf.fwhm=telescope"),
         2,
         {"lsf.fwhm", "telescope.lsf_fwhm"}},
        {"psf.beta of a Gaussian", set(R"(psf={"fwhm": 1, "beta": 3})"), 2, {"psf.beta"}},
        {"two forms of a PSF",
         set(R"(psf={"fwhm": 1, "sigma_spaxels": 1, "size": 5})"),
         2,
         {"psf.fwhm", "sigma_spaxels"}},
        {"image PSF without an image", set("psf.kind=fits"), 2, {"psf.path", "missing"}},
        {"cosmology misspelt", set("cosmology=Plank15"), 2, {"cosmology.name", "Plank15", "nearest: \"Planck15\""}},
        {"half a custom cosmology", set(R"(cosmology={"name": "custom", "h": 0.7})"), 2, {"cosmology.Om0", "missing"}},
        {"Om0 of a named cosmology", set(R"(cosmology={"name": "TNG", "Om0": 0.3})"), 2, {"cosmology.Om0", "custom"}},
#ifndef TESSERA_HAS_CUDA
        {"a GPU that this build does not know",
         set("resources.backend=cuda"),
         2,
         {"resources.backend", "cuda", "not in this build"}},
#endif
#ifndef TESSERA_HAS_SIMT
        {"emulator that this build does not know", set("resources.backend=simt"), 2, {"resources.backend", "simt"}},
#endif
        {"RUBIX with what it does not have",
         [](Workshop& w) {
             w.args = {"--set", "compat=rubix", "--set", "psf.kind=moffat"};
         },
         2,
         {"psf.kind", "rubix", "gaussian"}},
        {"centre of several galaxies",
         [](Workshop& w) {
             w.config["galaxies"] = {{"subhalos", {0, 1}}, {"centre", {1, 2, 3}}};
         },
         2,
         {"galaxies.centre", "2 subhalos"}},
        {"photons of a luminosity",
         [](Workshop& w) {
             w.config["noise"] = {{"exposure_time", 10}};
             w.config["output"]["unit"] = "luminosity";
         },
         2,
         {"noise.exposure_time", "output.unit"}},
        {"compression level 10", set("output.compression=10"), 2, {"output.compression", "10", "9"}},
        {"assignment without a value", set("view.redshift"), 2, {"--set", "key.path=value"}},
        {"a key below a number", set("view.redshift.x=1"), 2, {"view.redshift"}},
    };
    for (const BadInput& row : rows) DYNAMIC_SECTION(row.name) {
            checkBadInput(row);
        }
}

TEST_CASE("malformed command lines") {
    const std::vector<BadInput> rows{
        {"unknown option",
         [](Workshop& w) {
             w.args = {"--outptu", "x"};
         },
         2,
         {"--outptu", "--output"}},
        {"abbreviated option", [](Workshop& w) { w.args = {"--dry"}; }, 2, {"--dry", "--dry-run"}},
        {"shard beyond the last",
         [](Workshop& w) {
             w.args = {"--shard", "4/4"};
         },
         2,
         {"--shard", "4/4", "I < N"}},
        {"shard outside a job array",
         [](Workshop& w) {
             w.args = {"--shard", "auto"};
         },
         2,
         {"--shard auto", "SLURM_ARRAY_TASK"}},
        {"two configurations", [](Workshop& w) { w.args = {"other.json"}; }, 2, {"more arguments"}},
    };
    for (const BadInput& row : rows) DYNAMIC_SECTION(row.name) {
            checkBadInput(row);
        }

    const auto tessera = [](const std::vector<std::string>& args, const test::ProcessLimits& limits = {}) {
        return test::runProcess(TESSERA_BINARY, args, "/", {}, limits);
    };
    Outcome o = tessera({"rnu", "x.json"});
    CHECK(o.code == 2);
    CHECK(o.err.find("nearest: \"run\"") != std::string::npos);
    o = tessera({});
    CHECK(o.code == 2);
    o = tessera({"run", "/no/such/config.json"});
    CHECK(o.code == 2);
    CHECK(o.err.find("/no/such/config.json") != std::string::npos);
    o = tessera({"run", "/tmp"});
    CHECK(o.code == 2);
    test::ProcessLimits full;
    full.standardOut = "/dev/full";
    o = tessera({"schema"}, full);
    CHECK(o.code == 1);
    CHECK(o.err.find("o space left") != std::string::npos);
}
