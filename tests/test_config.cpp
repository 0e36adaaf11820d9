// Configurations: every form of the contract, defaults, overrides, round trips. Malformed ones: test_bad_input.cpp.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "config/markdown.hpp"
#include "config/parameters.hpp"
#include "config/suggest.hpp"
#include "instrumented.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/model/config.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using nlohmann::json;
using test::messageOf;

namespace {

// A minimal configuration and the keys of an object laid over it.
Config with(const char* more, const std::vector<std::string>& overrides = {}) {
    json document = {{"snapshot", {{"path", "p"}}}, {"telescope", "MUSE"}};
    document.update(json::parse(more));
    return parseConfig(document.dump(), overrides);
}

std::string fileText(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

const char* const example = R"({
  // every section of the documentation's example
  "snapshot":  {"path": "mock/output", "format": "auto", "number": 99},
  "galaxies":  {"subhalos": [0, 3], "min_stars": 100, "particles": "subhalo"},
  "view":      {"redshift": 0.1, "orientation": "face-on", "inclination": 0.0, "position_angle": 0.0,
                "systemic_velocity": "subhalo"},
  "cosmology": {"name": "Planck15"},
  "telescope": {"name": "MUSE", "fov": 20.0},
  "ssp":       {"library": "bc03lr"},
  "spectra":   {"doppler": "relativistic", "resample": "conserve", "accuracy": 1e-4},
  "psf":       {"kind": "gaussian", "fwhm": 0.8},
  "lsf":       {"fwhm": 2.5},
  "noise":     {"signal_to_noise": 30, "seed": 1},
  "output":    {"path": "cubes.hdf5", "unit": "flux", "fits": false, "compression": 4},
  "compat":    "none" /* and so on */
})";

}  // namespace

TEST_CASE("the documentation's example") {
    const Config c = parseConfig(example);
    CHECK(c.snapshot.path == "mock/output");
    CHECK(c.snapshot.number == 99);
    CHECK(c.galaxies.subhalos == std::vector<std::int64_t>{0, 3});
    REQUIRE(c.views.size() == 1);
    CHECK(c.views[0].orientation == Orientation::faceOn);
    CHECK(c.telescope.fov == 20);
    CHECK(c.telescope.spaxel == 0.2);
    CHECK(c.telescope.spaxels() == 100);
    CHECK(c.telescope.wavelengths().size == 3721);
    REQUIRE(c.psf);
    CHECK(c.psf->fwhm == 0.8);
    REQUIRE(c.lsf);
    CHECK(c.lsf->fwhm == 2.5);
    REQUIRE(c.noise);
    CHECK(c.noise->signalToNoise == 30.0);
    CHECK(c.compat == Compat::none);
}

TEST_CASE("defaults are those of the structs; stages that are not named are skipped") {
    const Config c = with("{}");
    const ViewConfig view;
    CHECK(c.views[0].redshift == view.redshift);
    CHECK(c.views[0].orientation == view.orientation);
    CHECK(c.galaxies.minStars == GalaxiesConfig{}.minStars);
    CHECK(c.galaxies.subhalos.empty());
    CHECK_FALSE(c.galaxies.centre);
    CHECK(c.output.path == OutputConfig{}.path);
    CHECK(c.cosmology.name == "Planck15");
    CHECK_FALSE(c.psf);
    CHECK_FALSE(c.lsf);
    CHECK_FALSE(c.noise);
    const Config null = with(R"({"psf": null, "lsf": null, "noise": null, "galaxies": {"subhalos": null}})");
    CHECK(dumpConfig(null) == dumpConfig(c));
}

TEST_CASE("views: one, or a list") {
    const Config c = with(R"({"view": [{"redshift": 0.2}, {"orientation": "edge-on"}, {"orientation": "none"}]})");
    REQUIRE(c.views.size() == 3);
    CHECK(c.views[0].redshift == 0.2);
    CHECK(c.views[1].redshift == 0.1);
    CHECK(c.views[1].orientation == Orientation::edgeOn);
    CHECK(c.views[2].orientation == Orientation::none);
}

TEST_CASE("orientations that are objects") {
    Config c = with(R"({"view": {"orientation": {"euler_deg": [10, -20, 30.5]}}})");
    CHECK(c.views[0].orientation == Orientation::euler);
    CHECK(c.views[0].eulerDeg == Vec3d{10, -20, 30.5});
    c = with(R"({"view": {"orientation": {"matrix": [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}}})");
    CHECK(c.views[0].orientation == Orientation::matrix);
    CHECK(c.views[0].matrix.row[1] == Vec3d{0, 0, 1});
    c = with(R"({"view": {"orientation": {"line_of_sight": [1, 1, 0]}}})");
    CHECK(c.views[0].orientation == Orientation::lineOfSight);
    CHECK(c.views[0].lineOfSight == Vec3d{1, 1, 0});
}

TEST_CASE("telescopes: a name, a name with overrides, all of it") {
    CHECK(with(R"({"telescope": "manga-12"})").telescope.name == "MaNGA_12");
    Config c = with(R"({"telescope": {"name": "SAMI", "aperture": "square", "wavelength": [4000, 5000, 2]}})");
    CHECK(c.telescope.fov == 15);
    CHECK(c.telescope.aperture == Aperture::square);
    CHECK(c.telescope.wavelengths().size == 500);
    c = with(R"({"telescope": {"fov": 3, "spaxel": 0.5, "aperture": "circle", "wavelength": [4000, 8000, 1e-4],
                 "log": true, "medium": "vacuum"}})");
    CHECK(c.telescope.spaxels() == 6);
    CHECK(c.telescope.log);
    CHECK(c.telescope.wavelengths().size == 3011);  // log10(2) / 1e-4 = 3010.3
    CHECK(c.telescope.medium == "vacuum");
}

TEST_CASE("cosmologies: a name, an object, a custom one") {
    CHECK(with(R"({"cosmology": "TNG"})").cosmology.name == "TNG");
    const Config c = with(R"({"cosmology": {"name": "custom", "Om0": 0.3, "h": 0.7, "wa": 0.1}})");
    CHECK(c.cosmology.Om0 == 0.3);
    CHECK(c.cosmology.w0 == -1);
    CHECK(c.cosmology.wa == 0.1);
}

TEST_CASE("line spread functions") {
    CHECK(with(R"({"lsf": {"sigma": 1.5}})").lsf->sigma == 1.5);
    CHECK(with(R"({"lsf": {"resolution": 3000}})").lsf->resolution == 3000.0);
    CHECK(with(R"({"lsf": {"fwhm_polynomial": [2, 1e-5]}})").lsf->fwhmPolynomial == std::vector<double>{2, 1e-5});
    CHECK(with(R"({"lsf": {"table": "lsf.txt"}})").lsf->table == "lsf.txt");
    CHECK(with(R"({"lsf": {"fwhm": "telescope"}})").lsf->fwhm == 2.51);  // MUSE's
}

TEST_CASE("point spread functions, RUBIX's form among them") {
    const Config c = with(R"({"psf": {"kind": "gaussian", "sigma_spaxels": 0.6, "size": 5}})");
    CHECK(c.psf->sigmaSpaxels == 0.6);
    CHECK(c.psf->size == 5);
    CHECK(with(R"({"psf": {"kind": "moffat", "fwhm": 1, "beta": 4.765}})").psf->beta == 4.765);
    CHECK(with(R"({"psf": {"kind": "fits", "path": "psf.fits"}})").psf->path == "psf.fits");
}

TEST_CASE("compat rubix switches to RUBIX's conventions as a whole") {
    const auto check = [](const Config& c) {
        CHECK(c.spectra.doppler == Doppler::exponential);
        CHECK(c.output.unit == CubeUnit::luminosity);
        CHECK(c.psf->border == PsfBorder::zero);
        CHECK_FALSE(c.lsf->subtractLibrary);
    };
    const Config own = with(R"({"compat": "rubix", "psf": {"sigma_spaxels": 0.6, "size": 5}, "lsf": {"sigma": 0.5}})");
    check(own);
    CHECK(own.psf->sigmaSpaxels == 0.6);
    // Whatever the keys say of them; a FWHM is converted.
    const Config c = with(R"({"compat": "rubix", "psf": {"fwhm": 0.8, "border": "padded"}, "lsf": {"fwhm": 2.5},
                              "spectra": {"doppler": "relativistic"}, "output": {"unit": "flux"}})");
    check(c);
    CHECK(c.psf->sigmaSpaxels == Approx(0.8 / c.telescope.spaxel / 2.3548200450309493));
    CHECK(c.psf->size % 2 == 1);
    CHECK(c.psf->size > 10 * c.psf->sigmaSpaxels - 1);
}

TEST_CASE("--set: JSON, else text; sections made, strings extended, lists addressed") {
    CHECK(with("{}", {"view.redshift=0.3"}).views[0].redshift == 0.3);
    CHECK(with("{}", {"view.orientation=edge-on"}).views[0].orientation == Orientation::edgeOn);
    CHECK(with("{}", {"view.orientation.euler_deg=[1,2,3]"}).views[0].eulerDeg == Vec3d{1, 2, 3});
    Config c = with("{}", {"telescope.fov=30"});
    CHECK(c.telescope.name == "MUSE");
    CHECK(c.telescope.fov == 30);
    CHECK(with("{}", {"telescope=SAMI"}).telescope.name == "SAMI");
    CHECK(with("{}", {"psf.fwhm=1.5"}).psf->fwhm == 1.5);
    CHECK_FALSE(with(R"({"psf": {"fwhm": 1}})", {"psf=null"}).psf);
    CHECK(with("{}", {"output.path=2024"}).output.path == "2024");
    CHECK(with("{}", {"output.path=\"a=b\""}).output.path == "a=b");
    CHECK(with("{}", {"galaxies.subhalos=[4,2]"}).galaxies.subhalos == std::vector<std::int64_t>{4, 2});
    const char* two = R"({"view": [{"redshift": 0.2}, {"redshift": 0.4}]})";
    CHECK(with(two, {"view.1.redshift=0.5"}).views[1].redshift == 0.5);
    CHECK(with(two, {"view[0].redshift=0.5"}).views[0].redshift == 0.5);
    c = with(two, {"view.redshift=0.7"});
    CHECK(c.views[0].redshift == 0.7);
    CHECK(c.views[1].redshift == 0.7);
    CHECK_THAT(messageOf<ConfigError>([&] { with(two, {"view.2.redshift=1"}); }), Contains("2 members"));
}

TEST_CASE("ids are integers and ranges of them") {
    using Ids = std::vector<std::int64_t>;
    const auto ids = [](const std::string& text) {
        return with("{}", {"galaxies.subhalos=" + text}).galaxies.subhalos;
    };
    CHECK(ids("3") == Ids{3});
    CHECK(ids("2-4") == Ids{2, 3, 4});
    CHECK(ids("9, 2 - 4,7") == Ids{9, 2, 3, 4, 7});
    CHECK(ids(R"([9, "2-4", "7"])") == Ids{9, 2, 3, 4, 7});
    CHECK(ids("\"0-0\"") == Ids{0});
    for (const auto& [text, fault] :
         std::vector<std::pair<std::string, std::string>>{{"4-2", "ends before it begins"},
                                                          {"2-4,3", "names 3 twice"},
                                                          {"2-", "\"2-\""},
                                                          {"-3", "out of range"},
                                                          {"1-2-3", "\"1-2-3\""},
                                                          {"[1.5]", "neither an integer nor a range"},
                                                          {"[[1,2]]", "neither an integer nor a range"},
                                                          {"\"\"", "\"\""},
                                                          {"0-99999999999", "more than 50000000"},
                                                          {"99999999999999999999", "out of range"},
                                                          {"1-99999999999999999999", "neither an id nor a range"}}) {
        INFO(text);
        CHECK_THAT(messageOf<ConfigError>([&] { ids(text); }), Contains("galaxies.subhalos") && Contains(fault));
    }
    // Long runs are written as ranges.
    const Config many = with("{}", {"galaxies.subhalos=5,10-1000000,7,8"});
    const json back = json::parse(dumpConfig(many))["galaxies"]["subhalos"];
    CHECK(back == json::array({5, "10-1000000", 7, 8}));
    CHECK(parseConfig(dumpConfig(many)).galaxies.subhalos == many.galaxies.subhalos);
}

TEST_CASE("intervals") {
    const auto mass = [](const std::string& text) {
        return *with("{}", {"galaxies.stellar_mass=" + text}).galaxies.stellarMass;
    };
    CHECK(mass("[1e9, null]").contains(1e9));
    CHECK(mass("[1e9, null]").contains(1e30));
    CHECK_FALSE(mass("[1e9, 2e9]").contains(2.1e9));
    CHECK(mass("[null, 2e9]").contains(0));
    CHECK_FALSE(with("{}", {"galaxies.stellar_mass=null"}).galaxies.stellarMass);
    for (const char* text : {"1e9", "[1e9]", "[2,1]", "[-1,2]", "[1,\"a\"]", "[1,2,3]"})
        CHECK_THAT(messageOf<ConfigError>([&] { mass(text); }), Contains("galaxies.stellar_mass"));
    CHECK_THAT(messageOf<ConfigError>([&] {
                   with("{}", {"galaxies.subhalos=1", "galaxies.file=ids.txt"});
               }),
               Contains("galaxies.file") && Contains("galaxies.subhalos"));
}

TEST_CASE("the nearest name") {
    CHECK(editDistance("redshift", "redshift") == 0);
    CHECK(editDistance("redshfit", "redshift") == 1);  // a swap
    CHECK(editDistance("kitten", "sitting") == 3);
    CHECK(editDistance("", "abc") == 3);
    CHECK(editDistance("MUSE", "muse") == 0);
    CHECK(nearestName("spaxl", {"fov", "spaxel", "aperture"}) == "spaxel");
    CHECK(nearestName("dry", {"set", "dry-run"}) == "dry-run");
}

namespace {

// A random value that the row of the table allows.
json randomValue(const parameters::Parameter& p, std::mt19937_64& random) {
    using parameters::Kind;
    const auto uniform = [&] {
        const double low = std::max(p.range.min, -1e6), high = std::min(p.range.max, 1e6);
        return low + (high - low) * std::uniform_real_distribution<double>(1e-6, 1)(random);
    };
    const auto vector = [&] { return json::array({uniform(), uniform(), uniform()}); };
    switch (p.kind) {
        case Kind::number:
        case Kind::numberOrWord:
            return uniform();
        case Kind::integer:
            return static_cast<std::int64_t>(uniform());
        case Kind::boolean:
            return random() % 2 == 0;
        case Kind::text:
            return "text " + std::to_string(random() % 1000) + " \xc3\xa9\"\\";
        case Kind::choice:
            return p.choices[random() % p.choices.size()];
        case Kind::orientation: {
            if (random() % 2 == 0) return p.choices[random() % p.choices.size()];
            if (random() % 2 == 0) return {{"euler_deg", vector()}};
            return {{"line_of_sight", json::array({uniform(), 1.0, uniform()})}};
        }
        case Kind::vector:
            if (p.key == "wavelength") return {4000 + double(random() % 100), 5000.5, 0.5 + double(random() % 10)};
            return vector();
        case Kind::matrix:
            return {};
        case Kind::numbers:
            return {uniform(), uniform()};
        case Kind::ids:
            return {random() % 1000, 1000 + random() % 1000, "5000-6000"};
        case Kind::interval: {
            const double low = uniform();
            return {random() % 2 ? json(low) : json(), low + 1};
        }
    }
    return {};
}

}  // namespace

// Random values for random keys of the table: what is given is in the dump, and the dump reads back to itself.
TEST_CASE("round trip of random configurations") {
    std::mt19937_64 random(20240301);
    const std::size_t trials = test::instrumented ? 1000 : 20000;
    std::size_t accepted = 0, refused = 0;
    for (std::size_t trial = 0; trial < trials; ++trial) {
        json document = {{"snapshot", {{"path", "p"}}}, {"telescope", {{"name", "MUSE"}}}};
        for (int k = 0; k < 4; ++k) {
            const parameters::Section& s = parameters::table()[random() % parameters::table().size()];
            const parameters::Parameter& p = s.parameters[random() % s.parameters.size()];
            if (s.key.empty())
                document[p.key] = randomValue(p, random);
            else if (!(s.key == "telescope" && p.key == "name"))
                document[s.key][p.key] = randomValue(p, random);
        }
        std::string dumped;
        try {
            dumped = dumpConfig(parseConfig(document.dump()));
        } catch (const ConfigError&) {
            ++refused;  // keys that exclude each other
            continue;
        }
        ++accepted;
        INFO(document.dump());
        REQUIRE(dumpConfig(parseConfig(dumped)) == dumped);
        const json back = json::parse(dumped);
        if (back["compat"] == "rubix") continue;  // replaces what is given
        for (const auto& [section, object] : document.items()) {
            if (!object.is_object()) continue;
            for (const auto& [key, value] : object.items()) {
                INFO(section << "." << key);
                if (section == "psf" && (key == "sigma_spaxels" || key == "size") && !back["psf"].contains(key))
                    continue;
                REQUIRE(back.at(section).contains(key));
                REQUIRE(back[section][key] == value);
            }
        }
    }
    CHECK(accepted > trials / 10);
    CHECK(refused > trials / 200);
}

TEST_CASE("the schema's defaults are what an empty configuration becomes") {
    const json schema = json::parse(configSchema());
    const json made = json::parse(dumpConfig(with("{}")));
    std::size_t compared = 0;
    for (const auto& [section, description] : schema["properties"].items()) {
        if (!made.at(section).is_object() || section == "telescope") continue;
        const json& object = description.contains("properties") ? description : description["anyOf"][0];
        for (const auto& [key, property] : object["properties"].items()) {
            if (!property.contains("default") || !made[section].contains(key)) continue;
            INFO(section << "." << key);
            CHECK(property["default"] == made[section][key]);
            ++compared;
        }
    }
    CHECK(compared > 20);
    CHECK(schema["properties"]["compat"]["default"] == "none");
}

TEST_CASE("docs/config.md is current") {
    CHECK(fileText(TESSERA_SOURCE_DIR "/docs/config.md") == configMarkdown());
}

TEST_CASE("configuration files") {
    const test::TemporaryDirectory directory;
    std::ofstream(directory / "c.json") << example;
    CHECK(dumpConfig(loadConfig(directory / "c.json", {"view.redshift=0.1"})) == dumpConfig(parseConfig(example)));
    const std::string message = messageOf<ConfigError>([&] { loadConfig(directory / "c.json", {"view.redshft=1"}); });
    CHECK_THAT(message, Contains("c.json") && Contains("view.redshft") && Contains("view.redshift"));
}
